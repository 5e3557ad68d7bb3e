"""Estimates for the report modules that do not read the table of measurements yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from biorobust.reporting.measurements import AttackCurve as Curve
from biorobust.reporting.measurements import Estimate, accuracy, estimate, spread
from biorobust.reporting.measurements import curve as attack_curve
from biorobust.reporting.measurements import zero_gradient as zero_gradient_floor
from biorobust.statistics import Accuracy

if TYPE_CHECKING:
    from biorobust.reporting.metrics import Metrics

__all__ = ["Curve", "Estimate", "attack_curve", "spread", "zero_gradient_floor"]


def combine(counts: Sequence[tuple[int, int]]) -> Estimate:
    """One estimate from (correct, n) of every seed, all on the same n images."""
    return estimate(Accuracy(tuple(correct for correct, _ in counts), counts[0][1]))


def ran(found: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The metrics of a run that has results; None where it is missing or `unavailable`."""
    return found if found is not None and found["status"] == "ok" else None


def clean_accuracy(metrics: Metrics, run: str) -> Estimate | None:
    """Accuracy on the clean test images."""
    return accuracy(metrics, run)


def test_accuracy(metrics: Metrics, run: str, images: str) -> Estimate | None:
    """Accuracy on "clean", "noisy" or "blurred" test images."""
    return accuracy(metrics, run, images=images)


def per_seed(found: Mapping[str, Any] | None, key: str) -> Estimate | None:
    """A number that training or pretraining metrics hold for each seed; None where there is none."""
    found = ran(found)
    values = [seed[key] for seed in found["per_seed"] if seed.get(key) is not None] if found else []
    if not values:
        return None
    mean = spread(values)
    return mean._replace(low=max(0.0, mean.low), high=min(1.0, mean.high)) if key.endswith("_share") else mean


def per_cycle(found: Mapping[str, Any] | None, key: str) -> tuple[Estimate, ...]:
    """A list that training metrics hold for each seed, entry by entry; empty where there is none or seeds differ."""
    found = ran(found)
    lists = [seed[key] for seed in found["per_seed"] if seed.get(key)] if found else []
    if not lists or len({len(values) for values in lists}) > 1:
        return ()
    return tuple(spread(values) for values in zip(*lists, strict=True))


def by_level(metrics: Metrics, run: str, kind: str) -> dict[float, Estimate]:
    """Accuracy by the level of the "noise" or "blur" on the test images, under the counted readout; empty where it was
    not run."""
    found, rows = ran(metrics.train(run)), metrics.curve(f"{kind}-{run}")
    if not found or not rows:
        return {}
    readout = found["settings"]["readout"]
    counts: dict[float, list[tuple[int, int]]] = {}
    for of_seed in rows.values():
        for row in of_seed:
            counts.setdefault(row["level"], []).append((int(row[readout]), int(row["n"])))
    return {level: combine(of_level) for level, of_level in sorted(counts.items())}
