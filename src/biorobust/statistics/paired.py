"""Paired counts of two networks on the same images, and Holm's correction for several tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Counts:
    """Images that a and b get right: both, only one of them, neither."""

    both: int
    only_a: int
    only_b: int
    neither: int

    @property
    def n(self) -> int:
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def difference(self) -> float:
        """Accuracy of a minus accuracy of b, in [-1, 1]."""
        return (self.only_a - self.only_b) / self.n

    def swapped(self) -> Counts:
        """The same table with a and b exchanged."""
        return Counts(self.both, self.only_b, self.only_a, self.neither)


def paired_counts(correct_a: np.ndarray, correct_b: np.ndarray) -> Counts:
    """Counts of two boolean arrays of shape (n,), aligned by image. Raises ValueError for other dtypes or shapes."""
    for correct in (correct_a, correct_b):
        if correct.dtype != bool or correct.ndim != 1:
            raise ValueError(f"need boolean arrays of one dimension, not {correct.dtype} of shape {correct.shape}")
    if len(correct_a) != len(correct_b) or not len(correct_a):
        raise ValueError(f"{len(correct_a)} and {len(correct_b)} images: need the same images, at least one")
    a, b = correct_a, correct_b
    return Counts(*(int(cell.sum()) for cell in (a & b, a & ~b, ~a & b, ~a & ~b)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p values in the order given: compare each with 0.05 to keep the family's error at 5 %."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
