"""Letters as pictures: their names, how far one is from another, and a grid of them with what is read below each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes


def letter(label: int) -> str:
    """The letter of a label 0..25; capitals, though the data set merges both cases."""
    return chr(ord("A") + int(label))


def psnr(picture: np.ndarray, clean: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of a picture against the clean one (both H, W, values 0..255).

    Brightness and contrast are fitted first, as the study's metrics do it: a feature fixes neither.
    """
    x, y = picture.astype(np.float64).ravel(), clean.astype(np.float64).ravel()
    spread = x.var()
    slope = ((x - x.mean()) * (y - y.mean())).mean() / spread if spread else 0.0
    fitted = y.mean() + slope * (x - x.mean())
    error = float(((fitted - y) ** 2).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(255.0**2 / error))


def show_letters(
    axes: Axes,
    images: np.ndarray,
    *,
    labels: np.ndarray,
    predictions: np.ndarray | None,
    rows: Sequence[str],
    notes: Sequence[Sequence[str]] | None = None,
) -> None:
    """A grid of pictures uint8 (n_rows, n, H, W) with names of the rows at the left.

    Below each the letter read, bold where it is not that of `labels` (n,); predictions: int (n_rows, n), -1 for none.
    notes: what stands behind the letter, by row and picture.
    """
    n_rows, n, height, width = images.shape
    gap = height // 3 if predictions is not None or notes else 2
    canvas = np.full((n_rows * (height + gap), n * (width + 2) - 2), np.nan)
    for row in range(n_rows):
        for column in range(n):
            top, left = row * (height + gap), column * (width + 2)
            canvas[top : top + height, left : left + width] = images[row, column]
            said = int(predictions[row, column]) if predictions is not None else -1
            words = [letter(said)] if said >= 0 else []
            words += [notes[row][column]] if notes else []
            weight = "bold" if said >= 0 and said != int(labels[column]) else "normal"
            below = left + width / 2, top + height + gap / 2
            axes.text(*below, " ".join(words), ha="center", va="center", size=7, weight=weight)
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.set_yticks([row * (height + gap) + height / 2 for row in range(n_rows)], list(rows))
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
