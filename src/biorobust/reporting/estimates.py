"""What a run's metrics say, as estimates with a 95 % interval: figures and tables take their values from here.

Shares of images have the intervals that verdicts rest on, over images and, where there are several trainings, seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from biorobust.reporting.claim import Quantity
from biorobust.reporting.measure import NotMeasured, accuracy
from biorobust.statistics import Accuracy, interval, mean_interval

if TYPE_CHECKING:
    from biorobust.reporting.metrics import Metrics


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    n_seeds: int


@dataclass(frozen=True)
class Curve:
    """Accuracy of a run under one attack, `points[i]` at `eps[i]` (L-infinity, pixel intensity in [0,1])."""

    eps: tuple[float, ...]
    points: tuple[Estimate, ...]

    def at(self, eps: float) -> Estimate | None:
        """The point at one epsilon, None where it was not attacked."""
        return next(
            (point for value, point in zip(self.eps, self.points, strict=True) if abs(value - eps) < 1e-9), None
        )


def combine(counts: Sequence[tuple[int, int]]) -> Estimate:
    """One estimate from (correct, n) of every seed, all on the same n images."""
    return _estimate(Accuracy(tuple(correct for correct, _ in counts), counts[0][1]))


def _estimate(accuracy: Accuracy) -> Estimate:
    low, high = interval(accuracy)
    return Estimate(value=accuracy.value, low=low, high=high, n=accuracy.n, n_seeds=accuracy.n_seeds)


def spread(values: Sequence[float], *, n: int) -> Estimate:
    """One estimate from a value per seed; with a single seed the interval is the value itself."""
    summary = mean_interval(values)
    reach = summary.half_width or 0.0
    return Estimate(value=summary.mean, low=summary.mean - reach, high=summary.mean + reach, n=n, n_seeds=len(values))


def within_bounds(share: Estimate) -> Estimate:
    """A t interval does not know that a share ends at 0 and 1."""
    return replace(share, low=max(0.0, share.low), high=min(1.0, share.high))


def ran(found: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The metrics of a run that has results; None where it is missing or `unavailable`."""
    return found if found is not None and found["status"] == "ok" else None


def clean_accuracy(metrics: Metrics, run: str) -> Estimate | None:
    """Accuracy on the clean test images."""
    return test_accuracy(metrics, run, "clean")


def test_accuracy(metrics: Metrics, run: str, images: str) -> Estimate | None:
    """Accuracy on "clean", "noisy" or "blurred" test images.

    None where it was not run or where a seed is broken, which is not averaged away.
    """
    found = ran(metrics.train(run))
    if not found or any(seed["collapsed"] or seed["diverged"] for seed in found["per_seed"]):
        return None
    try:
        return _estimate(accuracy(Quantity("accuracy", of=run, images=images), None, metrics, study=found["study"]))
    except NotMeasured:
        return None


def attack_curve(metrics: Metrics, run: str, attack: str) -> Curve | None:
    """Accuracy against epsilon of a run under an attack, None where it was not run.

    Without the epsilons at which this attack was not run.
    """
    found = ran(metrics.attack(run))
    if not found or attack not in found["attacks"]:
        return None
    per_seed = found["attacks"][attack]["per_seed"]
    points = {
        eps: _estimate(accuracy(Quantity("accuracy", of=run, attack=attack), eps, metrics, study=found["study"]))
        for i, eps in enumerate(found["eps"])
        if all(seed["correct"][i] is not None for seed in per_seed)
    }
    return Curve(eps=tuple(points), points=tuple(points.values()))


def zero_gradient_floor(metrics: Metrics, run: str, attack: str) -> Estimate | None:
    """Share of images classified correctly whose gradient is exactly zero: no gradient attack can move them."""
    found = ran(metrics.attack(run))
    if not found or attack not in found["attacks"]:
        return None
    return combine([(seed["zero_gradient_correct"], seed["n"]) for seed in found["attacks"][attack]["per_seed"]])


def per_seed(found: Mapping[str, Any] | None, key: str) -> Estimate | None:
    """A number that training or pretraining metrics hold for each seed; None where there is none."""
    found = ran(found)
    values = [seed[key] for seed in found["per_seed"] if seed.get(key) is not None] if found else []
    if not values:
        return None
    estimate = spread(values, n=0)
    return within_bounds(estimate) if key.endswith("_share") else estimate


def per_cycle(found: Mapping[str, Any] | None, key: str) -> tuple[Estimate, ...]:
    """A list that training metrics hold for each seed, entry by entry; empty where there is none or seeds differ."""
    found = ran(found)
    lists = [seed[key] for seed in found["per_seed"] if seed.get(key)] if found else []
    if not lists or len({len(values) for values in lists}) > 1:
        return ()
    return tuple(spread(values, n=0) for values in zip(*lists, strict=True))


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
