"""How many values win and how large the smallest winner is: the only costly part of k-WTA.

Selecting is exact. On the CPU a small sample says where to look, counting says whether that was right, and only the few
values in between are partitioned; a wrong guess costs time and never changes the result.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DIRECT = 4096  # rows up to this length are partitioned as they are: looking first would cost more
SPREAD = 3.0  # half-width of the bracket around a guess, in standard deviations of a random sample's rank


def share(gamma: float) -> Fraction:
    """gamma as the decimal number it was written as: 0.145 is 29/200, not the binary number next to it.

    Raises ValueError unless 0 < gamma <= 1.
    """
    try:
        exact = Fraction(str(gamma))
    except ValueError:  # nan, inf, no number
        exact = Fraction(0)
    if not 0 < exact <= 1:
        raise ValueError(f"gamma = {gamma!r}: must be a number above 0 and up to 1")
    return exact


def winners(gamma: float, n: int) -> int:
    """k = floor(gamma * n), the number of winners among n values; raises ValueError when nobody would win."""
    k = math.floor(share(gamma) * n)
    if k == 0:
        raise ValueError(f"gamma = {gamma} of {n} values leaves no winner: needs gamma >= 1/{max(n, 1)}")
    return k


def kth_largest(rows: Tensor, k: int) -> Tensor:
    """(B,) the k-th largest value of every row of a contiguous (B, N) tensor, 1 <= k <= N.

    NaN ranks like +inf, so the result is never NaN. Half precision is selected in float32, which holds its values.
    """
    if rows.device.type == "cpu":
        exact = rows.detach().float() if rows.dtype in (torch.float16, torch.bfloat16) else rows.detach()
        return torch.from_numpy(_select(exact.numpy(), k)).to(rows.dtype)
    largest = rows.detach().kthvalue(rows.shape[1] - k + 1, dim=1).values
    return largest.nan_to_num(nan=math.inf, posinf=math.inf, neginf=-math.inf)


def _select(rows: NDArray[np.floating], k: int) -> NDArray[np.floating]:
    n = rows.shape[1]
    with np.errstate(invalid="ignore"):
        if n <= DIRECT:
            found = np.partition(rows, n - k, axis=1)[:, n - k]
        else:
            sample = np.sort(rows[:, :: _stride(n)], axis=1)
            below, between = np.empty(n, bool), np.empty(n, bool)
            found = np.array([_bracketed(row, k, at, below, between) for row, at in zip(rows, sample, strict=True)])
    found = found.astype(rows.dtype)
    return np.where(np.isnan(found), np.asarray(np.inf, rows.dtype), found)


def _stride(n: int) -> int:
    """Step that samples about 4 sqrt(n) of n values and meets every column and channel of a feature map."""
    step = max(1, math.isqrt(n) // 4)
    while math.gcd(step, n) > 1:
        step -= 1
    return step


def _bracketed(
    row: NDArray[np.floating],
    k: int,
    sample: NDArray[np.floating],
    below: NDArray[np.bool_],
    between: NDArray[np.bool_],
) -> np.floating:
    """The k-th largest of `row` (N,), guided by a sorted sample of it (S,). `below`, `between`: room for (N,) flags."""
    n, last = len(row), len(sample) - 1
    guess = int(len(sample) * (1 - k / n))
    # The sample's quantile is off by some ranks; counting tells by how many, in places of the sample.
    off = (_above(row, sample[guess], below) - k) * len(sample) / n
    room = SPREAD * math.sqrt(abs(off) + 1) + 1
    low, high = (min(max(int(guess + off + side), 0), last) for side in (-room, room + 1))
    above = _above(row, sample[high], below)
    np.greater_equal(row, sample[low], out=between)
    np.logical_and(between, below, out=between)
    inside = row[between]
    place = len(inside) - (k - above)
    if above < k and place >= 0:
        inside.partition(place)
        return inside[place]  # type: ignore[no-any-return]
    return np.partition(row, n - k)[n - k]  # type: ignore[no-any-return]


def _above(row: NDArray[np.floating], value: np.floating, below: NDArray[np.bool_]) -> int:
    """How many values are larger (NaN counts as larger); `below` gets the flags of the others."""
    np.less_equal(row, value, out=below)
    return len(row) - int(np.count_nonzero(below))
