"""The names of the registry `biorobust.attacks.ATTACKS`, spelled here so that params.yaml is checked without torch.

No training depends on this file: a further attack trains nothing again.
"""

from __future__ import annotations

from typing import Literal, get_args

AttackName = Literal[
    "fgsm-report",
    "fgsm-cross-entropy",
    "fgsm-margin",
    "pgd-report",
    "pgd-corrected",
    "pgd-cross-entropy",
    "pgd-margin",
    "pgd-report-best",
    "pgd-corrected-best",
    "pgd-cross-entropy-best",
    "pgd-margin-best",
    "pgd-targeted",
    "deepfool-report",
    "apgd-cross-entropy",
    "apgd-margin",
    "apgd-logits-ratio",
    "apgd-targeted",
    "apgd-noise",
    "fmn",
    "pgd-averaged",
    "pgd-averaged-64",
    "square",
    "random-corners",
    "transfer",
    "warm-start",
]
NAMES: tuple[str, ...] = get_args(AttackName)
