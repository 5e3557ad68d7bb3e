"""The study in at most fifteen numbers, and its headline effects."""

from __future__ import annotations

from biorobust.reporting.effects import effect, on, under

# Name -> run, and what is asked of each: a name, an attack, epsilon, and which images.
ROWS = {"resnet": "resnet50", "vone": "voneresnet50", "vone_noiseless": "voneresnet50-noiseless"}
COLUMNS = (
    ("clean", None, 0.0, "clean"),
    ("deepfool", "deepfool-own", 0.00784, "clean"),
    ("pgd", "pgd-cross-entropy", 0.00784, "clean"),
    ("worst", "worst-case", 0.00784, "clean"),
)
EFFECTS = (
    effect("plain above the V1 stage without an attack", (on("resnet50"), on("voneresnet50"))),
    effect(
        "the V1 stage above plain under PGD at eps 0.016",
        (under("pgd-cross-entropy", "voneresnet50", 0.01569), under("pgd-cross-entropy", "resnet50", 0.01569)),
    ),
    effect(
        "the V1 stage's noise: with it above without, PGD at eps 0.016",
        (
            under("pgd-cross-entropy", "voneresnet50", 0.01569),
            under("pgd-cross-entropy", "voneresnet50-noiseless", 0.01569),
        ),
    ),
)
