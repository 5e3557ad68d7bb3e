"""Printed characters in many hands: the fonts that come with matplotlib, each character turned, slanted and moved.

For bundled stand-ins of letters and digits: they need no download and are drawn alike again and again.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from biorobust.core.files import sha256

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

FONTS = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
)
EM = 64  # pixels of a character before it is turned and made small
FINE = 4  # drawn so much larger, for smooth edges
MAX_TURN = 12.0  # degrees
MAX_SLANT = 0.25  # pixels to the side per pixel of height
MAX_BLUR = 0.7  # pixels


def files() -> dict[str, str]:
    """The font files as a source reports them: name -> SHA-256."""
    return {f"matplotlib {name}.ttf": sha256(_path(name)) for name in FONTS}


def draw(
    text: str, rng: np.random.Generator, *, side: int, size: float, max_shift: float, index: int = 0
) -> NDArray[np.uint8]:
    """Ink of `text`, 0..255, in a random font; uint8 (side, side).

    The character at `index` stands in the middle, up to max_shift pixels off on either axis, with a longer side of
    `size` pixels before it is turned and slanted; what does not fit beside it is cut.
    """
    from PIL import Image, ImageDraw, ImageFilter

    font = _font(FONTS[rng.integers(len(FONTS))])
    turn = math.radians(rng.uniform(-MAX_TURN, MAX_TURN))
    slant = rng.uniform(-MAX_SLANT, MAX_SLANT)
    shift = rng.uniform(-max_shift, max_shift, size=2)
    blur = rng.uniform(0, MAX_BLUR)

    ink = Image.new("L", (math.ceil(font.getlength(text)) + 2 * EM, 2 * EM))
    ImageDraw.Draw(ink).text((EM, 0), text, fill=255, font=font)
    left, top, right, bottom = font.getbbox(text[index])
    middle = np.array([EM + font.getlength(text[:index]) + (left + right) / 2, (top + bottom) / 2])

    # Pillow asks where in the source a pixel of the result comes from: source = matrix @ result + offset.
    zoom = max(right - left, bottom - top) / (size * FINE)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    matrix = zoom * rotation @ np.array([[1, slant], [0, 1]])
    offset = middle - matrix @ ((side / 2 + shift) * FINE)
    coefficients = (*matrix[0], offset[0], *matrix[1], offset[1])
    large = ink.transform(
        (side * FINE, side * FINE), Image.Transform.AFFINE, coefficients, resample=Image.Resampling.BICUBIC
    )
    return np.asarray(large.reduce(FINE).filter(ImageFilter.GaussianBlur(blur)))


def _path(name: str) -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf")


@cache
def _font(name: str) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(_path(name), EM, layout_engine=ImageFont.Layout.BASIC)
