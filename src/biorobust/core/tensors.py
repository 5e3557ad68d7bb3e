"""A data set as tensors on the device: the part of it a run trains on, and the whole test split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from biorobust.core.errors import DataError
from biorobust.core.training import as_float

if TYPE_CHECKING:
    from biorobust.datasets import Dataset

STEPS_PER_EPOCH = 16  # what an epoch has at least; the report's 60,000 images gave 16 minibatches of 3,584
SUBSET_SEED = 20  # fixed: runs of one scale share their training images, whatever their own seed


@dataclass(frozen=True)
class Tensors:
    """uint8 images (N, C, H, W) and int64 labels (N,). `held_out` marks the training images reserved for choices.

    evaluation: int64 places of the test images that every attack takes, in their fixed order.
    """

    train_images: Tensor
    train_labels: Tensor
    held_out: Tensor
    test_images: Tensor
    test_labels: Tensor
    n_classes: int
    evaluation: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))

    @property
    def image_size(self) -> tuple[int, int]:
        return self.test_images.shape[-2], self.test_images.shape[-1]

    def evaluated(self, n: int) -> tuple[Tensor, Tensor, Tensor]:
        """The first n images of the evaluation list: their places in the test split, float images in [0, 1], labels."""
        index = self.evaluation[:n]
        return index, as_float(self.test_images[index]), self.test_labels[index]

    def batch_size(self, wanted: int) -> int:
        """`wanted`, or less when the training images are too few for STEPS_PER_EPOCH minibatches of that size."""
        return max(1, min(wanted, len(self.train_images) // STEPS_PER_EPOCH))

    def epochs(self, wanted: int, *, n_train: int) -> int:
        """How often to go through the training images, so that as many are seen as in `wanted` epochs of n_train.

        More often than `wanted` where the data set has fewer than n_train, as a bundled stand-in does: a training then
        has its length all the same.
        """
        return -(-wanted * n_train // min(n_train, len(self.train_images)))


def as_tensors(dataset: Dataset, *, n_train: int, device: str) -> Tensors:
    """The first n_train images of a fixed random order of the training split (all of them when it has fewer).

    Raises DataError where more than one is asked for and there is none; who only evaluates asks for 0 or 1.
    """
    if n_train > 1 and not len(dataset.train_images):
        raise DataError(f"{dataset.name} has no training images: train on another data set")
    order = np.arange(len(dataset.train_images))
    if n_train < len(order):
        order = np.sort(np.random.default_rng(SUBSET_SEED).permutation(order)[:n_train])

    def images(array: np.ndarray) -> Tensor:
        channels = array[:, None] if array.ndim == 3 else array.transpose(0, 3, 1, 2)
        return torch.from_numpy(np.ascontiguousarray(channels)).to(device)

    return Tensors(
        train_images=images(dataset.train_images[order]),
        train_labels=torch.from_numpy(dataset.train_labels[order]).to(device),
        held_out=torch.from_numpy(np.isin(order, dataset.tuning)).to(device),
        test_images=images(dataset.test_images),
        test_labels=torch.from_numpy(dataset.test_labels.copy()).to(device),
        n_classes=dataset.n_classes,
        evaluation=torch.from_numpy(dataset.evaluation.copy()).to(device),
    )
