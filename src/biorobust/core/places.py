"""Where results lie. A stage that runs several entries of params.yaml writes below a folder of its own, so that the
graph names one output for all of them; whoever reads finds a run by its name, wherever it lies.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

METRICS = Path("reports/metrics")
CHECKPOINTS = Path("data/checkpoints")
RECORDS = Path("data/attacks")

_group = ""  # of the stage that runs in this process


@contextlib.contextmanager
def together(group: str) -> Iterator[None]:
    """Within the block results are written below the folder `group` of each place."""
    global _group
    before, _group = _group, group
    try:
        yield
    finally:
        _group = before


def to_write(place: Path) -> Path:
    """The folder to write to below one of the places."""
    return place / _group if _group else place


def find(place: Path, name: str) -> Path:
    """The file or folder `name` of a place: in the folder of a group if it is there, else its own.

    Names come from params.yaml, so that what removed runs have left is never found.
    """
    return next(iter(sorted(place.glob(f"*/{name}"))), place / name)
