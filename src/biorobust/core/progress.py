"""Saying how far a long loop is and when it will end: a bar on a terminal, a line a minute anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

SECONDS = 60.0  # between two lines in a log; a loop that ends earlier leaves none
LINE = "{desc}: {n_fmt} of {total_fmt} {unit}, {elapsed} so far, {remaining} left"

if TYPE_CHECKING:
    Base = tqdm[Any]
else:
    Base = tqdm


class Progress(Base):
    """A loop, or a counter to `update`, that shows itself on stderr until it is done."""

    def now(self, label: str) -> None:
        """Say what is being done from here on."""
        self.set_description_str(label, refresh=self.mininterval < SECONDS)


def progress(
    items: Iterable[Any] | None = None, *, label: str, unit: str, total: int | None = None, initial: int = 0
) -> Progress:
    """A loop over `items`, or without them a counter.

    label: what is being done, and to what. unit: what is counted, in the plural. total: how many there are, where
    `items` cannot tell. initial: how many an earlier start has done.
    """
    settings: dict[str, Any] = {"desc": label, "total": total, "initial": initial, "leave": False}
    if sys.stderr.isatty():
        settings |= {"unit": f" {unit}", "dynamic_ncols": True}
    else:
        settings |= {"unit": unit, "bar_format": LINE, "file": _Lines(), "position": 0}
        settings |= {"mininterval": SECONDS, "maxinterval": SECONDS, "delay": SECONDS}
    return Progress(items, **settings)


class _Lines:
    """stderr for a log: what would be drawn over the line before becomes a line of its own."""

    encoding = "utf-8"

    def write(self, text: str) -> None:
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)

    def flush(self) -> None:
        pass
