"""Pictures of perturbed images, and of layers: their principal components, which two networks may share."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.stats import pearsonr
from torch import Tensor

from biorobust.analysis import capture, pca
from biorobust.vonenet.model import layers
from biorobust.vonenet.model.models import Classifier

N_IMAGES = 6
FEWEST = 16  # positions below which a map is too small to be compared as a picture


def _bytes(pixels: Tensor) -> np.ndarray:
    """(N, 3, H, W) in [0, 1] as uint8 (N, H, W, 3)."""
    whole: np.ndarray = pixels.mul(255).round().clamp(0, 255).to(torch.uint8).movedim(1, -1).cpu().numpy()
    return whole


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


def components(model: Classifier, clean: Tensor, perturbed: Tensor) -> dict[str, np.ndarray]:
    """Layer -> (2, N, h, w), the first principal component of clean and of perturbed images (N, 3, H, W), fitted on the
    clean ones: of the V1 stage, the report's four, and the last convolution of every stage, where a layer has enough
    positions to be compared. The network is without noise.
    """
    measured = layers.modules(model)
    last = [list(measured)[numbers[-1]] for numbers in layers.stages(list(measured)).values()]
    wanted = {layers.V1, *layers.REPORTED, *last}
    modules = {name: module for name, module in measured.items() if name in wanted}
    before, after = (capture.features(model, x, modules) for x in (clean, perturbed))
    maps = {}
    for name in modules:
        basis = pca.fit(before[name])
        if before[name][0, 0].numel() >= FEWEST and not bool(basis.degenerate[0]):
            scores = [pca.scores(basis, features[name])[:, 0] for features in (before, after)]
            maps[name] = torch.stack(scores).cpu().numpy()
    return maps


def similarity(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """How similar two networks' pictures (`components`) are: |r| of the first component, as its sign has no
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
