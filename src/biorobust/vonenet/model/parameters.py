"""Gabor filters of a population of V1 cells: parameters drawn from distributions measured in macaque V1, and kernels.

Dapello, Marques et al. (2020) sample orientation (De Valois et al. 1982a), spatial frequency (De Valois et al. 1982b)
and receptive-field shape (Ringach 2002b) from published histograms. A Gaussian copula ties frequency to shape, a joint
histogram the two axes of the shape; orientation and phase are independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from biorobust.core.errors import BiorobustError

if TYPE_CHECKING:
    from torch import Tensor

Array = np.ndarray

ORIENTATION_EDGES = np.array([-22.5, 22.5, 67.5, 112.5, 157.5])  # degrees
ORIENTATION_COUNTS = np.array([66, 49, 77, 54])
FREQUENCY_EDGES = np.array([0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0])  # cycles per degree
FREQUENCY_COUNTS = np.array([4, 4, 8, 25, 32, 26, 28, 12])
SHAPE_EDGES = np.linspace(-1, 0.2, 6)  # log10 of the envelope's standard deviation in cycles of the carrier
# Rows: bins of nx (along the carrier); columns: bins of ny (across). No cell was seen in the last row.
SHAPE_COUNTS = np.array([[2, 0, 1, 0, 0], [8, 9, 4, 1, 0], [1, 2, 19, 17, 3], [0, 0, 1, 7, 4], [0, 0, 0, 0, 0]])


@dataclass(frozen=True, kw_only=True)
class GaborParameters:
    """One value per filter, float64 (n,). Angles in degrees.

    sf: cycles per degree of visual angle. theta: direction of the carrier. phase: of the carrier at the centre.
    nx, ny: standard deviation of the Gaussian envelope along and across the carrier, in cycles of the carrier.
    """

    sf: Array
    theta: Array
    phase: Array
    nx: Array
    ny: Array


def sample_parameters(
    *,
    n_filters: int,
    seed: int = 0,
    sf_min: float = 0.0,
    sf_max: float = 9.0,
    sf_corr: float = 0.75,
    uniform: bool = False,
) -> GaborParameters:
    """Draw `n_filters` sets of Gabor parameters; equal arguments give equal parameters on every machine.

    sf_min, sf_max: keep the frequency bins within these limits (cycles per degree). sf_corr: correlation of the copula
    that ties frequency to nx. uniform: the control population, in which orientation, octave of frequency and log shape
    are flat and nothing is tied.

    The draws are the published ones: NumPy's legacy generator, in the order phase, orientation, copula, ny. Raises
    BiorobustError for no filters, a correlation outside [-1, 1], or limits that leave no bin.
    """
    if n_filters < 1:
        raise BiorobustError(f"n_filters = {n_filters}: must be an integer of 1 or more")
    if not -1 <= sf_corr <= 1:
        raise BiorobustError(f"sf_corr = {sf_corr}: must be a number from -1 to 1")
    rng = np.random.RandomState(seed)
    phase = 360 * rng.rand(n_filters)
    if uniform:
        return _uniform(rng, phase, *_frequency_bins(sf_min, sf_max, strict=True))
    theta = _quantile(rng.rand(n_filters), ORIENTATION_COUNTS, ORIENTATION_EDGES)
    theta[theta < 0] += 180
    frequency_counts, frequency_edges = _frequency_bins(sf_min, sf_max)
    tied = norm.cdf(_correlated(rng.standard_normal((n_filters, 2)), sf_corr))
    log_nx = _quantile(tied[:, 0], SHAPE_COUNTS.sum(axis=1), SHAPE_EDGES)
    log_sf = _quantile(tied[:, 1], frequency_counts, np.log2(frequency_edges))
    rows = np.searchsorted(10**SHAPE_EDGES, 10**log_nx) - 1
    log_ny = [_quantile(u, SHAPE_COUNTS[row], SHAPE_EDGES) for u, row in zip(rng.rand(n_filters), rows, strict=True)]
    return GaborParameters(sf=2**log_sf, theta=theta, phase=phase, nx=10**log_nx, ny=10 ** np.array(log_ny))


def sample_colours(*, n_filters: int, seed: int = 0, paired: bool = False) -> tuple[Array, Array]:
    """The input channel (0, 1, 2) each filter sees, for the two filters of a quadrature pair: two int64 (n,), with the
    draws of torch's global generator seeded with `seed`.

    paired: both see the same channel. The published model draws the two independently, so that only about a third of
    its complex cells combine filters of one channel.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    first = torch.randint(0, 3, (n_filters,), generator=generator).numpy()
    second = torch.randint(0, 3, (n_filters,), generator=generator).numpy()
    return first, first if paired else second


