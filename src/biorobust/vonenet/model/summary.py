"""From deviations per image and layer to what the report prints: medians with intervals, dips, and paired ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biorobust.analysis.bootstrap import Interval, interval
from biorobust.vonenet.model import dips
from biorobust.vonenet.model.evidence import average, middle
from biorobust.vonenet.model.layers import CONV, NORM, V1, Deviations
from biorobust.vonenet.model.shown import OTHER, OWN, SELF

# Seen behind the normalisation only where it is asked: for the report's perturbation.
BEHIND = (OWN,)


def rows(seed: int, noise: str, found: Deviations) -> list[dict[str, Any]]:
    """One row per set of images and layer: n, undefined, and medians over images with 95 % bootstrap intervals.

    normalised: raw deviation over that of another image (0 unchanged, 1 as different as an unrelated image). dip_share:
    share of the images for which the convolution is a dip of the raw curve.
    """
    table = []
    for shown in found.sets:
        columns = [place for place, column in enumerate(found.columns) if column.kind != NORM or shown in BEHIND]
        statistics = {name: values[:, columns] for name, values in found.sets[shown].items()}
        raw = statistics["raw"]
        with np.errstate(invalid="ignore", divide="ignore"):
            other = found.sets[OTHER]["raw"][:, columns] if OTHER in found.sets else np.full_like(raw, np.nan)
            normalised = raw / other
        ends = {name: interval(statistics[name]) for name in ("raw", "centred", "relative")}
        ends["normalised"] = interval(normalised)
        between = middle(statistics["between"])
        share = _dip_shares(found, shown)
        for place, number in enumerate(columns):
            column = found.columns[number]
            row: dict[str, Any] = {"seed": seed, "noise": noise, "shown": shown, "kind": column.kind}
            row |= {"layer": column.index, "name": column.name}
            row |= {"n": int(np.isfinite(raw[:, place]).sum()), "undefined": int(np.isnan(raw[:, place]).sum())}
            for name, end in ends.items():
                row |= _flat(name, end, place)
            row |= {"between": between[place], "dip_share": share.get(number)}
            table.append(row)
    return table


def _flat(name: str, found: Interval, place: int) -> dict[str, float]:
    return {name: found.value[place], f"{name}_low": found.low[place], f"{name}_high": found.high[place]}


def _dip_shares(found: Deviations, shown: str) -> dict[int, float]:
    places = [place for place, column in enumerate(found.columns) if column.kind == CONV]
    values = found.of(shown, "raw", CONV)
    shares = dips.dips(values[~np.isnan(values).any(axis=1)]).mean(axis=0) if len(values) else np.zeros(len(places))
    return dict(zip(places, shares.tolist(), strict=True))


def estimate(name: str, values: np.ndarray, *, statistic: str = "median") -> dict[str, float | None]:
    """`name`, `name_low` and `name_high` of one value per image; all None where none is defined."""
    if not len(values) or np.isnan(values).all():
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    found = interval(values, statistic=statistic)
    return {name: float(found.value), f"{name}_low": float(found.low), f"{name}_high": float(found.high)}


def of_network(found: Deviations) -> dict[str, Any]:
    """What claims ask of one network without noise, under its own perturbation.

    zero_share: of the values at the report's layers that are exactly zero. lowest_share: of the report's layers that
    are the lowest of their stage on the median curve. conv2_dip_share: of the second convolutions of blocks that are
    dips, mean over images; conv2_always: of these layers that are a dip for every image. undefined: values without a
    number.
    """
    names = [column.name for column in found.columns if column.kind == CONV]
    raw = found.of(OWN, "raw", CONV)
    four, second = dips.reported(names), dips.of_kind(names, "conv2")
    is_dip = dips.dips(raw)[:, second]
    lowest = dips.lowest(middle(raw), names)
    return {
        **estimate("zero_share", (raw[:, four] == 0).mean(axis=1), statistic="mean"),
        "lowest_share": len(set(lowest) & set(four)) / len(four),
        "lowest": lowest,
        **estimate("conv2_dip_share", is_dip.mean(axis=1), statistic="mean"),
        "conv2_always": float(is_dip.all(axis=0).mean()),
        "undefined": int(np.isnan(raw).sum()),
        "smallest": float(np.nanmin(raw)),
    }


def noise_floor(found: Mapping[str, Deviations]) -> dict[str, float | None]:
    """self_v1_<noise>, self_last_<noise>: median deviation between two passes over the same clean image."""
    numbers: dict[str, float | None] = {}
    for noise, deviations in found.items():
        for place, kind in (("v1", V1), ("last", CONV)):
            values = deviations.of(SELF, "raw", kind)
            if values.shape[1]:
                numbers[f"self_{place}_{noise}"] = float(middle(values)[-1])
    return numbers


def shared_layers(first: Sequence[str], second: Sequence[str]) -> list[int]:
    """Numbers at which both networks have a layer of the same name."""
    return [number for number, (a, b) in enumerate(zip(first, second, strict=True)) if a == b]


def ratios(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """log10(second / first), (N, L); NaN where a value is zero or undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log10(second) - np.log10(first)
    return np.where(np.isfinite(found), found, np.nan)


def pair(key: str, first: np.ndarray, second: np.ndarray) -> tuple[dict[str, Any], Interval]:
    """Is `second` below `first`, layer by layer? Raw deviations (N, L) of two networks on the same images.

    log_ratio_<key>: median over images of the mean log10 ratio over layers, below 0 where the second deviates less.
    lower_<key>: share of the layers whose median ratio is below 0 with its whole interval, and higher_<key> above.
    one_image_<key>: share of the layers at which the second is below the first for the first image alone. Also gives
    the median ratio of every layer with its interval.
    """
    found = ratios(first, second)
    layer = interval(found)
    one = next((row for row in found if np.isfinite(row).any()), None)
    with np.errstate(invalid="ignore"):
        numbers: dict[str, Any] = {
            **estimate(f"log_ratio_{key}", average(found, axis=1)),
            f"lower_{key}": float((layer.high < 0).mean()),
            f"higher_{key}": float((layer.low > 0).mean()),
            f"one_image_{key}": None if one is None else float((one < 0).sum() / np.isfinite(one).sum()),
        }
    return numbers, layer
