"""Generated stand-ins: pictures drawn from a seed, the same ones again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from biorobust.datasets.spec import Split

Draw = Callable[[int, np.random.Generator], NDArray[np.uint8]]


def splits(
    draw: Draw, *, sizes: Mapping[str, int], n_classes: int, seed: int, files: Mapping[str, str]
) -> tuple[Split, Split]:
    """`train` and `test` with as many pictures as `sizes` says, the classes by turns.

    draw(label, rng): one picture, uint8, of the shape of the data set. files: as `Split` has them.
    """
    rng = np.random.default_rng(seed)

    def split(n: int) -> Split:
        labels = np.arange(n, dtype=np.int64) % n_classes
        return Split(np.stack([draw(label, rng) for label in labels.tolist()]), labels, files)

    return split(sizes["train"]), split(sizes["test"])
