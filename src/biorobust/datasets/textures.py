"""Generated pictures with some of the statistics of natural ones, for bundled stand-ins of photographs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAVES = 1500
SATURATION = 40.0  # how far a channel goes from the mean of the three, of 255
FINE = 2  # leaves are drawn so much larger, for smooth edges


def clouds(rng: np.random.Generator, side: int, *, power: float = 1.0) -> NDArray[np.float64]:
    """Coloured noise with an amplitude spectrum of 1 / frequency^power, as photographs have it with 1; (side, side, 3).

    Every channel has mean 0 and standard deviation 1. Channels are correlated, so that greys dominate.
    """
    vertical, horizontal = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    frequency = np.hypot(vertical, horizontal)
    frequency[0, 0] = np.inf  # no constant part
    white = rng.standard_normal((4, side, side))
    noise = np.fft.irfft2(np.fft.rfft2(white) / frequency**power, s=(side, side))
    noise = np.moveaxis(noise[:1] + 0.5 * noise[1:], 0, -1)
    return (noise - noise.mean(axis=(0, 1))) / noise.std(axis=(0, 1))


def dead_leaves(rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
    """Discs and polygons that cover each other, under clouds; uint8 (side, side, 3).

    The dead-leaves model (Lee, Mumford & Huang 2001, Int. J. Computer Vision 41): sizes fall off with the third power,
    which gives the edges, the occlusions and the scale invariance of photographs.
    """
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (side * FINE, side * FINE))
    brush = ImageDraw.Draw(picture)
    smallest, largest = 2.0 * FINE, side * FINE / 3
    palette = np.clip(rng.normal(128, 45, size=(12, 1)) + rng.normal(0, 28, size=(12, 3)), 0, 255)
    # The distribution function of a density r^-3 between smallest and largest, turned round.
    share = rng.uniform(size=LEAVES)
    radii = (smallest**-2 + share * (largest**-2 - smallest**-2)) ** -0.5
    # The first ones large, so that no ground shows.
    radii[:60] = largest
    centres = rng.uniform(-largest / 2, side * FINE + largest / 2, size=(LEAVES, 2))
    colours = np.clip(palette[rng.integers(len(palette), size=LEAVES)] + rng.normal(0, 8, size=(LEAVES, 3)), 0, 255)
    corners, turns = rng.integers(0, 6, size=LEAVES).tolist(), rng.uniform(0, 360, size=LEAVES).tolist()
    leaves = zip(centres.tolist(), radii.tolist(), colours.astype(int).tolist(), corners, turns, strict=True)
    for (x, y), radius, colour, sides, turn in leaves:
        if sides < 3:
            brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(colour))
        else:
            brush.regular_polygon((x, y, radius), sides, rotation=turn, fill=tuple(colour))
    small = np.asarray(picture.reduce(FINE), dtype=np.float64)
    return to_bytes(small + 12 * clouds(rng, side) + 6 * clouds(rng, side, power=0.5))


def colour(hue: float, lightness: float) -> NDArray[np.float64]:
    """A colour of that hue (1 is a full turn) whose channels have that mean (0..255); (3,)."""
    return lightness + SATURATION * np.cos(2 * np.pi * (hue - np.arange(3) / 3))


def to_bytes(picture: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Values 0..255, rounded, and cut where they exceed that."""
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
