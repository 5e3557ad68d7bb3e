"""The study in at most fifteen numbers, and its headline effects."""

from __future__ import annotations

from biorobust.reporting.effects import effect, on, under

# Name -> run, and what is asked of each: a name, an attack, epsilon, and which images.
ROWS = {
    "relu": "fast-cifar10-scratch-relu",
    "kwta": "fast-cifar10-scratch-kwta",
    "kwta_low": "fast-cifar10-scratch-kwta-low",
}
COLUMNS = (
    ("clean", None, 0.0, "clean"),
    ("pgd", "pgd-report", 0.031, "clean"),
    ("pgd_original", "pgd-corrected", 0.031, "clean"),
    ("deepfool", "deepfool-report", 0.031, "clean"),
    ("worst", "worst-case-image", 0.031, "clean"),
)
FAST, RESNET = "fast-cifar10-scratch", "resnet18-svhn-scratch"
EFFECTS = (
    effect(
        "ReLU above k-WTA-0.1 without an attack",
        (on(f"{FAST}-relu"), on(f"{FAST}-kwta-low")),
        (on(f"{RESNET}-relu"), on(f"{RESNET}-kwta-low")),
    ),
    effect(
        "ReLU: the report's PGD leaves more than the original's step",
        (under("pgd-report", f"{FAST}-relu", 0.031), under("pgd-corrected", f"{FAST}-relu", 0.031)),
        (under("pgd-report", f"{RESNET}-relu", 0.047), under("pgd-corrected", f"{RESNET}-relu", 0.047)),
    ),
    effect(
        "k-WTA-0.1 above ReLU under DeepFool",
        (under("deepfool-report", f"{FAST}-kwta-low", 0.031), under("deepfool-report", f"{FAST}-relu", 0.031)),
        (under("deepfool-report", f"{RESNET}-kwta-low", 0.047), under("deepfool-report", f"{RESNET}-relu", 0.047)),
    ),
)
