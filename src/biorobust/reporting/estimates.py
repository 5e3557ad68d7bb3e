"""Estimates for the report modules that do not read the table of measurements yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from biorobust.reporting.measurements import AttackCurve as Curve
from biorobust.reporting.measurements import Estimate, accuracy, estimate
from biorobust.reporting.measurements import curve as attack_curve
from biorobust.statistics import Accuracy

if TYPE_CHECKING:
    from biorobust.reporting.metrics import Metrics

__all__ = ["Curve", "Estimate", "attack_curve"]


def combine(counts: Sequence[tuple[int, int]]) -> Estimate:
    """One estimate from (correct, n) of every seed, all on the same n images."""
    return estimate(Accuracy(tuple(correct for correct, _ in counts), counts[0][1]))


def ran(found: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The metrics of a run that has results; None where it is missing or `unavailable`."""
    return found if found is not None and found["status"] == "ok" else None


def clean_accuracy(metrics: Metrics, run: str) -> Estimate | None:
    """Accuracy on the clean test images."""
    return accuracy(metrics, run)
