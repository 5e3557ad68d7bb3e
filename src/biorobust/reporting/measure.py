"""The measured side of a check: its quantity over seeds, or the paired difference of two runs, with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from biorobust.analysis.intervals import difference_interval, mean_interval, wilson
from biorobust.analysis.paired import combine
from biorobust.reporting.claim import PAIRED, Check, Quantity
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.per_seed import NotMeasured, PerSeed, file, per_seed

__all__ = ["Measured", "NotMeasured", "measure"]


@dataclass(frozen=True)
class Measured:
    """Proportions. `low`, `high` belong to `difference` where there is an `against`, else to `value`.

    `interval` says over what it reaches ("seeds", "images", "images and seeds", "" without one), or which end is open
    ("open above", "open below"); `half_width` is that over seeds; `p` is of the paired test and not yet corrected;
    `path` is the metrics file.
    """

    value: float
    against: float | None
    difference: float | None
    low: float | None
    high: float | None
    interval: str
    half_width: float | None
    n_images: int | None
    n_seeds: int
    p: float | None
    path: str


def measure(check: Check, metrics: Metrics, *, study: str) -> Measured:
    """Raises NotMeasured when a file, an attack, an epsilon or a value is not there."""
    if check.rule in PAIRED:
        return _paired(check, metrics, study=study)
    if check.quantity.kind == "curve_distance":
        return _curve_distance(check.quantity, metrics)
    first = per_seed(check.quantity, check.eps, metrics)
    if check.against is None:
        return _single(first)
    second = per_seed(check.against, check.eps, metrics)
    shared = [seed for seed in first.values if seed in second.values]
    if not shared:
        raise NotMeasured(f"{first.path} and {second.path} have no seed in common")
    if first.never and second.never:
        raise NotMeasured(f"seeds of neither of the two trainings all reached {check.quantity.key}")
    differences = mean_interval([first.values[seed] - second.values[seed] for seed in shared])
    low, high = _ends(differences.mean, differences.half_width)
    interval = "" if differences.half_width is None else "seeds"
    if len(shared) == 1 and first.counts and second.counts:
        (low, high), interval = difference_interval(*first.counts[shared[0]], *second.counts[shared[0]]), "images"
    if first.never:  # the difference is at least so much
        low, high, interval = differences.mean if low is None else low, None, "open above"
    if second.never:
        low, high, interval = None, differences.mean if high is None else high, "open below"
    return Measured(
        value=fmean(first.values[seed] for seed in shared),
        against=fmean(second.values[seed] for seed in shared),
        difference=differences.mean,
        low=low,
        high=high,
        interval=interval,
        half_width=differences.half_width,
        n_images=next((n for _, n in first.counts.values()), None),
        n_seeds=len(shared),
        p=None,
        path=first.path,
    )


def _paired(check: Check, metrics: Metrics, *, study: str) -> Measured:
    assert check.against is not None
    a, b, path = check.quantity.of, check.against.of, f"compare/{study}.csv"
    attack, eps = check.quantity.attack or "none", check.eps or 0.0
    at = f" under {attack} at eps {eps:g}" if check.eps is not None else ""
    if check.quantity.images == "noisy":
        # Every run of a study is tested under one noise, and its settings say at which level.
        settings = file(f"train/{a}", metrics)["settings"]
        attack, eps, at = "noise", settings["evaluation_noise_level"], " on noisy images"
    found_pairs = metrics.pair(study, a, b, attack=attack, eps=eps)
    if not found_pairs:
        raise NotMeasured(f"{path} has no pair {a}, {b}{at}")
    tables = list(found_pairs.values())
    found = combine(tables)
    half_width = mean_interval([counts.difference for counts in tables]).half_width
    return Measured(
        value=fmean((counts.both + counts.only_a) / counts.n for counts in tables),
        against=fmean((counts.both + counts.only_b) / counts.n for counts in tables),
        difference=found.difference,
        low=found.low,
        high=found.high,
        interval="images and seeds" if found.n_seeds >= 3 else "images",
        half_width=half_width,
        n_images=found.n_images,
        n_seeds=found.n_seeds,
        p=found.p,
        path=path,
    )


def _single(found: PerSeed) -> Measured:
    mean, _, half_width = mean_interval(list(found.values.values()))
    low, high = _ends(mean, half_width)
    interval = "" if half_width is None else "seeds"
    if low is not None and high is not None and found.counts:
        low, high = max(0.0, low), min(1.0, high)  # a t interval does not know that a share ends at 0 and 1
    if found.over_seeds:
        (low, high), interval = wilson(*found.over_seeds), "seeds"
    elif half_width is None and found.counts:
        (k, n), interval = next(iter(found.counts.values())), "images"
        low, high = wilson(k, n)
    elif half_width is None and found.over_images:
        (low, high), interval = next(iter(found.over_images.values())), "images"
    return Measured(
        value=mean,
        against=None,
        difference=None,
        low=low,
        high=high,
        interval=interval,
        half_width=half_width,
        n_images=next((n for _, n in found.counts.values()), None),
        n_seeds=len(found.values),
        p=None,
        path=found.path,
    )


def _curve_distance(quantity: Quantity, metrics: Metrics) -> Measured:
    """Largest |mean over seeds - published| over the published epsilons.

    Of the mean curve, and so without an interval: a single seed's largest distance grows with scatter alone.
    """
    assert quantity.published is not None
    at = [(per_seed(quantity, eps, metrics), accuracy) for eps, accuracy in quantity.published.accuracy]
    distance = max(abs(fmean(found.values.values()) - accuracy) for found, accuracy in at)
    first = at[0][0]
    return Measured(
        value=distance,
        against=None,
        difference=None,
        low=None,
        high=None,
        interval="",
        half_width=None,
        n_images=next((n for _, n in first.counts.values()), None),
        n_seeds=len(first.values),
        p=None,
        path=first.path,
    )


def _ends(mean: float, half_width: float | None) -> tuple[float | None, float | None]:
    return (None, None) if half_width is None else (mean - half_width, mean + half_width)
