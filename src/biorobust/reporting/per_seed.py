"""One quantity of a check, seed by seed, from the metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biorobust.core import outcomes
from biorobust.reporting.claim import Quantity
from biorobust.reporting.metrics import Metrics, eps_key


class NotMeasured(Exception):
    """The metrics do not hold what the check asks for; the message says what is missing."""


@dataclass(frozen=True)
class PerSeed:
    """`values` by seed, from the metrics file `path`.

    `over_seeds`: a share of the seeds themselves, as (k, n). `never`: a seed did not come to what was counted towards,
    so that its value is only a lower bound.
    """

    values: Mapping[int, float]
    counts: Mapping[int, tuple[int, int]]  # (k, n) where the value is a share of images
    path: str
    over_images: Mapping[int, tuple[float, float]] = field(default_factory=dict)  # interval, where the file has one
    over_seeds: tuple[int, int] | None = None
    never: bool = False
    right: Mapping[int, NDArray[np.bool_]] = field(default_factory=dict)  # which images, where the file says so


def per_seed(quantity: Quantity, eps: float | None, metrics: Metrics) -> PerSeed:
    """Raises NotMeasured when a file, an attack, an epsilon or a value is not there."""
    if quantity.kind in _KINDS:
        return _KINDS[quantity.kind](quantity, metrics)
    if quantity.attack is None:
        name = quantity.of if "/" in quantity.of else f"train/{quantity.of}"
        key = "correct" if quantity.images == "clean" else f"{quantity.images}_correct"
        entries = file(name, metrics)["per_seed"]
        if any(key not in entry for entry in entries):
            raise NotMeasured(f"{name}.json has no {key}")
        counts = {entry["seed"]: (entry[key], entry["n"]) for entry in entries}
        if key == "correct" and all("right" in entry for entry in entries):
            right = {entry["seed"]: outcomes.from_text(entry["right"], entry["n"]) for entry in entries}
            return PerSeed({seed: k / n for seed, (k, n) in counts.items()}, counts, f"{name}.json", right=right)
    else:
        name = f"attack/{quantity.of}"
        counts = _attacked(quantity, eps, file(name, metrics), name)
    return PerSeed({seed: k / n for seed, (k, n) in counts.items()}, counts, f"{name}.json")


def file(name: str, metrics: Metrics) -> Mapping[str, Any]:
    """A metrics file that has results. Raises NotMeasured with the reason for one that is missing or unavailable."""
    content = metrics.get(name)
    if content is None:
        raise NotMeasured(f"{name}.json is missing")
    if content.get("status") != "ok":
        raise NotMeasured(f"{name}: {content.get('reason', 'unavailable')}")
    return content


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
    counted = "reached" if quantity.kind == "reached" else "correct"
    if any(counted not in entry for entry in entries):
        raise NotMeasured(f"{name}.json does not say what {quantity.attack} reached")
    grid = [eps_key(value) for value in content["eps"]]
    if eps_key(eps or 0.0) not in grid:
        raise NotMeasured(f"{name}.json has no eps {eps:g}")
    at = grid.index(eps_key(eps or 0.0))
    if any(entry[counted][at] is None for entry in entries):
        raise NotMeasured(f"{name}.json: {quantity.attack} was not run at eps {eps:g}")
    return {entry["seed"]: (entry[counted][at], entry["n"]) for entry in entries}


def _value(quantity: Quantity, metrics: Metrics) -> PerSeed:
    assert quantity.key is not None
    entries = file(quantity.of, metrics)["per_seed"]
    values = {entry["seed"]: entry[quantity.key] for entry in entries if entry.get(quantity.key) is not None}
    if not values or len(values) < len(entries):
        raise NotMeasured(f"{quantity.of}.json does not give {quantity.key} for every seed")
    ends = {entry["seed"]: (entry.get(f"{quantity.key}_low"), entry.get(f"{quantity.key}_high")) for entry in entries}
    known = {seed: (low, high) for seed, (low, high) in ends.items() if low is not None and high is not None}
    return PerSeed(values, {}, f"{quantity.of}.json", known)


def _collapses(quantity: Quantity, metrics: Metrics) -> PerSeed:
    entries = file(quantity.of, metrics)["per_seed"]
    broken = {entry["seed"]: float(entry["collapsed"] or entry["diverged"]) for entry in entries}
    return PerSeed(broken, {}, f"{quantity.of}.json", over_seeds=(int(sum(broken.values())), len(broken)))


def _epochs_to(quantity: Quantity, metrics: Metrics) -> PerSeed:
    """An accuracy that was never reached counts as one epoch more than were run."""
    content = file(quantity.of, metrics)
    values = {}
    for entry in content["per_seed"]:
        if quantity.key not in entry.get("epochs_to", {}):
            raise NotMeasured(f"{quantity.of}.json does not say when an accuracy of {quantity.key} was reached")
        reached = entry["epochs_to"][quantity.key]
        values[entry["seed"]] = float(content["settings"]["epochs"] + 1 if reached is None else reached)
    never = any(entry["epochs_to"][quantity.key] is None for entry in content["per_seed"])
    return PerSeed(values, {}, f"{quantity.of}.json", never=never)


def _fall(quantity: Quantity, metrics: Metrics) -> PerSeed:
    assert quantity.key is not None
    file(f"train/{quantity.of}", metrics)
    name, rows = f"curves/{quantity.of}.csv", metrics.curve(quantity.of)
    if not rows:
        raise NotMeasured(f"{name} is missing or has no rows")
    if any(quantity.key not in row for of_seed in rows.values() for row in (of_seed[0], of_seed[-1])):
        raise NotMeasured(f"{name} has no {quantity.key} in its first or last epoch")
    falls = {seed: 1 - of_seed[-1][quantity.key] / of_seed[0][quantity.key] for seed, of_seed in rows.items()}
    return PerSeed(falls, {}, name)


def _jump(quantity: Quantity, metrics: Metrics) -> PerSeed:
    name = f"attack/{quantity.of}"
    found = file(name, metrics).get("discontinuity")
    if not found:
        raise NotMeasured(f"{name}.json has no random lines")
    return PerSeed({row["seed"]: row["jump"]["median"] for row in found["per_seed"]}, {}, f"{name}.json")


def _jump_by_gamma(quantity: Quantity, metrics: Metrics) -> PerSeed:
    from scipy.stats import spearmanr

    name = f"attack/{quantity.of}"
    found = file(name, metrics).get("discontinuity")
    rows = found["by_gamma"] if found else []
    values = {}
    for seed in sorted({row["seed"] for row in rows}):
        of_seed = [(row["gamma"], row["jump"]["median"]) for row in rows if row["seed"] == seed]
        jumps = {jump for _, jump in of_seed}
        if len(jumps) < 2:
            raise NotMeasured(f"{name}.json has the same jump at every gamma")
        values[seed] = float(spearmanr(*zip(*of_seed, strict=True)).statistic)
    if not values:
        raise NotMeasured(f"{name}.json has no lines at other gammas")
    return PerSeed(values, {}, f"{name}.json")


_KINDS: dict[str, Callable[[Quantity, Metrics], PerSeed]] = {
    "value": _value,
    "collapses": _collapses,
    "epochs_to": _epochs_to,
    "fall": _fall,
    "jump": _jump,
    "jump_by_gamma": _jump_by_gamma,
}
