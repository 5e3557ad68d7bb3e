"""How attacks are called and drawn, in tables, figures and text alike. The names are those of the metrics."""

from __future__ import annotations

from dataclasses import dataclass

REPORT_LOSS = "fgsm-report"
WORST_CASE = "worst-case"


@dataclass(frozen=True)
class AttackLook:
    """`label`: the loss that is attacked, in words; `dashes` and `width` (points): its line."""

    label: str
    dashes: str
    width: float


ATTACKS = {
    REPORT_LOSS: AttackLook("the report's loss", "--", 1.2),
    "fgsm-cross-entropy": AttackLook("cross-entropy before tanh", ":", 1.2),
    "fgsm-margin": AttackLook("margin", "-.", 1.2),
    WORST_CASE: AttackLook("worst case, image by image", "-", 2.0),
}
