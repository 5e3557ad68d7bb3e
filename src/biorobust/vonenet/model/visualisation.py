"""Pictures of what networks compute: V1 cells and their responses, principal components of layers, perturbed images."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import pearsonr
from torch import Tensor

from biorobust.analysis import capture, pca
from biorobust.core.training import as_float
from biorobust.networks.pixels import Resize
from biorobust.vonenet.model import layers
from biorobust.vonenet.model.block import VOneBlock
from biorobust.vonenet.model.models import Classifier

N_FILTERS = 48
N_CELLS = 4  # of each kind, of which responses are kept
N_IMAGES = 6
FEWEST = 16  # positions below which a map is too small to be compared as a picture


def _bytes(pixels: Tensor) -> np.ndarray:
    """(N, 3, H, W) in [0, 1] as uint8 (N, H, W, 3)."""
    whole: np.ndarray = pixels.mul(255).round().clamp(0, 255).to(torch.uint8).movedim(1, -1).cpu().numpy()
    return whole


@torch.no_grad()
def published_v1(image: np.ndarray) -> dict[str, np.ndarray]:
    """The published V1 stage looking at an image (H, W, 3) uint8 of any size.

    filters (n, k, k) and colours (n,): of the first cells. simple, complex: (cells, h, w) responses without noise of
    the cells that respond most, simple_noisy, complex_noisy: with one draw of noise. image: uint8.
    """
    pixels = as_float(torch.from_numpy(image.transpose(2, 0, 1).copy()).unsqueeze(0))
    resized = Resize(224)(pixels).clamp(0, 1)
    block = VOneBlock()
    with block.noise("none"):
        quiet = block(2 * resized - 1)[0]
    with block.noise("neuronal", seed=0):
        noisy = block(2 * resized - 1)[0]
    drawn: dict[str, np.ndarray] = {"image": _bytes(resized)[0]}
    for name, first in (("simple", 0), ("complex", block.simple_channels)):
        cells = slice(first, first + getattr(block, f"{name}_channels"))
        strongest = quiet[cells].mean(dim=(1, 2)).argsort(descending=True)[:N_CELLS] + first
        drawn[name] = quiet[strongest].numpy().astype(np.float16)
        drawn[f"{name}_noisy"] = noisy[strongest].numpy().astype(np.float16)
    drawn["filters"] = block.kernels[:N_FILTERS].numpy().astype(np.float16)
    drawn["colours"] = block.colours[:N_FILTERS].numpy().astype(np.uint8)
    return drawn


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

    drawn: arrays for one image, as `portraits/pca-<run>.npz` has them. maps: layer -> (2, N, h, w), the first component
    of clean and of perturbed images, of layers with enough positions to be compared.
    """

    drawn: Mapping[str, Any]
    maps: Mapping[str, np.ndarray]


def components(model: Classifier, clean: Tensor, perturbed: Tensor) -> Components:
    """Principal components of layers for clean and perturbed images (N, 3, H, W), fitted on the clean ones, with one
    scale for both: of the V1 stage, the report's four, and the last convolution of every stage. The network is without
    noise.
    """
    measured = layers.modules(model)
    last = [list(measured)[numbers[-1]] for numbers in layers.stages(list(measured)).values()]
    wanted = {layers.V1, *layers.REPORTED, *last}
    modules = {name: module for name, module in measured.items() if name in wanted}
    names = list(modules)
    before, after = (capture.features(model, x, modules) for x in (clean, perturbed))
    drawn: dict[str, Any] = {"layers": names, "image": _bytes(clean[:1])[0], "perturbed": _bytes(perturbed[:1])[0]}
    maps = {}
    for place, name in enumerate(names):
        basis = pca.fit(before[name])
        a, b = before[name][:1], after[name][:1]
        drawn[f"clean_{place}"] = _bytes(pca.picture(basis, a))[0]
        drawn[f"perturbed_{place}"] = _bytes(pca.picture(basis, b))[0]
        drawn[f"change_{place}"] = pca.difference(basis, a, b)[0].cpu().numpy().astype(np.float16)
        drawn[f"explained_{place}"] = basis.explained.cpu().numpy().astype(np.float32)
        drawn[f"degenerate_{place}"] = basis.degenerate.cpu().numpy()
        if a[0, 0].numel() >= FEWEST and not bool(basis.degenerate[0]):
            scores = [pca.scores(basis, features[name])[:, 0] for features in (before, after)]
            maps[name] = torch.stack(scores).cpu().numpy()
    return Components(drawn, maps)


def similarity(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """How similar two networks' pictures (`Components.maps`) are: |r| of the first component, as its sign has no
    meaning across networks, (N,) means over layers of equal size. perturbed: each network's picture of its perturbed
    images.
    """
    shared = [name for name in first if name in second and first[name].shape == second[name].shape]
    if not shared:
        return dict.fromkeys(("clean", "perturbed"), np.array([]))
    with warnings.catch_warnings(action="ignore"):  # of constant pictures, whose r is NaN
        flat = ((maps[name].reshape(*maps[name].shape[:2], -1) for maps in (first, second)) for name in shared)
        r = np.stack([pearsonr(a, b, axis=-1).statistic for a, b in flat])
    return dict(zip(("clean", "perturbed"), layers.mean(np.abs(r), axis=0), strict=True))
