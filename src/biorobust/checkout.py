"""Where the checkout lies that one works in."""

from __future__ import annotations

from pathlib import Path

from biorobust.core.errors import BiorobustError

MARK = Path("reports/notebooks")


def checkout() -> Path:
    """The top of the checkout that the current folder is in, or else of the one this package is installed from.

    Raises BiorobustError where neither is one.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[2]):
        if (folder / MARK).is_dir():
            return folder
    raise BiorobustError(f"no checkout here: {here} and the folders above it have no {MARK}")
