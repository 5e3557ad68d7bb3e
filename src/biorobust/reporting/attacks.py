"""How attacks are called and drawn, in tables, figures and text alike. The names are those of the metrics."""

from __future__ import annotations

from dataclasses import dataclass

REPORT_LOSS = "fgsm-report"
WORST_CASE = "worst-case"
IMAGE_WORST_CASE = f"{WORST_CASE}-image"  # of a study with two threat models: over attacks on the image alone
RESIZED = "-resized"
# Every attack of the registry in full words, for tables in which the attack itself is what differs.
NAMES = {
    "fgsm-report": "FGSM on the report's loss",
    "fgsm-cross-entropy": "FGSM",
    "fgsm-margin": "FGSM on the margin",
    "pgd-report": "PGD with the report's step",
    "pgd-corrected": "PGD with the original paper's step",
    "pgd-cross-entropy": "PGD",
    "pgd-margin": "PGD on the margin",
    "pgd-targeted": "PGD to another class",
    "deepfool-report": "DeepFool",
    "apgd-cross-entropy": "APGD",
    "apgd-margin": "APGD on the margin",
    "apgd-logits-ratio": "APGD on the logits ratio",
    "apgd-targeted": "APGD to other classes",
    "apgd-noise": "APGD averaged over noise",
    "fmn": "fast minimum-norm",
    "pgd-averaged": "PGD on averaged gradients",
    "pgd-averaged-64": "PGD on gradients averaged over 64 points",
    "square": "Square",
    "random-corners": "random corners",
    "transfer": "transfer",
    "warm-start": "APGD from the best point known",
    WORST_CASE: "worst case, image by image",
    IMAGE_WORST_CASE: "worst case of the attacks on the image",
}


def full_name(attack: str) -> str:
    """An attack in words: `pgd-margin-best@first` is PGD on the margin, best iterate, gradient of "first".

    Knows the suffixes -best (of the registry) and -resized (the resized tensor instead of the image), and @view.
    """
    name, _, view = attack.partition("@")
    plain = name.removesuffix(RESIZED)
    words = [NAMES[plain.removesuffix("-best")]]
    words += ["best iterate"] * plain.endswith("-best") + ["on the resized image"] * name.endswith(RESIZED)
    return ", ".join([*words, *([f"gradient of “{view}”"] if view else [])])


@dataclass(frozen=True)
class AttackLook:
    """`label`: the attack, or the loss that is attacked, in words; `dashes` and `width` (points): its line."""

    label: str
    dashes: str | tuple[int, tuple[int, ...]]
    width: float


ATTACKS = {
    REPORT_LOSS: AttackLook("the report's loss", "--", 1.2),
    "fgsm-cross-entropy": AttackLook("cross-entropy before tanh", ":", 1.2),
    "fgsm-margin": AttackLook("margin", "-.", 1.2),
    "pgd-cross-entropy": AttackLook("PGD on the cross-entropy", "-.", 1.2),
    "deepfool-own": AttackLook("DeepFool, own", "--", 1.2),
    "deepfool-live": AttackLook("DeepFool, own, crafted in live noise", (0, (6, 1)), 1.0),
    "deepfool-resnet50": AttackLook("DeepFool, from ResNet50", ":", 1.2),
    "deepfool-voneresnet50": AttackLook("DeepFool, from VOneResNet50", (0, (1, 3)), 1.2),
    "random-signs": AttackLook("random signs", (0, (1, 1)), 0.8),
    WORST_CASE: AttackLook("worst case, image by image", "-", 2.0),
}
# Of the CNN-F study, where attacks differ in where their gradient comes from. A plain CNN has one pass only.
FGSM = "fgsm-cross-entropy"
TARGETED = "pgd-targeted"
FEEDBACK_ATTACKS = {
    f"{FGSM}@first": AttackLook("FGSM, first pass", ":", 1.0),
    FGSM: AttackLook("FGSM, all cycles", "--", 1.0),
    "pgd-cross-entropy@first": AttackLook("PGD, first pass", (0, (1, 1)), 1.4),
    "pgd-cross-entropy": AttackLook("PGD, all cycles", "-.", 1.4),
    TARGETED: AttackLook("PGD to another letter", (0, (6, 2)), 1.0),
    WORST_CASE: AttackLook("worst case, image by image", "-", 2.2),
}
