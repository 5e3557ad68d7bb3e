"""Points that others found: scored as they are (transfer), or begun from (a warm start)."""

from __future__ import annotations

from torch import nn

from biorobust.attacks.crafting import Batch, Crafted
from biorobust.attacks.search import Judge, Search, searched
from biorobust.core.errors import BiorobustError


def craft(view: nn.Module, batch: Batch, *, eps: tuple[float, ...]) -> Crafted:
    """Of the given points of every image the first that fools, else the one of largest margin; no gradient is taken."""
    judge = Judge(batch.judge or view, batch)
    return searched(batch, eps, lambda place, search: best_given(search, judge, batch, place))


def best_given(search: Search, judge: Judge, batch: Batch, place: int) -> None:
    """Look at all points of `batch.given` at one epsilon, moved into its ball; the best of them is then in `search`.

    Raises BiorobustError where there are none.
    """
    if not batch.given:
        raise BiorobustError(f"attack {batch.name!r}: begins from points found before; give them in `given`")
    for number, points in enumerate(batch.given.values()):
        rows = search.rows
        if len(rows):
            x = search.project(points[place][rows].to(batch.images), rows)
            search.note(x, rows, judge(x, rows, step=-1 - number), step=0)
