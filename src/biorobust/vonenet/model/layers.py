"""How a network's layers differ between clean and perturbed images, streamed: only one minibatch is ever kept.

Measured are all convolutions, numbered as in the report, the normalisation behind each, and the V1 stage. In eval mode
normalisation is affine per channel: its deviations follow from the sums of the convolution's output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from biorobust.analysis import capture
from biorobust.analysis import deviation as dev
from biorobust.vonenet.model import models
from biorobust.vonenet.model.evaluation import Noise
from biorobust.vonenet.model.models import Classifier
from biorobust.vonenet.model.stimuli import Images, rows_of

# raw, centred, relative: analysis/deviation.py; between: share of the clean layer's variance between channel means.
STATISTICS = {"raw": dev.raw, "centred": dev.centred, "relative": dev.relative_l2, "between": dev.between_share}
V1, CONV, NORM = "v1", "conv", "norm"


@dataclass(frozen=True)
class Column:
    """One measured layer. `index`: the report's number of the convolution, or of the one before a norm; -1 for V1."""

    kind: str
    index: int
    name: str


@dataclass(frozen=True)
class Deviations:
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


def columns(model: Classifier) -> list[Column]:
    numbers = {name: index for index, name in enumerate(models.conv_names(model))}
    front = [Column(V1, -1, V1)] if models.v1(model) else []
    convolutions = [Column(CONV, index, name) for name, index in numbers.items()]
    return [*front, *convolutions, *(Column(NORM, numbers[name], name) for name in models.norms(model))]


@torch.no_grad()
def deviations(
    model: Classifier,
    clean: Tensor,
    perturbed: Mapping[str, Images],
    *,
    noise: Noise = lambda number, rows: nullcontext(),
    repeats: int = 1,
    batch_size: int = 32,
) -> Deviations:
    """Deviations of every perturbed set from `clean`, (N, 3, H, W) each, layer by layer and image by image.

    noise: entered around every forward pass. repeats: passes, under different numbers, whose mean activations are
    compared. `clean` itself as a perturbed set gives the self-dissimilarity. The model is in eval mode. Raises
    BiorobustError for a layer that is not called exactly once in a pass.
    """
    measured, maps = modules(model), {name: _affine(norm) for name, norm in models.norms(model).items()}
    parts: dict[str, dict[str, list[Tensor]]] = {key: {name: [] for name in STATISTICS} for key in perturbed}
    for first in range(0, len(clean), batch_size):
        rows = range(first, min(first + batch_size, len(clean)))
        own: dict[str, dev.Own] = {}

        def keep(name: str, output: Tensor, own: dict[str, dev.Own] = own) -> None:
            own[name] = dev.own(output.clone())

        _pass(model, measured, rows_of(clean, rows), keep, range(repeats), rows=rows, noise=noise)
        for place, (key, images) in enumerate(perturbed.items(), start=1):
            sums: dict[str, dev.Moments] = {}

            def compare(
                name: str, output: Tensor, own: dict[str, dev.Own] = own, sums: dict[str, dev.Moments] = sums
            ) -> None:
                sums[name] = dev.moments(own[name], output)

            numbers = range(place * repeats, (place + 1) * repeats)
            _pass(model, measured, rows_of(images, rows), compare, numbers, rows=rows, noise=noise)
            behind = (dev.affine(sums[name], gain, shift) for name, (gain, shift) in maps.items())
            totals = dev.stack([dev.totals(item) for item in (*(sums[name] for name in measured), *behind)])
            for name, statistic in STATISTICS.items():
                parts[key][name].append(statistic(totals))
    values = {
        key: {name: torch.cat(rows).cpu().numpy() for name, rows in statistics.items()}
        for key, statistics in parts.items()
    }
    return Deviations(columns(model), values)


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Gain and shift, float64 (C,), of a normalisation in eval mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = (norm.running_var.double() + norm.eps).rsqrt() * norm.weight.double()
    return gain, norm.bias.double() - gain * norm.running_mean.double()


def _pass(
    model: nn.Module,
    measured: Mapping[str, nn.Module],
    images: Tensor,
    take: Callable[[str, Tensor], None],
    numbers: range,
    *,
    rows: range,
    noise: Noise,
) -> None:
    """Hand every layer's output, its mean over the passes `numbers` if they are several, to `take`."""
    sums: dict[str, Tensor] = {}

    def add(name: str, output: Tensor) -> None:
        if len(numbers) == 1:
            take(name, output)
        else:
            sums[name] = sums[name].add_(output) if name in sums else output.clone()

    for number in numbers:
        with noise(number, rows), capture.hooked(measured, add) as calls:
            model(images)
        capture.called_once(measured, calls)
    for name in list(sums):
        take(name, sums.pop(name).div_(len(numbers)))


@torch.no_grad()
def one_image(
    model: Classifier, clean: Tensor, perturbed: Tensor, *, draws: int = 200, seed: int = 0
) -> list[dict[str, float | int | str]]:
    """Rows `layer, name, raw, low, high` of one image (1, 3, H, W) and its perturbed version, for every convolution; 95
    % intervals over the channels of the layer, drawn with replacement.
    """
    before, after = (capture.features(model, images, models.convolutions(model)) for images in (clean, perturbed))
    levels = torch.tensor([0.025, 0.975], dtype=torch.float64)
    rows: list[dict[str, float | int | str]] = []
    for place, name in enumerate(before):
        sums = dev.moments(dev.own(before[name]), after[name])
        channels = sums.aa.shape[1]
        chosen = torch.randint(channels, (draws, channels), generator=torch.Generator().manual_seed(seed))
        drawn = dev.Moments(sums.positions, *(values[0].cpu()[chosen] for values in sums[1:]))
        low, high = dev.raw(dev.totals(drawn)).nanquantile(levels).tolist()
        value = dev.raw(dev.totals(sums)).item()
        rows.append({"layer": place, "name": name, "raw": value, "low": low, "high": high})
    return rows
