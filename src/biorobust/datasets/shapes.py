"""Ten kinds of shapes and patterns, for bundled stand-ins of photographs. A mirrored one stays of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

KINDS = (
    "disc",
    "ring",
    "triangle",
    "square",
    "cross",
    "star",
    "horizontal stripes",
    "vertical stripes",
    "checks",
    "dots",
)
FINE = 4  # drawn so much larger, for smooth edges
MAX_TURN = 15.0  # degrees


def draw(kind: str, rng: np.random.Generator, *, side: int) -> NDArray[np.uint8]:
    """A shape, or a pattern over the whole picture, of random size, place and turn: 255 inside; uint8 (side, side)."""
    from PIL import Image

    turn = float(rng.uniform(-MAX_TURN, MAX_TURN))
    large = side * FINE
    if kind in KINDS[6:]:
        mask = Image.fromarray(_pattern(kind, rng, large, turn))
    else:
        mask = Image.new("L", (large, large))
        _stamp(mask, kind, rng, turn)
    return np.asarray(mask.reduce(FINE))


def _stamp(mask: Image.Image, kind: str, rng: np.random.Generator, turn: float) -> None:
    from PIL import ImageDraw

    brush, large = ImageDraw.Draw(mask), mask.width
    radius = large * rng.uniform(0.22, 0.38)
    x, y = large / 2 + rng.uniform(-0.12, 0.12, size=2) * large
    box = (x - radius, y - radius, x + radius, y + radius)
    if kind == "disc":
        brush.ellipse(box, fill=255)
    elif kind == "ring":
        brush.ellipse(box, outline=255, width=round(radius * rng.uniform(0.25, 0.45)))
    elif kind in ("triangle", "square"):
        brush.regular_polygon((x, y, 1.2 * radius), 3 if kind == "triangle" else 4, rotation=turn, fill=255)
    else:
        # Corners around the centre: a star's by turns far and near, a cross's two at the end of each arm.
        if kind == "star":
            angles, lengths = np.arange(10) * 36.0, np.tile([1.2, 0.5], 5)
        else:
            half = rng.uniform(14, 22)
            arm, notch = 1.1, 1.1 * np.sin(np.radians(half)) * np.sqrt(2)
            angles = (np.arange(4)[:, None] * 90 + [-half, half, 45]).ravel()
            lengths = np.tile([arm, arm, notch], 4)
        around = np.radians(angles + turn)
        corners = np.stack([x + radius * lengths * np.sin(around), y - radius * lengths * np.cos(around)], axis=1)
        brush.polygon([(float(a), float(b)) for a, b in corners], fill=255)


def _pattern(kind: str, rng: np.random.Generator, large: int, turn: float) -> NDArray[np.uint8]:
    period = large * rng.uniform(0.15, 0.35)
    phase = rng.uniform(0, 2 * np.pi, size=2)
    down, across = np.mgrid[:large, :large] * (2 * np.pi / period)
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    rows, columns = np.sin(cos * down + sin * across + phase[0]), np.sin(cos * across - sin * down + phase[1])
    inside = {
        "horizontal stripes": rows > 0,
        "vertical stripes": columns > 0,
        "checks": rows * columns > 0,
        "dots": rows + columns > 0.9,
    }[kind]
    return np.where(inside, 255, 0).astype(np.uint8)
