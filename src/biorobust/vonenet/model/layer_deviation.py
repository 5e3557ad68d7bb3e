"""What the deviations of layers say: medians with intervals, dips, and a network against its baseline.

A dip is a layer below both its neighbours. Dips and ratios are measured on a logarithmic scale, where they are as large
in a layer that hardly changes as in one that changes a lot.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from biorobust.analysis.bootstrap import Interval, interval
from biorobust.vonenet.model.layers import CONV, NORM, V1, Deviations
from biorobust.vonenet.model.stimuli import COMMON, FROM, OTHER, OWN, SELF, SIGNS

# The report's layers 4, 12, 25 and 44, counted from 0 over the 53 convolutions of a ResNet50.
REPORTED = ("layer1.0.downsample.0", "layer2.0.conv2", "layer3.0.conv2", "layer4.0.conv2")


def reported(names: Sequence[str]) -> list[int]:
    """The numbers of the report's layers that the network has."""
    return [names.index(name) for name in REPORTED if name in names]


def kind(name: str) -> str:
    """conv1, conv2, conv3 or downsample within a block; stem for the first convolution."""
    parts = name.split(".")
    return "stem" if len(parts) < 3 else parts[2]


def of_kind(names: Sequence[str], wanted: str) -> list[int]:
    return [number for number, name in enumerate(names) if kind(name) == wanted]


def stages(names: Sequence[str]) -> dict[str, list[int]]:
    """Residual stage (layer1 ... layer4) -> the numbers of its convolutions."""
    numbers: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        if kind(name) != "stem":
            numbers.setdefault(name.split(".")[0], []).append(number)
    return numbers


def dips(values: np.ndarray) -> np.ndarray:
    """Bool (..., L): below both neighbours. The ends, and layers beside an undefined one, are no dips."""
    below = np.zeros(values.shape, dtype=bool)
    inner = values[..., 1:-1]
    with np.errstate(invalid="ignore"):
        below[..., 1:-1] = (inner < values[..., :-2]) & (inner < values[..., 2:])
    return below


def depth(values: np.ndarray) -> np.ndarray:
    """(..., L): log10 of a layer minus the mean of its neighbours'; negative in a dip, NaN at the ends and at 0."""
    logs = np.log10(np.where(values > 0, values, np.nan))
    depths = np.full(values.shape, np.nan)
    depths[..., 1:-1] = logs[..., 1:-1] - (logs[..., :-2] + logs[..., 2:]) / 2
    return depths


def lowest(curve: np.ndarray, names: Sequence[str]) -> list[int]:
    """The number of the smallest value of each residual stage: where scaling a stage to [0, 1] puts its zero."""
    defined = [numbers for numbers in stages(names).values() if not np.isnan(curve[numbers]).all()]
    return [numbers[int(np.nanargmin(curve[numbers]))] for numbers in defined]


