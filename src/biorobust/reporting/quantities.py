"""What a check asks of the table of measurements, seed by seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from biorobust.reporting.claim import Quantity
from biorobust.reporting.estimates import NotMeasured, Share, counts, results
from biorobust.reporting.measurements import Measurements
from biorobust.statistics import Accuracy


@dataclass(frozen=True)
class PerSeed:
    """`values` by seed, from the metrics file `path`.

    `n_images`: where the value is a share of images. `over_images`: an interval, where the file has one. `over_seeds`:
    a share of the seeds themselves. `never`: a seed did not come to what was counted towards: a lower bound.
    """

    values: Mapping[int, float]
    path: str
    counts: Mapping[int, int] = field(default_factory=dict)
    n_images: int | None = None
    over_images: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    over_seeds: Accuracy | None = None
    never: bool = False


def asked(quantity: Quantity, eps: float | None) -> Share:
    """The share of images that a quantity is, at an epsilon."""
    return Share(quantity.of, quantity.kind, quantity.attack, eps, quantity.images)


def per_seed(quantity: Quantity, eps: float | None, m: Measurements) -> PerSeed:
    """Raises NotMeasured when a file, an attack, an epsilon or a value is not there."""
    if quantity.kind in _KINDS:
        return _KINDS[quantity.kind](quantity, m)
    rows = counts(asked(quantity, eps), m)
    return PerSeed(
        {row.seed: float(row.value or 0.0) for row in rows},
        f"{rows[0].file}.json",
        counts={row.seed: row.k or 0 for row in rows},
        n_images=rows[0].n,
    )


def _value(quantity: Quantity, m: Measurements) -> PerSeed:
    n_seeds = len(results(quantity.of, m)["per_seed"])
    values, low, high = (
        {row.seed: float(row.value) for row in m.rows(quantity.of, f"{quantity.key}{end}") if row.value is not None}
        for end in ("", "_low", "_high")
    )
    if not values or len(values) < n_seeds:
        raise NotMeasured(f"{quantity.of}.json does not give {quantity.key} for every seed")
    ends = {seed: (low[seed], high[seed]) for seed in low if seed in high}
    return PerSeed(values, f"{quantity.of}.json", over_images=ends)


def _collapses(quantity: Quantity, m: Measurements) -> PerSeed:
    entries = results(quantity.of, m)["per_seed"]
    broken = {entry["seed"]: float(entry["collapsed"] or entry["diverged"]) for entry in entries}
    return PerSeed(broken, f"{quantity.of}.json", over_seeds=Accuracy((int(sum(broken.values())),), len(broken)))


def _epochs_to(quantity: Quantity, m: Measurements) -> PerSeed:
    """An accuracy that was never reached counts as one epoch more than were run."""
    content = results(quantity.of, m)
    rows = m.rows(quantity.of, f"epochs_to.{quantity.key}")
    if len(rows) < len(content["per_seed"]):
        raise NotMeasured(f"{quantity.of}.json does not say when an accuracy of {quantity.key} was reached")
    never = float(content["settings"]["epochs"] + 1)
    return PerSeed(
        {row.seed: never if row.value is None else float(row.value) for row in rows},
        f"{quantity.of}.json",
        never=any(row.value is None for row in rows),
    )


def _fall(quantity: Quantity, m: Measurements) -> PerSeed:
    key, name = quantity.key or "", f"curves/{quantity.of}.csv"
    results(f"train/{quantity.of}", m)
    rows = m.curve(quantity.of)
    if not rows:
        raise NotMeasured(f"{name} is missing or has no rows")
    if any(key not in row for of_seed in rows.values() for row in (of_seed[0], of_seed[-1])):
        raise NotMeasured(f"{name} has no {key} in its first or last epoch")
    return PerSeed({seed: 1 - of_seed[-1][key] / of_seed[0][key] for seed, of_seed in rows.items()}, name)


def _jump(quantity: Quantity, m: Measurements) -> PerSeed:
    name = f"attack/{quantity.of}"
    results(name, m)
    rows = m.rows(name, "discontinuity.jump.median")
    if not rows:
        raise NotMeasured(f"{name}.json has no random lines")
    return PerSeed({row.seed: float(row.value or 0.0) for row in rows}, f"{name}.json")


def _jump_by_gamma(quantity: Quantity, m: Measurements) -> PerSeed:
    from scipy.stats import spearmanr

    name = f"attack/{quantity.of}"
    results(name, m)
    by_seed: dict[int, list[tuple[float, float]]] = {}
    both = (m.rows(name, f"discontinuity.by_gamma.{key}") for key in ("gamma", "jump.median"))
    for gamma, jump in zip(*both, strict=True):
        by_seed.setdefault(gamma.seed, []).append((float(gamma.value or 0.0), float(jump.value or 0.0)))
    if not by_seed:
        raise NotMeasured(f"{name}.json has no lines at other gammas")
    if any(len({jump for _, jump in pairs}) < 2 for pairs in by_seed.values()):
        raise NotMeasured(f"{name}.json has the same jump at every gamma")
    values = {seed: float(spearmanr(*zip(*by_seed[seed], strict=True)).statistic) for seed in sorted(by_seed)}
    return PerSeed(values, f"{name}.json")


_KINDS: dict[str, Callable[[Quantity, Measurements], PerSeed]] = {
    "value": _value,
    "collapses": _collapses,
    "epochs_to": _epochs_to,
    "fall": _fall,
    "jump": _jump,
    "jump_by_gamma": _jump_by_gamma,
}
