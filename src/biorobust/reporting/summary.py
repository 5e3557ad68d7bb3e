"""A study in at most fifteen numbers: what `dvc metrics` and `dvc exp show` put before a person."""

from __future__ import annotations

from collections.abc import Mapping

from biorobust.reporting.estimates import NotMeasured, Share, share
from biorobust.reporting.measurements import Measurements

MOST = 15
Column = tuple[str, str | None, float, str]  # name, attack, epsilon, images

# Study -> its headline rows (name -> run), and what is asked of each row.
ROWS: Mapping[str, Mapping[str, str]] = {
    "hebbian": {
        "normal": "report-normal",
        "uniform": "report-uniform",
        "original": "original",
        "conv": "simple-conv",
        "end_to_end": "end-to-end",
    },
    "cnnf": {"cnn": "cnn-clean", "cnn_noisy": "cnn-noisy", "cnnf": "cnn-feedback"},
    "kwta": {
        "relu": "fast-cifar10-scratch-relu",
        "kwta": "fast-cifar10-scratch-kwta",
        "kwta_low": "fast-cifar10-scratch-kwta-low",
    },
    "vonenet": {"resnet": "resnet50", "vone": "voneresnet50", "vone_noiseless": "voneresnet50-noiseless"},
    "question": {
        "plain": "mnist-plain",
        "hebbian": "mnist-hebbian-units",
        "feedback": "mnist-feedback",
        "kwta": "mnist-kwta-low",
        "v1": "mnist-v1",
        "adversarial": "mnist-adversarial",
    },
}
COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "hebbian": (
        ("clean", None, 0.0, "clean"),
        ("fgsm_eps03", "fgsm-report", 0.3, "clean"),
        ("worst_eps01", "worst-case", 0.1, "clean"),
    ),
    "cnnf": (
        ("clean", None, 0.0, "clean"),
        ("noisy", None, 0.0, "noisy"),
        ("pgd", "pgd-cross-entropy", 0.05, "clean"),
        ("worst", "worst-case", 0.05, "clean"),
    ),
    "kwta": (
        ("clean", None, 0.0, "clean"),
        ("pgd", "pgd-report", 0.031, "clean"),
        ("pgd_original", "pgd-corrected", 0.031, "clean"),
        ("deepfool", "deepfool-report", 0.031, "clean"),
        ("worst", "worst-case-image", 0.031, "clean"),
    ),
    "vonenet": (
        ("clean", None, 0.0, "clean"),
        ("deepfool", "deepfool-own", 0.00784, "clean"),
        ("pgd", "pgd-cross-entropy", 0.00784, "clean"),
        ("worst", "worst-case", 0.00784, "clean"),
    ),
    "question": (("clean", None, 0.0, "clean"), ("worst", "worst-case", 0.1, "clean")),
}


def summary(study: str, metrics: Measurements) -> dict[str, float]:
    """`<row>_<column>` -> accuracy in percent, mean over trainings; what was not run is left out."""
    found = {}
    for row, run in ROWS[study].items():
        for column, attack, eps, images in COLUMNS[study]:
            try:
                value = share(Share(run, attack=attack, eps=eps, images=images), metrics, study=study)
            except NotMeasured:
                continue
            found[f"{row}_{column}"] = round(100 * value.value, 2)
    return found
