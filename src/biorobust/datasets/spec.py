"""What a data set is, in this project: its shape, its classes, and the sources it can be had from.

A source is a function without arguments that gives the training and the test split. Everything after it (checks, the
evaluation and tuning lists, the npz, the provenance) is the same for all sources and lives in `store`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from biorobust.core.errors import DataError

Fidelity = Literal["official", "re-encoded", "partial", "stand-in"]


class Unreachable(DataError):
    """No official address answers, or none is named; `auto` then takes the bundled data instead."""


@dataclass(frozen=True, eq=False)
class Split:
    """One split as a source delivers it.

    images: uint8, (N,H,W) grey or (N,H,W,3) RGB, upright. labels: int64, (N,), 0..K-1.
    files: name -> SHA-256 of every file it was made from.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    files: Mapping[str, str]


def no_images(image_shape: tuple[int, ...]) -> Split:
    """The split of a data set that has none of this kind."""
    return Split(np.empty((0, *image_shape), dtype=np.uint8), np.empty(0, dtype=np.int64), {})


@dataclass(frozen=True)
class Source:
    """One place to have the data set from, and how near that comes to the official one.

    fidelity: `official` (equal, pixel for pixel), `re-encoded` (the same images after lossy compression), `partial`
    (a part of the official images) or `stand-in` (other images). note: one sentence that the report prints.
    fetch: gives (train, test); raises DataError, or Unreachable when only the network is to blame.
    variable: the environment variable that names the folder this source reads, when it cannot download.
    """

    fidelity: Fidelity
    note: str
    licence: str
    fetch: Callable[[], tuple[Split, Split]]
    variable: str | None = None


@dataclass(frozen=True)
class DatasetSpec:
    """A data set: images of `image_shape` ((H,W) or (H,W,3)) with labels 0..n_classes-1.

    sources: by name, among `official`, `mirror` and `bundled`; `bundled` must be there and need no network.
    """

    name: str
    title: str
    image_shape: tuple[int, ...]
    n_classes: int
    sources: Mapping[str, Source]

    def source(self, name: str) -> Source:
        try:
            return self.sources[name]
        except KeyError:
            known = ", ".join(self.sources)
            raise DataError(f"{self.name} has no source {name!r}: set data.source to one of auto, {known}") from None


def fault(images: np.ndarray, labels: np.ndarray, *, image_shape: tuple[int, ...], n_classes: int) -> str | None:
    """What keeps these arrays from being a split of such images, in a few words; None when nothing does."""
    if images.dtype != np.uint8 or images.shape[1:] != image_shape or images.ndim != 1 + len(image_shape):
        return f"images are {images.dtype} {images.shape}, not uint8 (N, {', '.join(map(str, image_shape))})"
    if labels.dtype != np.int64 or labels.shape != (len(images),):
        return f"labels are {labels.dtype} {labels.shape}, not int64 ({len(images)},)"
    if labels.size and not 0 <= labels.min() <= labels.max() < n_classes:
        return f"labels run from {labels.min()} to {labels.max()}, not within 0..{n_classes - 1}"
    return None