def median(values: np.ndarray, *, axis: int = 0, statistic: Callable[..., Any] = np.nanmedian) -> np.ndarray:
    """Over images (or another axis, or another statistic), of what is defined; NaN where nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(statistic(values, axis=axis))


def mean(values: np.ndarray, *, axis: int) -> np.ndarray:
    """As `median`."""
    return median(values, axis=axis, statistic=np.nanmean)


def estimate(name: str, values: np.ndarray, *, statistic: str = "median") -> dict[str, float | None]:
    """`name`, `name_low` and `name_high` of one value per image; all None where none is defined."""
    keys = (name, f"{name}_low", f"{name}_high")
    if not len(values) or np.isnan(values).all():
        return dict.fromkeys(keys)
    return dict(zip(keys, map(float, interval(values, statistic=statistic)), strict=True))


def layer_table(seed: int, noise: str, deviations: Deviations) -> list[dict[str, Any]]:
    """One row per set of images and layer: n, undefined, and medians over images with 95 % bootstrap intervals.

    normalised: raw deviation over that of another image. dip_share: share of the images for which the convolution is a
    dip of the raw curve. Layers are measured behind the normalisation for the own perturbation only.
    """
    table = []
    for stimulus, statistics in deviations.sets.items():
        raw = statistics["raw"]
        with np.errstate(invalid="ignore", divide="ignore"):
            other = deviations.sets[OTHER]["raw"] if OTHER in deviations.sets else np.full_like(raw, np.nan)
            sampled = {name: statistics[name] for name in ("raw", "centred", "relative")} | {"normalised": raw / other}
        columns = [place for place, column in enumerate(deviations.columns) if column.kind != NORM or stimulus == OWN]
        intervals = {name: interval(values[:, columns]) for name, values in sampled.items()}
        between = median(statistics["between"])
        dip_share = _dip_share(deviations, stimulus)
        for i, place in enumerate(columns):
            column = deviations.columns[place]
            row: dict[str, Any] = {"seed": seed, "noise": noise, "shown": stimulus, "kind": column.kind}
            row |= {"layer": column.index, "name": column.name}
            row |= {"n": int(np.isfinite(raw[:, place]).sum()), "undefined": int(np.isnan(raw[:, place]).sum())}
            for name, (value, low, high) in intervals.items():
                row |= {name: value[i], f"{name}_low": low[i], f"{name}_high": high[i]}
            table.append(row | {"between": between[place], "dip_share": dip_share.get(place)})
    return table


def _dip_share(deviations: Deviations, stimulus: str) -> dict[int, float]:
    """Column of a convolution -> share of the images, among those with a value in every layer, for which it dips."""
    places = [place for place, column in enumerate(deviations.columns) if column.kind == CONV]
    values = deviations.values(stimulus, "raw")
    shares = dips(values[~np.isnan(values).any(axis=1)]).mean(axis=0) if len(values) else np.zeros(len(places))
    return dict(zip(places, shares.tolist(), strict=True))


def network_numbers(deviations: Mapping[str, Deviations]) -> dict[str, Any]:
    """What claims ask of one network: without noise, under its own perturbation.

    zero_share: of the values at the report's layers that are exactly zero. lowest_share: of the report's layers that
    are the lowest of their stage on the median curve. conv2_dip_share: of the second convolutions of blocks that are
    dips, mean over images; conv2_always: that are for every image. undefined: values without a number. self_v1_<noise>,
    self_last_<noise>: median deviation between two passes over the same clean image.
    """
    names, raw = deviations["none"].names, deviations["none"].values(OWN, "raw")
    four = reported(names)
    is_dip = dips(raw)[:, of_kind(names, "conv2")]
    numbers = {
        **estimate("zero_share", (raw[:, four] == 0).mean(axis=1), statistic="mean"),
        "lowest_share": len(set(lowest(median(raw), names)) & set(four)) / len(four),
        "lowest": lowest(median(raw), names),
        **estimate("conv2_dip_share", is_dip.mean(axis=1), statistic="mean"),
        "conv2_always": float(is_dip.all(axis=0).mean()),
        "undefined": int(np.isnan(raw).sum()),
        "smallest": float(np.nanmin(raw)),
    }
    for noise, measured in deviations.items():
        for place, kind in (("v1", V1), ("last", CONV)):
            itself = measured.values(SELF, "raw", kind)
            if itself.shape[1]:
                numbers[f"self_{place}_{noise}"] = float(median(itself)[-1])
    return numbers


def shown_pairs(baseline: str, name: str) -> dict[str, tuple[str, str]]:
    """Comparison -> the stimuli of the baseline and of the other network.

    own: each network on its own perturbation. transferred: both on the baseline's. returned: both on the other's.
    """
    pairs = {
        "own": (OWN, OWN),
        "transferred": (OWN, f"{FROM}{baseline}"),
        "returned": (f"{FROM}{name}", OWN),
        "signs": (SIGNS, SIGNS),
    }
    common = {f"{key}{COMMON}": (f"{a}{COMMON}", f"{b}{COMMON}") for key, (a, b) in pairs.items()}
    return {**pairs, **common, "other": (OTHER, OTHER)}


def compare_layers(key: str, first: np.ndarray, second: np.ndarray) -> tuple[dict[str, Any], Interval]:
    """Is `second` below `first`, layer by layer? Raw deviations (N, L) of two networks on the same images.

    log_ratio_<key>: median over images of the mean log10 ratio over layers. lower_<key>, higher_<key>: share of the
    layers whose median ratio is below 0, or above, with its whole interval. one_image_<key>: share of the layers at
    which the second is below for the first image alone. Also gives the median ratio of every layer with its interval.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.log10(second) - np.log10(first)
    ratios[~np.isfinite(ratios)] = np.nan  # a value is zero or undefined
    of_layers = interval(ratios)
    one = next((row for row in ratios if np.isfinite(row).any()), None)
    with np.errstate(invalid="ignore"):
        numbers: dict[str, Any] = {
            **estimate(f"log_ratio_{key}", mean(ratios, axis=1)),
            f"lower_{key}": float((of_layers.high < 0).mean()),
            f"higher_{key}": float((of_layers.low > 0).mean()),
            f"one_image_{key}": None if one is None else float((one < 0).sum() / np.isfinite(one).sum()),
        }
    return numbers, of_layers