def check_frequency(sf_max: float, *, image_size: int, visual_degrees: float) -> None:
    """Raises BiorobustError naming sf_max and its limit when the grid of pixels cannot carry it in every direction.

    The limit is half a cycle per pixel along the axes, less by sqrt(2) along the diagonal.
    """
    limit = image_size / visual_degrees / (2 * math.sqrt(2))
    if sf_max > limit:
        raise BiorobustError(
            f"sf_max = {sf_max}: must be at most {limit:.4g} cycles per degree, the Nyquist limit "
            f"image_size / visual_degrees / (2 sqrt 2) of {image_size} pixels over {visual_degrees:g} degrees"
        )


def gabor_kernels(
    parameters: GaborParameters, *, ksize: int, pixels_per_degree: float, quadrature: bool = False
) -> Tensor:
    """float32 kernels (n, ksize, ksize); the first image axis is the row. quadrature: the phase 90 degrees further on.

    g(a, b) = exp(-(u^2 / sx^2 + v^2 / sy^2) / 2) / (2 pi sx sy) * cos(2 pi f u + phase), with (u, v) the offset (a, b)
    in pixels turned by theta, f the frequency in cycles per pixel, sx = nx / f and sy = ny / f (Dapello, Marques et al.
    2020). Neither is the mean removed nor the norm fixed.
    """

    import torch

    def column(values: Array) -> Array:
        return values[:, None, None]

    frequency = column(parameters.sf / pixels_per_degree)
    sigma_x, sigma_y = column(parameters.nx) / frequency, column(parameters.ny) / frequency
    theta = column(np.deg2rad(parameters.theta))
    phase = column(np.deg2rad(parameters.phase)) + (math.pi / 2 if quadrature else 0.0)
    offsets = np.arange(ksize) - ksize // 2
    rows, columns = offsets[None, :, None], offsets[None, None, :]
    u = rows * np.cos(theta) + columns * np.sin(theta)
    v = columns * np.cos(theta) - rows * np.sin(theta)
    envelope = np.exp(-0.5 * ((u / sigma_x) ** 2 + (v / sigma_y) ** 2)) / (2 * math.pi * sigma_x * sigma_y)
    return torch.from_numpy((envelope * np.cos(2 * math.pi * frequency * u + phase)).astype(np.float32))


def _correlated(z: Array, rho: float) -> Array:
    """(n, 2) normal variables of variance 1 and correlation rho from independent ones.

    The factor is the one NumPy's multivariate_normal takes from a singular value decomposition by OpenBLAS. It is
    written out because its signs, and with them the sample, are not the same in every linear algebra library.
    """
    a, b = np.sqrt((1 + abs(rho)) / 2), np.sqrt((1 - abs(rho)) / 2)
    if rho == 0:
        return z
    return z @ np.array([[-a, -a], [-b, b]] if rho > 0 else [[-a, a], [b, b]])


def _uniform(rng: np.random.RandomState, phase: Array, counts: Array, edges: Array) -> GaborParameters:
    n = len(phase)
    theta = 180 * rng.rand(n)
    log_sf = _quantile(rng.rand(n), np.ones(len(counts)), np.log2(edges))
    low, high = SHAPE_EDGES[0], SHAPE_EDGES[-1]
    nx, ny = (10 ** (low + (high - low) * rng.rand(n)) for _ in range(2))
    return GaborParameters(sf=2**log_sf, theta=theta, phase=phase, nx=nx, ny=ny)


def _frequency_bins(sf_min: float, sf_max: float, *, strict: bool = False) -> tuple[Array, Array]:
    """Counts and edges between the first edge >= sf_min and the last edge <= sf_max (< where `strict`)."""
    edges = FREQUENCY_EDGES
    kept = np.flatnonzero((edges >= sf_min) & ((edges < sf_max) if strict else (edges <= sf_max)))
    if len(kept) < 2:
        known = ", ".join(f"{edge:g}" for edge in edges)
        raise BiorobustError(f"sf_min = {sf_min}, sf_max = {sf_max}: must enclose two of the bin edges {known}")
    return FREQUENCY_COUNTS[kept[0] : kept[-1]], edges[kept]


def _quantile(u: Array | float, counts: Array, edges: Array) -> Array:
    """Inverse distribution function of a histogram: uniform within a bin."""
    cumulative = np.concatenate([[0.0], np.cumsum(counts / counts.sum())])
    return np.interp(u, cumulative, edges)
