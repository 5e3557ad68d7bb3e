"""Lines and sentences of the report modules that still draw their figures by hand."""

from __future__ import annotations

from collections.abc import Sequence

from biorobust.reporting.estimates import Estimate
from biorobust.reporting.labels import look
from biorobust.reporting.numbers import count, listed
from biorobust.reporting.plots import percent_axis

__all__ = ["bars", "left_out", "percent_axis"]


def left_out(wanted: Sequence[str], drawn: Sequence[str]) -> str:
    """A sentence naming the runs without metrics; empty when there are none."""
    labels = [look(run).label for run in wanted if run not in drawn]
    return f" Not run, so not drawn: {listed(labels)}." if labels else ""


def bars(estimates: Sequence[Estimate]) -> str:
    """A sentence saying which interval is drawn, from what was measured; runs may differ in their number of seeds."""
    single, several = ([item for item in estimates if (item.n_seeds == 1) == one] for one in (True, False))
    seeds = listed(map(str, sorted({item.n_seeds for item in several}))) if several else ""
    if not several:
        return f" Bars: 95 % interval over {_images(single)}, one seed."
    both = f" Bars: 95 % interval over {seeds} seeds and {_images(several)}"
    return f"{both}; where there is one seed, over {_images(single)}." if single else f"{both}."


def _images(estimates: Sequence[Estimate]) -> str:
    return f"{listed(count(n) for n in sorted({item.n for item in estimates}))} test images"
