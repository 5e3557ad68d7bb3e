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


def images(clean: Tensor, perturbed: Tensor, predictions: Sequence[Tensor], labels: Tensor) -> dict[str, np.ndarray]:
    """The first images: uint8 `clean` and `perturbed`, `change` (perturbed - clean) as float16, classes and sizes."""
    change = perturbed - clean
    drawn = {
        **{name: (255 * x).round().byte().movedim(1, -1) for name, x in (("clean", clean), ("perturbed", perturbed))},
        **{"change": change.half().movedim(1, -1), "size": change.abs().flatten(1).amax(dim=1)},
        **dict(zip(("labels", "before", "after"), (labels, *predictions), strict=True)),
    }
    return {name: values[:N_IMAGES].cpu().numpy() for name, values in drawn.items()}


def components(model: Classifier, clean: Tensor, perturbed: Tensor) -> dict[str, np.ndarray]:
    """Layer -> (2, N, h, w), the first principal component of clean and of perturbed images (N, 3, H, W), fitted on the
    clean ones: of the V1 stage, the report's four, and the last convolution of every stage, if it has enough positions.
    """
    measured = layers.modules(model)
    last = [list(measured)[numbers[-1]] for numbers in layers.stages(list(measured)).values()]
    wanted = {layers.V1, *layers.REPORTED, *last}
    modules = {name: module for name, module in measured.items() if name in wanted}
    before, after = (capture.features(model, x, modules) for x in (clean, perturbed))
    maps = {}
    for name in modules:
        component = pca.fit(before[name])
        if before[name][0, 0].numel() >= FEWEST and component.direction.any():
            maps[name] = torch.stack([pca.scores(component, found[name]) for found in (before, after)]).cpu().numpy()
    return maps


def similarity(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> np.ndarray:
    """(2, N): how similar two networks' pictures (`components`) of clean images are, and of each's perturbed images.

    |r| of the first component, as its sign has no meaning across networks; mean over layers of equal size.
    """
    shared = [name for name in first if name in second and first[name].shape == second[name].shape]
    if not shared:
        return np.empty((2, 0))
    with warnings.catch_warnings(action="ignore"):  # of constant pictures, whose r is NaN
        flat = ((maps[name].reshape(*maps[name].shape[:2], -1) for maps in (first, second)) for name in shared)
        r = np.stack([pearsonr(a, b, axis=-1).statistic for a, b in flat])
    return layers.mean(np.abs(r), axis=0)
