"""The study in at most fifteen numbers, and its headline effects."""

from __future__ import annotations

from biorobust.reporting.effects import effect, on, under

# Name -> run, and what is asked of each: a name, an attack, epsilon, and which images.
ROWS = {"cnn": "cnn-clean", "cnn_noisy": "cnn-noisy", "cnnf": "cnn-feedback"}
COLUMNS = (
    ("clean", None, 0.0, "clean"),
    ("noisy", None, 0.0, "noisy"),
    ("pgd", "pgd-cross-entropy", 0.05, "clean"),
    ("worst", "worst-case", 0.05, "clean"),
)
EFFECTS = (
    effect(
        "noisy training images, without feedback, above clean ones on noisy letters",
        (on("cnn-noisy", images="noisy"), on("cnn-clean", images="noisy")),
    ),
    effect(
        "CNN-F above the report's CNN on noisy letters",
        (on("cnn-feedback", images="noisy"), on("cnn-clean", images="noisy")),
    ),
    effect(
        "noisy training images above clean ones in the worst case at eps 0.05",
        (under("worst-case", "cnn-noisy", 0.05), under("worst-case", "cnn-clean", 0.05)),
    ),
)
