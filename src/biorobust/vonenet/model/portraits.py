"""Pictures of what networks compute: V1 cells and their responses, principal components of layers, perturbed images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from biorobust.analysis import capture, pca
from biorobust.vonenet.model import dips
from biorobust.vonenet.model.block import VOneBlock
from biorobust.vonenet.model.evidence import average
from biorobust.vonenet.model.layers import Layers

N_FILTERS = 48
N_CELLS = 4  # of each kind, of which responses are kept
N_IMAGES = 6
FEWEST = 16  # positions below which a map is too small to be compared as a picture


def _bytes(pixels: Tensor) -> np.ndarray:
    """(N, 3, H, W) in [0, 1] as uint8 (N, H, W, 3)."""
    whole: np.ndarray = pixels.mul(255).round().clamp(0, 255).to(torch.uint8).movedim(1, -1).cpu().numpy()
    return whole


@torch.no_grad()
def v1_stage(block: VOneBlock, image: Tensor) -> dict[str, np.ndarray]:
    """A V1 stage looking at one image (3, H, W) in [0, 1].

    filters (n, k, k) and colours (n,): of the first cells. simple, complex: (cells, h, w) responses without noise of
    the cells that respond most, simple_noisy, complex_noisy: of the same cells with one draw of noise. image: uint8.
    """
    x = 2 * image.unsqueeze(0) - 1
    with block.noise("none"):
        quiet = block(x)[0]
    with block.noise("neuronal", seed=0):
        noisy = block(x)[0]
    n = block.simple_channels
    found: dict[str, np.ndarray] = {"image": _bytes(image.unsqueeze(0))[0]}
    for name, first, last in (("simple", 0, n), ("complex", n, n + block.complex_channels)):
        strongest = quiet[first:last].mean(dim=(1, 2)).argsort(descending=True)[:N_CELLS] + first
        found[name] = quiet[strongest].cpu().numpy().astype(np.float16)
        found[f"{name}_noisy"] = noisy[strongest].cpu().numpy().astype(np.float16)
    return found | bank(block)


def bank(block: VOneBlock) -> dict[str, np.ndarray]:
    """The first filters of a V1 stage and the colour channel each sees."""
    cells = min(N_FILTERS, block.simple_channels + block.complex_channels)
    return {
        "filters": block.kernels[:cells].cpu().numpy().astype(np.float16),
        "colours": block.colours[:cells].cpu().numpy().astype(np.uint8),
    }


def images(clean: Tensor, perturbed: Tensor, predictions: Sequence[Tensor], labels: Tensor) -> dict[str, np.ndarray]:
    """The first images: uint8 `clean` and `perturbed`, `change` (perturbed - clean) as float16, classes and sizes."""
    few = slice(0, N_IMAGES)
    change = (perturbed - clean)[few]
    before, after = predictions
    return {
        "clean": _bytes(clean[few]),
        "perturbed": _bytes(perturbed[few]),
        "change": change.movedim(1, -1).cpu().numpy().astype(np.float16),
        "labels": labels[few].cpu().numpy(),
        "before": before[few].cpu().numpy(),
        "after": after[few].cpu().numpy(),
        "size": change.abs().flatten(1).amax(dim=1).cpu().numpy(),
    }


@dataclass(frozen=True)
class Components:
    """Layers in the basis of their clean activations.

    drawn: arrays for one image by name, as `portraits/pca-<run>.npz` has them. maps: layer -> (clean, perturbed) first
    component, (N, h, w) each, of the layers that have enough positions to be compared.
    """

    drawn: Mapping[str, np.ndarray]
    maps: Mapping[str, tuple[np.ndarray, np.ndarray]]


def chosen_layers(layers: Layers) -> list[str]:
    """Those that are drawn: the V1 stage, the report's four, and the last convolution of every stage."""
    names = list(layers.convolutions)
    last = [names[numbers[-1]] for numbers in dips.stages(names).values()]
    wanted = {*dips.REPORTED, *last}
    return [*(["v1"] if layers.v1 is not None else []), *(name for name in names if name in wanted)]


def components(model: nn.Module, layers: Layers, clean: Tensor, perturbed: Tensor) -> Components:
    """Principal components of the chosen layers for clean and perturbed images (N, 3, H, W), fitted on the clean ones.

    Each layer has one basis and one scale for both; the picture is of the first image. The network is without noise.
    """
    names = chosen_layers(layers)
    modules = {name: layers.modules[name] for name in names}
    before, after = (capture.features(model, x, modules) for x in (clean, perturbed))
    drawn: dict[str, Any] = {
        "layers": np.array(names),
        "image": _bytes(clean[:1])[0],
        "perturbed": _bytes(perturbed[:1])[0],
    }
    maps = {}
    for place, name in enumerate(names):
        basis = pca.fit(before[name])
        first = slice(0, 1)
        drawn[f"clean_{place}"] = _bytes(pca.picture(basis, before[name][first]))[0]
        drawn[f"perturbed_{place}"] = _bytes(pca.picture(basis, after[name][first]))[0]
        change = pca.difference(basis, before[name][first], after[name][first])[0]
        drawn[f"change_{place}"] = change.cpu().numpy().astype(np.float16)
        drawn[f"explained_{place}"] = basis.explained.cpu().numpy().astype(np.float32)
        drawn[f"degenerate_{place}"] = basis.degenerate.cpu().numpy()
        if before[name][0, 0].numel() >= FEWEST and not bool(basis.degenerate[0]):
            scores = (pca.scores(basis, kept[name])[:, 0].cpu().numpy() for kept in (before, after))
            a, b = scores
            maps[name] = (a, b)
    return Components(drawn, maps)


def alike(first: Components, second: Components) -> dict[str, np.ndarray]:
    """How alike two networks' pictures are: |r| of the first component, (N,) means over layers both have.

    clean: of the clean images; perturbed: each network's picture of its perturbed images. The sign of a component has
    no meaning across networks, so |r|; layers of different size are left out.
    """
    shared = [name for name in first.maps if name in second.maps]
    shared = [name for name in shared if first.maps[name][0].shape == second.maps[name][0].shape]
    found = {}
    for place, shown in enumerate(("clean", "perturbed")):
        rows = [_absolute_r(first.maps[name][place], second.maps[name][place]) for name in shared]
        found[shown] = average(np.array(rows), axis=0) if rows else np.array([])
    return found


def _absolute_r(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|Pearson r| of pictures (N, h, w), one by one; NaN where one is constant."""
    x, y = (values.reshape(len(values), -1) for values in (a, b))
    x, y = (values - values.mean(axis=1, keepdims=True) for values in (x, y))
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        r: np.ndarray = np.abs((x * y).sum(axis=1) / lengths)
    return np.where(lengths > 0, r, np.nan)
