"""How a network's layers differ between clean and perturbed images, streamed: only one minibatch is ever kept.

Measured are all convolutions, numbered as in the report, the normalisation behind each, and the V1 stage. In eval mode
normalisation is affine per channel: its deviations follow from the sums of the convolution's output.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from biorobust.analysis import capture
from biorobust.analysis import deviation as dev
from biorobust.analysis.bootstrap import Interval, interval
from biorobust.vonenet.model import models
from biorobust.vonenet.model.evaluation import Noise, minibatches
from biorobust.vonenet.model.models import Classifier
from biorobust.vonenet.model.stimuli import COMMON, FROM, OTHER, OWN, SELF, SIGNS, Images, rows_of

STATISTICS = {"raw": dev.raw, "centred": dev.centred, "between": dev.between_share}
V1, CONV, NORM = "v1", "conv", "norm"


class Column(NamedTuple):
    """One measured layer. `number`: the report's number of the convolution, or of the one before a norm; -1 for V1."""

    kind: str
    number: int
    name: str


class Deviations(NamedTuple):
    """sets[perturbation][statistic]: float64 (N, L), a row per image, one of `columns` per layer; NaN: undefined."""

    columns: Sequence[Column]
    sets: Mapping[str, Mapping[str, np.ndarray]]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns if column.kind == CONV]

    def values(self, perturbation: str, statistic: str, kind: str = CONV) -> np.ndarray:
        chosen = [place for place, column in enumerate(self.columns) if column.kind == kind]
        return self.sets[perturbation][statistic][:, chosen]


def modules(model: Classifier) -> dict[str, nn.Module]:
    """What is measured directly, by name: the V1 stage if there is one, then all convolutions in order."""
    v1 = models.v1(model)
    return ({} if v1 is None else {V1: v1}) | dict(models.convolutions(model))


@torch.no_grad()
def deviations(
    model: Classifier,
    clean: Tensor,
    perturbed: Mapping[str, Images],
    *,
    noise: Noise = lambda number, rows: nullcontext(),
    batch_size: int = 32,
) -> Deviations:
    """Deviations of every perturbed set from `clean`, (N, 3, H, W) each, by a model in eval mode.

    noise: entered around every forward pass. Raises BiorobustError for a layer that is not called exactly once in one.
    """
    measured, maps = modules(model), {name: _affine(norm) for name, norm in models.norms(model).items()}

    def compared(rows: range) -> Iterator[tuple[str, dev.Totals]]:
        with noise(0, rows):
            own = capture.made(model, rows_of(clean, rows), measured, lambda name, x: dev.own(x.clone()))
        for number, (key, images) in enumerate(perturbed.items(), start=1):
            with noise(number, rows):
                sums = capture.made(model, rows_of(images, rows), measured, lambda name, x: dev.moments(own[name], x))
            behind = (dev.affine(sums[name], gain, shift) for name, (gain, shift) in maps.items())
            yield key, dev.stack([dev.totals(item) for item in (*(sums[name] for name in measured), *behind)])

    parts: dict[str, dict[str, list[Tensor]]] = {key: {name: [] for name in STATISTICS} for key in perturbed}
    for rows in minibatches(len(clean), batch_size):
        for key, totals in compared(rows):
            for name, statistic in STATISTICS.items():
                parts[key][name].append(statistic(totals))
    values = {
        key: {name: torch.cat(found).cpu().numpy() for name, found in statistics.items()}
        for key, statistics in parts.items()
    }
    numbers = {V1: -1} | {name: number for number, name in enumerate(models.conv_names(model))}
    columns = [Column(V1 if name == V1 else CONV, numbers[name], name) for name in measured]
    return Deviations([*columns, *(Column(NORM, numbers[name], name) for name in maps)], values)


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Gain and shift, float64 (C,), of a normalisation in eval mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = (norm.running_var.double() + norm.eps).rsqrt() * norm.weight.double()
    return gain, norm.bias.double() - gain * norm.running_mean.double()


# --- what the deviations say: medians with intervals, dips, and a network against its baseline ------------------------
#
# A dip is a layer below both its neighbours. Dips and ratios are measured on a logarithmic scale, where they are as
# large in a layer that hardly changes as in one that changes a lot.

# The report's layers 4, 12, 25 and 44, counted from 0 over the 53 convolutions of a ResNet50.
REPORTED = ("layer1.0.downsample.0", "layer2.0.conv2", "layer3.0.conv2", "layer4.0.conv2")


def reported(names: Sequence[str]) -> list[int]:
    """The numbers of the report's layers that the network has."""
    return [names.index(name) for name in REPORTED if name in names]


def second_convolutions(names: Sequence[str]) -> list[int]:
    """Those of the second convolutions of blocks."""
    return [number for number, name in enumerate(names) if name.endswith("conv2")]


def stages(names: Sequence[str]) -> dict[str, list[int]]:
    """Residual stage (layer1 ... layer4) -> the numbers of its convolutions."""
    numbers: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        if "." in name:  # what stands in front of the stages has none
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
    depths = np.full_like(logs, np.nan)
    depths[..., 1:-1] = logs[..., 1:-1] - (logs[..., :-2] + logs[..., 2:]) / 2
    return depths


