"""The study in at most fifteen numbers, and its headline effects."""

from __future__ import annotations

from biorobust.reporting.effects import effect, under

# Name -> run, and what is asked of each: a name, an attack, epsilon, and which images.
ROWS = {
    "normal": "report-normal",
    "uniform": "report-uniform",
    "original": "original",
    "conv": "simple-conv",
    "end_to_end": "end-to-end",
}
COLUMNS = (
    ("clean", None, 0.0, "clean"),
    ("fgsm_eps03", "fgsm-report", 0.3, "clean"),
    ("worst_eps01", "worst-case", 0.1, "clean"),
)
EFFECTS = (
    effect(
        "convolutional above Hebbian network at eps 0.1, the report's attack",
        (under("fgsm-report", "simple-conv", 0.1), under("fgsm-report", "report-normal", 0.1)),
    ),
    effect(
        "Hebbian above convolutional network at eps 0.3, the report's attack: the plateau",
        (under("fgsm-report", "report-normal", 0.3), under("fgsm-report", "simple-conv", 0.3)),
    ),
    effect(
        "the plateau above what the worst of three losses leaves, Hebbian network at eps 0.3",
        (under("fgsm-report", "report-normal", 0.3), under("worst-case", "report-normal", 0.3)),
    ),
)
