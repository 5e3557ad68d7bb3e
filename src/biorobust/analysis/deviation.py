"""How far two sets of activations lie apart, image by image: 1 - Pearson r, and what it is made of.

Everything comes from sums over the positions of each channel, in float64, of one tensor and of its *difference* to the
other. So a deviation of 1e-12 keeps its digits, equal tensors give exactly 0, and only a few numbers per channel are
kept. An affine map per channel, as normalisation is at test time, can be applied to the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 2**19  # values


class Moments(NamedTuple):
    """Sums over the positions of a channel, float64 (N, C), of activations a and of d = b - a.

    means: (2, N, C), the channel means of a and d. aa, ad, dd: sums of products of the deviations from them.
    """

    positions: int
    means: Tensor
    aa: Tensor
    ad: Tensor
    dd: Tensor


class Own(NamedTuple):
    """What `moments` needs of one tensor alone, so that it is computed once for several comparisons."""

    values: Tensor  # (N, C, P)
    mean: Tensor  # float64 (N, C)
    squares: Tensor  # float64 (N, C): sum of squared deviations from the mean


def _sum(values: Tensor) -> Tensor:
    return values.sum(dim=2, dtype=torch.float64)


def _chunks(values: Tensor) -> int:
    """Images of (N, C, P) to take at a time: temporary tensors that fit a cache are 10 times faster."""
    return max(1, CHUNK // max(1, values[:1].numel()))


def own(activations: Tensor) -> Own:
    """The sums of one tensor (N, C, ...); `values` is a view of it, not a copy."""
    values = activations.flatten(2)
    mean = _sum(values) / values.shape[2]
    squares = [
        _sum((part - centre.to(part.dtype).unsqueeze(2)).square_())
        for part, centre in zip(values.split(_chunks(values)), mean.split(_chunks(values)), strict=True)
    ]
    return Own(values, mean, torch.cat(squares))


def moments(a: Own, b: Tensor) -> Moments:
    """Sums of a and b - a. Raises ValueError when the shapes differ."""
    values = b.flatten(2)
    if values.shape != a.values.shape:
        raise ValueError(f"shapes {tuple(a.values.shape)} and {tuple(values.shape)} differ: need the same layer")
    size = _chunks(values)
    parts = [_differences(x, y) for x, y in zip(a.values.split(size), values.split(size), strict=True)]
    mean_d, ad, dd = (torch.cat(column) for column in zip(*parts, strict=True))
    return Moments(values.shape[2], torch.stack([a.mean, mean_d]), a.squares, ad, dd)


def _differences(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """mean_d, ad and dd of a few images (B, C, P)."""
    d = b - a
    mean_d = _sum(d) / d.shape[2]
    d -= mean_d.to(d.dtype).unsqueeze(2)
    # d has mean 0 now, so the mean of a drops out of the sum of products.
    return mean_d, _sum(d * a), _sum(d.square_())


def affine(sums: Moments, gain: Tensor, shift: Tensor) -> Moments:
    """The moments of gain * a + shift and gain * b + shift, with one gain and shift per channel, float64 (C,)."""
    means = torch.stack([sums.means[0] * gain + shift, sums.means[1] * gain])
    return Moments(sums.positions, means, *(products * gain.square() for products in sums[2:]))


class Totals(NamedTuple):
    """Sums over an image, float64 (N,), or (N, L) for several layers; a and d as in `Moments`.

    within: over the deviations from the channel means. between: over the deviations of the channel means from their
    mean, times the positions.
    """

    within_aa: Tensor
    within_ad: Tensor
    within_dd: Tensor
    between_aa: Tensor
    between_ad: Tensor
    between_dd: Tensor


def totals(sums: Moments) -> Totals:
    """The sums of an image from those of its channels."""
    a, d = sums.means - sums.means.mean(dim=2, keepdim=True)
    between = sums.positions * torch.stack([a * a, a * d, d * d]).sum(dim=2)
    return Totals(*torch.stack(sums[2:]).sum(dim=2), *between)


def stack(sums: Sequence[Totals]) -> Totals:
    """The sums of several layers, (N,) each, side by side: (N, L)."""
    return Totals(*torch.stack([torch.stack(item) for item in sums], dim=2))


def _one_minus_r(aa: Tensor, ad: Tensor, dd: Tensor) -> Tensor:
    """1 - r of u and v = u + e from <u,u>, <u,e>, <e,e>, without subtracting two nearly equal numbers.

    |u|^2 |v|^2 - <u,v>^2 = |u|^2 |e|^2 - <u,e>^2, so 1 - r = that / (|u||v| (|u||v| + <u,v>)). Where r < 0 nothing
    cancels. A tensor whose spread is below 1e-4 of the other's counts as constant: float32 products say no more.
    """
    vv = aa + 2 * ad + dd
    product = (aa * vv.clamp(min=0)).sqrt()
    uv = aa + ad
    gram = (aa * dd - ad.square()).clamp(min=0)
    value = torch.where(uv > 0, gram / (product * (product + uv)), 1 - uv / product)
    least = 1e-8 * (aa + dd)
    return torch.where((aa > least) & (vv > least) & value.isfinite(), value, torch.nan)


def raw(sums: Totals) -> Tensor:
    """1 - Pearson r over all C * P values of an image: 0 same, 1 unrelated, 2 opposite; NaN if one is constant."""
    return _one_minus_r(
        sums.within_aa + sums.between_aa, sums.within_ad + sums.between_ad, sums.within_dd + sums.between_dd
    )


def centred(sums: Totals) -> Tensor:
    """1 - Pearson r after the mean of every channel is taken away: what the pattern in space says."""
    return _one_minus_r(sums.within_aa, sums.within_ad, sums.within_dd)


def between_share(sums: Totals) -> Tensor:
    """Share of the variance of a that lies between the means of its channels, in [0, 1]; NaN if a is constant."""
    total = sums.within_aa + sums.between_aa
    return torch.where(total > 0, sums.between_aa / total, torch.nan)


def _unit(values: Tensor) -> Tensor:
    """float64 (N, F): mean taken away, length 1; NaN for an image whose values are constant or not all finite."""
    values = values.double().flatten(1)
    rest = values - values.mean(dim=1, keepdim=True)
    largest = rest.abs().amax(dim=1, keepdim=True)
    constant = largest <= 1e-12 * values.abs().amax(dim=1, keepdim=True)
    # Scaled before its length is taken, so that squares neither overflow nor vanish.
    rest = torch.where(constant, torch.nan, rest / largest)
    return rest / rest.norm(dim=1, keepdim=True)


def dissimilarity(a: Tensor, b: Tensor) -> Tensor:
    """1 - Pearson r of two sets of activations, image by image, as float64 (N,); NaN where it is undefined.

    a, b: (N, ...), any floating dtype. Half the squared distance of the two unit vectors, so equal tensors give exactly
    0. Raises ValueError for shapes that differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} differ: need the same layer")
    return (_unit(a) - _unit(b)).square().sum(dim=1) / 2
