"""Numbers that a check asks for which trainings log or show seed by seed: all quantities but shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from biorobust.reporting.claim import Quantity
from biorobust.reporting.estimates import NotMeasured, results
from biorobust.reporting.measurements import Measurements


@dataclass(frozen=True)
class PerSeed:
    """`values` by seed. `over_images`: an interval, where the file has one. `never`: a seed did not come to what was
    counted towards: a lower bound.
    """

    values: Mapping[int, float]
    over_images: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    never: bool = False


def per_seed(quantity: Quantity, m: Measurements) -> PerSeed:
    """Raises NotMeasured when a file or a value is not there."""
    return _KINDS[quantity.kind](quantity, m)


def _value(quantity: Quantity, m: Measurements) -> PerSeed:
    n_seeds = len(results(quantity.of, m)["per_seed"])
    values, low, high = (
        {row.seed: float(row.value) for row in m.rows(quantity.of, f"{quantity.key}{end}") if row.value is not None}
        for end in ("", "_low", "_high")
    )
    if not values or len(values) < n_seeds:
        raise NotMeasured(f"{quantity.of}.json does not give {quantity.key} for every seed")
    ends = {seed: (low[seed], high[seed]) for seed in low if seed in high}
    return PerSeed(values, ends)


def _epochs_to(quantity: Quantity, m: Measurements) -> PerSeed:
    """An accuracy that was never reached counts as one epoch more than were run."""
    content = results(quantity.of, m)
    rows = m.rows(quantity.of, f"epochs_to.{quantity.key}")
    if len(rows) < len(content["per_seed"]):
        raise NotMeasured(f"{quantity.of}.json does not say when an accuracy of {quantity.key} was reached")
    never = float(content["settings"]["epochs"] + 1)
    return PerSeed(
        {row.seed: never if row.value is None else float(row.value) for row in rows},
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
    return PerSeed({seed: 1 - of_seed[-1][key] / of_seed[0][key] for seed, of_seed in rows.items()})


def _jump(quantity: Quantity, m: Measurements) -> PerSeed:
    name = f"attack/{quantity.of}"
    results(name, m)
    rows = m.rows(name, "discontinuity.jump.median")
    if not rows:
        raise NotMeasured(f"{name}.json has no random lines")
    return PerSeed({row.seed: float(row.value or 0.0) for row in rows})


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
    return PerSeed({seed: float(spearmanr(*zip(*by_seed[seed], strict=True)).statistic) for seed in sorted(by_seed)})


_KINDS: dict[str, Callable[[Quantity, Measurements], PerSeed]] = {
    "value": _value,
    "epochs_to": _epochs_to,
    "fall": _fall,
    "jump": _jump,
    "jump_by_gamma": _jump_by_gamma,
}
