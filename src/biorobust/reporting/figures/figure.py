"""A figure with everything the report prints beside it, and the folder it is kept in.

`figures.json` lists a folder's figures in order: `id, title, alt, caption, file, data, provenance`. Captions are
computed where the figure is drawn; a template only prints them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure as Drawing

from biorobust.core.files import read_json, write_csv, write_json, write_text
from biorobust.reporting.style import to_svg

if TYPE_CHECKING:
    import pandas as pd

INDEX = "figures.json"


@dataclass(frozen=True)
class Figure:
    """One figure. `caption` begins with the question it answers; `provenance` names the stages behind it."""

    id: str
    title: str
    alt: str
    caption: str
    drawing: Drawing
    data: pd.DataFrame
    provenance: tuple[str, ...]


def save(figures: Sequence[Figure], folder: str | Path) -> None:
    """Write `<id>.svg` and `<id>.csv` of every figure and the folder's `figures.json`."""
    folder = Path(folder)
    for figure in figures:
        write_text(folder / f"{figure.id}.svg", to_svg(figure.drawing, salt=figure.id))
        write_csv(folder / f"{figure.id}.csv", figure.data)
    entries = [
        {
            "id": figure.id,
            "title": figure.title,
            "alt": figure.alt,
            "caption": figure.caption,
            "file": f"{figure.id}.svg",
            "data": f"{figure.id}.csv",
            "provenance": list(dict.fromkeys(figure.provenance)),  # a stage may make several runs
        }
        for figure in figures
    ]
    write_json(folder / INDEX, entries)


def read_index(folder: str | Path) -> list[dict]:
    """The entries of a folder's `figures.json`, or none where nothing was drawn."""
    path = Path(folder) / INDEX
    return read_json(path) if path.exists() else []
