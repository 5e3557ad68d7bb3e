"""Gabor kernels from parameters in degrees of visual angle."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from biorobust.core.errors import BiorobustError
from biorobust.vonenet.model.parameters import GaborParameters

Array = np.ndarray


def highest_frequency(*, image_size: int, visual_degrees: float) -> float:
    """The largest frequency (cycles per degree) that a square grid of pixels carries in every direction.

    Half a cycle per pixel along the axes, less by sqrt(2) along the diagonal.
    """
    return image_size / visual_degrees / (2 * math.sqrt(2))


def check_frequency(sf_max: float, *, image_size: int, visual_degrees: float) -> None:
    """Raises BiorobustError naming sf_max and its limit when the grid cannot carry it."""
    limit = highest_frequency(image_size=image_size, visual_degrees=visual_degrees)
    if sf_max > limit:
        raise BiorobustError(
            f"sf_max = {sf_max}: must be at most {limit:.4g} cycles per degree, the Nyquist limit "
            f"image_size / visual_degrees / (2 sqrt 2) of {image_size} pixels over {visual_degrees:g} degrees"
        )


def kernels(parameters: GaborParameters, *, ksize: int, pixels_per_degree: float, quadrature: bool = False) -> Tensor:
    """float32 kernels (n, ksize, ksize); the first image axis is the row.

    g(a, b) = exp(-(u^2 / sx^2 + v^2 / sy^2) / 2) / (2 pi sx sy) * cos(2 pi f u + phase), with (u, v) the offset (a, b)
    in pixels turned by theta, f the frequency in cycles per pixel, sx = nx / f and sy = ny / f. Neither is the mean
    removed nor the norm fixed (Dapello, Marques et al. 2020). quadrature: the partner of a pair, its phase 90 degrees
    further on.
    """

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
