"""The measured side of a check: its quantity over seeds, or the paired difference of two runs, with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from biorobust.analysis.intervals import mean_interval, wilson
from biorobust.analysis.paired import combine
from biorobust.reporting.claim import PAIRED, Check, Quantity
from biorobust.reporting.metrics import Metrics, eps_key


class NotMeasured(Exception):
    """The metrics do not hold what the check asks for; the message says what is missing."""


@dataclass(frozen=True)
class Measured:
    """Proportions. `low`, `high` belong to `difference` where there is an `against`, else to `value`.

    `interval` says over what it reaches ("seeds", "images", "images and seeds", "" without one); `half_width` is that
    over seeds; `p` is of the paired test and not yet corrected; `path` is the metrics file.
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


@dataclass(frozen=True)
class _PerSeed:
    values: Mapping[int, float]
    counts: Mapping[int, tuple[int, int]]  # (k, n) where the value is a share of images
    path: str
    over_images: Mapping[int, tuple[float, float]] = field(default_factory=dict)  # interval, where the file has one


def measure(check: Check, metrics: Metrics, *, study: str) -> Measured:
    """Raises NotMeasured when a file, an attack, an epsilon or a value is not there."""
    if check.rule in PAIRED:
        return _paired(check, metrics, study=study)
    if check.quantity.kind == "curve_distance":
        return _curve_distance(check.quantity, metrics)
    first = _per_seed(check.quantity, check.eps, metrics)
    if check.against is None:
        return _single(first)
    second = _per_seed(check.against, check.eps, metrics)
    shared = [seed for seed in first.values if seed in second.values]
    if not shared:
        raise NotMeasured(f"{first.path} and {second.path} have no seed in common")
    differences = mean_interval([first.values[seed] - second.values[seed] for seed in shared])
    low, high = _ends(differences.mean, differences.half_width)
    return Measured(
        value=fmean(first.values[seed] for seed in shared),
        against=fmean(second.values[seed] for seed in shared),
        difference=differences.mean,
        low=low,
        high=high,
        interval="" if differences.half_width is None else "seeds",
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
        settings = _file(f"train/{a}", metrics)["settings"]
        attack, eps, at = "noise", settings["evaluation_noise_level"], " on noisy images"
    per_seed = metrics.pair(study, a, b, attack=attack, eps=eps)
    if not per_seed:
        raise NotMeasured(f"{path} has no pair {a}, {b}{at}")
    tables = list(per_seed.values())
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


def _single(found: _PerSeed) -> Measured:
    mean, _, half_width = mean_interval(list(found.values.values()))
    low, high = _ends(mean, half_width)
    interval = "" if half_width is None else "seeds"
    if low is not None and high is not None and found.counts:
        low, high = max(0.0, low), min(1.0, high)  # a t interval does not know that a share ends at 0 and 1
    if half_width is None and found.counts:
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
    at = [(_per_seed(quantity, eps, metrics), accuracy) for eps, accuracy in quantity.published.accuracy]
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


def _per_seed(quantity: Quantity, eps: float | None, metrics: Metrics) -> _PerSeed:
    if quantity.kind == "value":
        assert quantity.key is not None
        entries = _file(quantity.of, metrics)["per_seed"]
        values = {entry["seed"]: entry[quantity.key] for entry in entries if entry.get(quantity.key) is not None}
        if not values or len(values) < len(entries):
            raise NotMeasured(f"{quantity.of}.json does not give {quantity.key} for every seed")
        ends = {
            entry["seed"]: (entry.get(f"{quantity.key}_low"), entry.get(f"{quantity.key}_high")) for entry in entries
        }
        known = {seed: (low, high) for seed, (low, high) in ends.items() if low is not None and high is not None}
        return _PerSeed(values, {}, f"{quantity.of}.json", known)
    if quantity.attack is None:
        name = f"train/{quantity.of}"
        key = "correct" if quantity.images == "clean" else f"{quantity.images}_correct"
        entries = _file(name, metrics)["per_seed"]
        if any(key not in entry for entry in entries):
            raise NotMeasured(f"{name}.json has no {key}")
        counts = {entry["seed"]: (entry[key], entry["n"]) for entry in entries}
    else:
        name = f"attack/{quantity.of}"
        counts = _attacked(quantity, eps, _file(name, metrics), name)
    return _PerSeed({seed: k / n for seed, (k, n) in counts.items()}, counts, f"{name}.json")


def _attacked(
    quantity: Quantity, eps: float | None, content: Mapping[str, Any], name: str
) -> dict[int, tuple[int, int]]:
    if quantity.attack not in content["attacks"]:
        raise NotMeasured(f"{name}.json has no attack {quantity.attack}")
    entries = content["attacks"][quantity.attack]["per_seed"]
    if quantity.kind == "zero_gradient_correct":
        if any(quantity.kind not in entry for entry in entries):
            raise NotMeasured(f"{name}.json has no {quantity.kind} for {quantity.attack}")
        return {entry["seed"]: (entry[quantity.kind], entry["n"]) for entry in entries}
    grid = [eps_key(value) for value in content["eps"]]
    if eps_key(eps or 0.0) not in grid:
        raise NotMeasured(f"{name}.json has no eps {eps:g}")
    at = grid.index(eps_key(eps or 0.0))
    return {entry["seed"]: (entry["correct"][at], entry["n"]) for entry in entries}


def _file(name: str, metrics: Metrics) -> Mapping[str, Any]:
    content = metrics.get(name)
    if content is None:
        raise NotMeasured(f"{name}.json is missing")
    if content.get("status") != "ok":
        raise NotMeasured(f"{name}: {content.get('reason', 'unavailable')}")
    return content


def _ends(mean: float, half_width: float | None) -> tuple[float | None, float | None]:
    return (None, None) if half_width is None else (mean - half_width, mean + half_width)
