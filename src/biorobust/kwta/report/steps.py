"""The step of PGD: every cell under the report's, under the original paper's, and at its worst."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from biorobust.kwta.report.cells import DEEPFOOL, ORIGINAL_STEP, PGD, Key, gamma_of, measured, row_name
from biorobust.kwta.report.rows import grid, not_drawn, row_look, title, with_results
from biorobust.reporting.attacks import WORST_CASE
from biorobust.reporting.estimates import Estimate, ran
from biorobust.reporting.figures.curves import bars
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.numbers import listed, share
from biorobust.reporting.style import FAINT, INK, REPORTED, WIDTH, drawing_style

if TYPE_CHECKING:
    from biorobust.kwta.report.study import Kwta
    from biorobust.reporting.metrics import Metrics

# What is drawn of a cell -> its name, marker and size; the line between the first two is the effect of the step.
DRAWN: Mapping[str, tuple[str, str, float]] = {
    PGD: ("PGD, report's step (0.003 ε)", "o", 6),
    ORIGINAL_STEP: ("PGD, original paper's (0.003)", "D", 5.5),
    DEEPFOOL: ("DeepFool", "^", 6),
    WORST_CASE: ("worst for each image", "|", 12),
}
COLUMNS = 2
PANEL = 1.55  # inches


def steps(metrics: Metrics, study: Kwta, *, reported: Mapping[Key, Estimate]) -> Figure | None:
    """A panel per table, a line per row: from accuracy under the report's step to that under the original paper's."""
    found = [(place, cells) for place, cells in with_results(metrics, study.places) if _attacked(metrics, cells)]
    if not found:
        return None
    rows: list[dict[str, Any]] = []
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 1.1 + PANEL * -(-len(found) // COLUMNS)))
        panels, _, lowest = grid(drawing, len(found), columns=COLUMNS, sharex=True)
        for axes, (place, cells) in zip(panels, found, strict=True):
            for at, cell in enumerate(cells):
                gamma = gamma_of(metrics, study, cell)
                printed = reported.get((place.network, place.dataset, place.init, gamma, PGD))
                values = {what: v for what in DRAWN if (v := measured(metrics, cell, what, resized=True))}
                _draw(axes, at, values, printed, colour=row_look(metrics, study, cell).colour)
                rows += [
                    {"table": place.number or "ours", "cell": cell, "activation": row_name(gamma), "attack": what}
                    | {"accuracy": v.value, "low": v.low, "high": v.high, "collapsed": _collapsed(metrics, cell)}
                    | {"reported": printed.value if printed and what == PGD else None}
                    for what, v in values.items()
                ]
            axes.set_yticks(range(len(cells)), [_row(metrics, study, cell) for cell in cells])
            axes.set_ylim(len(cells) - 0.5, -0.5)
            axes.set_xlim(-3, 103)
            axes.grid(axis="x")
            axes.set_title(f"{place.label}: {title(place)}, {place.init}")
            axes.spines["left"].set_visible(False)
            axes.tick_params(axis="y", length=0)
        for axes in lowest:
            axes.set_xlabel("accuracy on the attacked images, %")
        handles = [Line2D([], [], **REPORTED)]
        handles += [Line2D([], [], color=INK, marker=marker, ms=size, ls="") for _, marker, size in DRAWN.values()]
        labels = ["PGD as reported", *(name for name, _, _ in DRAWN.values())]
        drawing.legend(handles, labels, loc="outside lower center", ncols=3)
    table = pd.DataFrame(rows)
    relu = table[(table["activation"] == row_name(None)) & ~table["collapsed"]]
    left = [relu[relu["attack"] == what]["accuracy"] for what in (PGD, ORIGINAL_STEP)]
    said = [f"{share(values.min())} to {share(values.max())}" for values in left if len(values)]
    answer = (
        f" ReLU keeps {listed(said, last='against')} over the tables drawn, collapsed networks left out."
        if len(said) == 2
        else ""
    )
    drawn = [v for place, cells in found for cell in cells if (v := measured(metrics, cell, PGD, resized=True))]
    return Figure(
        id="steps",
        title="The report's step and the original paper's",
        alt=f"Dot plots, a panel for each of {len(found)} tables and a line for each activation, of accuracy under PGD "
        "with small and with large steps, under DeepFool and under the worst attack for each image.",
        caption="How much of the accuracy under PGD is the size of its step? The report takes 40 steps of 0.003 ε, "
        f"the original paper 40 of 0.003 in pixel units; everything else is the same.{answer} Attacks on the resized "
        "tensor, as in the report."
        f"{bars(drawn)}{not_drawn(study, [place for place, _ in found])}",
        drawing=drawing,
        data=table,
        provenance=tuple(dict.fromkeys(study.attack_stage(cell) for _, cells in found for cell in cells)),
    )


def _attacked(metrics: Metrics, cells: tuple[str, ...]) -> bool:
    return any(measured(metrics, cell, PGD, resized=True) for cell in cells)


def _collapsed(metrics: Metrics, cell: str) -> bool:
    """Whether any seed of a cell gives one class to every image: no attack can tell anything of it."""
    found = ran(metrics.train(cell))
    return found is not None and any(seed["collapsed"] for seed in found["per_seed"])


def _row(metrics: Metrics, study: Kwta, cell: str) -> str:
    name = row_name(gamma_of(metrics, study, cell))
    return f"{name}\n(collapsed)" if _collapsed(metrics, cell) else name


def _draw(axes: Axes, at: int, values: Mapping[str, Estimate], printed: Estimate | None, *, colour: str) -> None:
    if PGD in values and ORIGINAL_STEP in values:
        ends = [100 * values[what].value for what in (PGD, ORIGINAL_STEP)]
        axes.plot(ends, [at, at], color=FAINT, lw=1.2, zorder=1)
    for what, value in values.items():
        _, marker, size = DRAWN[what]
        # The worst case is drawn over the others: where it coincides with one, both stay visible.
        reach = [[100 * (value.value - value.low)], [100 * (value.high - value.value)]]
        style: Any = {"color": colour, "marker": marker, "ms": size, "ls": "", "zorder": 3}
        axes.errorbar(100 * value.value, at, xerr=reach, elinewidth=1, **style)
    if printed:
        axes.plot(100 * printed.value, at, zorder=4, **REPORTED)