def lowest(curve: np.ndarray, names: Sequence[str]) -> list[int]:
    """The number of the smallest value of each residual stage: where scaling a stage to [0, 1] puts its zero."""
    defined = [numbers for numbers in stages(names).values() if not np.isnan(curve[numbers]).all()]
    return [numbers[int(np.nanargmin(curve[numbers]))] for numbers in defined]


def median(values: np.ndarray, *, axis: int = 0, statistic: Callable[..., Any] = np.nanmedian) -> np.ndarray:
    """Over images (or another axis, or another statistic), of what is defined; NaN where nothing is."""
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        return np.asarray(statistic(values, axis=axis))


mean = partial(median, statistic=np.nanmean)


def estimate(name: str, values: np.ndarray, *, statistic: str = "median") -> dict[str, float | None]:
    """`name`, `name_low` and `name_high` of one value per image; all None where none is defined."""
    if not len(values) or np.isnan(values).all():
        return _with_ends(name, (None, None, None))
    return _with_ends(name, map(float, interval(values, statistic=statistic)))


def _with_ends(name: str, found: Iterable[Any]) -> dict[str, Any]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))


def layer_table(seed: int, noise: str, deviations: Deviations) -> list[dict[str, Any]]:
    """One row per set of images and layer: `raw` and `centred`, medians over images with 95 % bootstrap intervals.

    dip_share: of the images with a value in every layer, those for which the convolution dips. Behind the normalisation
    there are rows for the own perturbation alone.
    """
    table = []
    for stimulus, statistics in deviations.sets.items():
        columns = [place for place, column in enumerate(deviations.columns) if column.kind != NORM or stimulus == OWN]
        intervals = {name: np.stack(interval(statistics[name][:, columns])) for name in ("raw", "centred")}
        curves = deviations.values(stimulus, "raw")
        dip_share = iter(dips(curves[~np.isnan(curves).any(axis=1)]).mean(axis=0).tolist())
        for i, place in enumerate(columns):
            kind, number, name = deviations.columns[place]
            row: dict[str, Any] = {"seed": seed, "noise": noise, "shown": stimulus, "kind": kind}
            row |= {"layer": number, "name": name, "dip_share": next(dip_share) if kind == CONV else None}
            for statistic, ends in intervals.items():
                row |= _with_ends(statistic, ends[:, i])
            table.append(row)
    return table


def network_numbers(deviations: Mapping[str, Deviations]) -> dict[str, Any]:
    """What claims ask of one network: without noise, under its own perturbation.

    zero_share: of the values at the report's layers, those exactly zero. lowest_share: of the report's layers, those
    lowest in their stage on the median curve. conv2_dip_share: of the second convolutions of blocks, those that dip,
    mean over images; conv2_always: for every image. self_v1_<noise>: median deviation of the V1 stage between two
    passes over the same clean image.
    """
    names, raw = deviations["none"].names, deviations["none"].values(OWN, "raw")
    four = reported(names)
    is_dip = dips(raw)[:, second_convolutions(names)]
    numbers = {
        **estimate("zero_share", (raw[:, four] == 0).mean(axis=1), statistic="mean"),
        **estimate("conv2_dip_share", is_dip.mean(axis=1), statistic="mean"),
        "lowest_share": len(set(lowest(median(raw), names)) & set(four)) / len(four),
        "conv2_always": float(is_dip.all(axis=0).mean()),
    }
    for noise, measured in deviations.items():
        if (itself := measured.values(SELF, "raw", V1)).size:
            numbers[f"self_v1_{noise}"] = float(np.nanmedian(itself))
    return numbers


def shown_pairs(baseline: str, name: str) -> dict[str, tuple[str, str]]:
    """Comparison -> the stimuli of the baseline and of the other network.

    own: each network on its own perturbation. transferred: both on the baseline's. returned: both on the other's.
    """
    same = {shown: (shown, shown) for shown in (OWN, SIGNS, OTHER, f"{OWN}{COMMON}")}
    moved = {"transferred": (OWN, f"{FROM}{baseline}"), "returned": (f"{FROM}{name}", OWN)}
    return same | moved | {f"transferred{COMMON}": (f"{OWN}{COMMON}", f"{FROM}{baseline}{COMMON}")}


def compare_layers(key: str, first: np.ndarray, second: np.ndarray) -> tuple[dict[str, Any], Interval]:
    """Is `second` below `first`, raw deviations (N, L) of two networks on the same images? Numbers, and log10 of the
    ratio of every layer, median over images.

    log_ratio_<key>: median over images of the mean over layers. lower_<key>, higher_<key>: share of the layers whose
    whole interval is below 0, or above. one_image_<key>: share below for the first image alone.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.log10(second) - np.log10(first)
    ratios[~np.isfinite(ratios)] = np.nan  # a value is zero or undefined
    of_layers = interval(ratios)
    one = next((row[defined] for row in ratios if (defined := np.isfinite(row)).any()), None)
    numbers: dict[str, Any] = {
        **estimate(f"log_ratio_{key}", mean(ratios, axis=1)),
        f"lower_{key}": float((of_layers.high < 0).mean()),
        f"higher_{key}": float((of_layers.low > 0).mean()),
        f"one_image_{key}": None if one is None else float((one < 0).sum() / len(one)),
    }
    return numbers, of_layers
