"""Lines and sentences of the report modules that still draw their figures by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from biorobust.reporting.estimates import Curve, Estimate
from biorobust.reporting.numbers import count, listed
from biorobust.reporting.style import Look, look


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


def percent_axis(axes: Axes, *, label: str) -> None:
    """0 to 100 with a little room, the same in every panel that is compared."""
    axes.set_ylim(-3, 103)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel(label)
    axes.grid(axis="y")


def draw_curve(axes: Axes, curve: Curve, run_look: Look) -> None:
    """Accuracy in percent with its intervals, in the look of the run."""
    values = [100 * point.value for point in curve.points]
    below = [max(0.0, 100 * (point.value - point.low)) for point in curve.points]
    above = [max(0.0, 100 * (point.high - point.value)) for point in curve.points]
    axes.errorbar(
        curve.eps,
        values,
        yerr=[below, above],
        color=run_look.colour,
        marker=run_look.marker,
        ls=run_look.dashes,
        elinewidth=1,
        label=run_look.label,
    )


def curve_rows(run: str, attack: str, curve: Curve) -> list[dict[str, Any]]:
    """The points of a curve as rows of a figure's data."""
    return [
        {
            "run": run,
            "attack": attack,
            "eps": eps,
            "accuracy": p.value,
            "low": p.low,
            "high": p.high,
            "seeds": p.n_seeds,
        }
        for eps, p in zip(curve.eps, curve.points, strict=True)
    ]


def hollow(reported: Mapping[str, object], found: Mapping[str, object]) -> str:
    """A sentence on the hollow markers, if there are any."""
    return " Hollow: as reported." if set(reported) & set(found) else ""
