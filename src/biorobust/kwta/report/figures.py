"""The figures of the k-WTA study, in the order of the report; what is said about them is in its words file.

A panel is a table of the report, or one of ours; a row of params.yaml keeps its colour in all of them, and is called by
the gamma it was trained with. Rows of a frame carry their cell in a column that is not written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from biorobust.kwta.report.printed import printed
from biorobust.kwta.report.study import DEEPFOOL, ORIGINAL_STEP, PGD, Cell, row_name
from biorobust.reporting import plots
from biorobust.reporting.figure import Figure, Inputs
from biorobust.reporting.labels import WORST_CASE
from biorobust.reporting.style import FAINT, INK, REPORTED, drawing_style

# What is drawn of a cell's accuracy -> its name and marker; a line between the first two is the effect of the step.
# The worst case is drawn over the others: where it coincides with one, both stay visible.
DRAWN: Mapping[str, tuple[str, dict[str, Any]]] = {
    PGD: ("PGD, report's step (0.003 ε)", {"marker": "o", "ms": 6}),
    ORIGINAL_STEP: ("PGD, original paper's (0.003)", {"marker": "D", "ms": 5.5}),
    DEEPFOOL: ("DeepFool", {"marker": "^", "ms": 6}),
    WORST_CASE: ("worst of these, image by image", {"marker": "|", "ms": 12}),
}
TICKS = (0.05, 0.1, 0.2, 0.5, 1.0)
PROBE, JUMP = "discontinuity", "jump"  # of a cell's metrics; drawn of it
HEAD = ("table", "cell", "_cell")


def _head(cell: Cell) -> tuple[int | str, str, Cell]:
    return cell.place.number or cell.place.key, cell.id, cell


def _cells(given: Inputs, *, collapsed: bool = False) -> list[Cell]:
    """Those that were trained, with those or without that give one class to every image."""
    cells = given.study.cells(given.m)
    return [cell for cell in cells if cell.trained and (collapsed or not cell.collapsed)]


def _words(given: Inputs, frame: pd.DataFrame, **told: Any) -> Mapping[str, Any]:
    """What every figure's words need: the tables that are drawn, and those that are not."""
    drawn = list(dict.fromkeys(frame["table"]))
    places = [place for place in given.study.places if place.number]
    return told | {"drawn": drawn, "missing": [f"{p.number}" for p in places if p.number not in drawn]}


def _stages(given: Inputs, frame: pd.DataFrame) -> Iterable[str]:
    return map(given.study.attack_stage, dict.fromkeys(frame["cell"]))


def _by_cell(part: pd.DataFrame) -> Iterator[tuple[Cell, pd.DataFrame]]:
    return ((rows["_cell"].iloc[0], rows) for _, rows in part.groupby("cell", sort=False))


def _tables(frame: pd.DataFrame, title: str) -> list[tuple[str, pd.DataFrame]]:
    parts = [part for _, part in frame.groupby("table", sort=False)]
    return [(title.format(place=part["_cell"].iloc[0].place), part) for part in parts]


def _panels(
    parts: Sequence[tuple[str, Any]],
    each: Callable[[Axes, Any], None],
    *,
    xlabel: str,
    ylabel: str = "",
    legend: plots.Handles,
    per_row: int = 5,
    **options: Any,
) -> Drawing:
    """A panel for each of `parts`, its title and what `each` draws, under one legend with `per_row` entries a row."""
    drawing, found = plots.panels(len(parts), **options)
    for axes, (title, part) in zip(found, parts, strict=True):
        axes.set_title(title)
        each(axes, part)
    drawing.supxlabel(xlabel, size=9)
    drawing.supylabel(ylabel, size=9)
    drawing.legend(legend.values(), legend.keys(), loc="outside upper center", ncols=per_row)
    return drawing


def _legend(frame: pd.DataFrame, **marker: Any) -> plots.Handles:
    """The rows of all tables by name."""
    looks = {cell.row: cell.look for cell in frame["_cell"]}
    return {
        row: Line2D([], [], color=look.colour, ls=look.dashes, marker=look.marker, **marker)
        for row, look in looks.items()
    }


def _steps(given: Inputs) -> pd.DataFrame:
    reported, rows = printed(given.claims), []
    for cell in _cells(given, collapsed=True):
        number = reported.get((cell.id, PGD))
        own = number and cell.place.number and number.gamma == cell.gamma  # an analogue's is of another network
        known = {PGD: number.value.value} if number and own else {}
        rows += [
            (*_head(cell), cell.row, attack, found.value, found.low, found.high, cell.collapsed, known.get(attack))
            for attack in DRAWN
            if (found := cell.of(attack))
        ]
    columns = [*HEAD, "activation", "attack", "accuracy", "low", "high", "collapsed", "reported"]
    return pd.DataFrame(rows, columns=columns)


def _steps_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """`relu`: the range that ReLU keeps under either step. `points`: under the report's, with images and seeds."""
    relu = frame[(frame["activation"] == row_name(None)) & ~frame["collapsed"]]
    kept = [relu.loc[relu["attack"] == attack, "accuracy"] for attack in (PGD, ORIGINAL_STEP)]
    ranges = [(values.min(), values.max()) for values in kept if len(values)]
    points = [found for cell in _cells(given, collapsed=True) if (found := cell.of(PGD))]
    return _words(given, frame, relu=ranges if len(ranges) == len(kept) else [], points=points)


@drawing_style()
def _draw_steps(frame: pd.DataFrame) -> Drawing:
    def each(axes: Axes, part: pd.DataFrame) -> None:
        cells = list(_by_cell(part))
        for at, (cell, marks) in enumerate(cells):
            steps = 100 * marks.loc[marks["attack"].isin([PGD, ORIGINAL_STEP]), "accuracy"]
            axes.plot(steps, [at] * len(steps), color=FAINT, lw=1.2, zorder=1)
            line: dict[str, Any] = {"color": cell.look.colour, "ls": "", "elinewidth": 1, "zorder": 3}
            for _, mark in marks.iterrows():
                ends, (_, marker) = plots.reach(mark.to_frame().T, "accuracy"), DRAWN[mark["attack"]]
                axes.errorbar(100 * mark["accuracy"], at, xerr=ends, **line, **marker)
            axes.plot(100 * marks["reported"], [at] * len(marks), zorder=4, **REPORTED)
        plots.name_lines(axes, [f"{cell.row}\n(collapsed)" if cell.collapsed else cell.row for cell, _ in cells])
        axes.set_xlim(-3, 103)

    legend = {"PGD as reported": Line2D([], [], **REPORTED)}
    legend |= {name: Line2D([], [], color=INK, ls="", **marker) for name, marker in DRAWN.values()}
    return _panels(
        _tables(frame, "{place.label}: {place.title}, {place.init}"),
        each,
        xlabel="accuracy on the attacked images, %",
        legend=legend,
        per_row=3,
        columns=2,
        height=1.55,
        extra=1.1,
        sharex=True,
    )


def _jumps(given: Inputs) -> pd.DataFrame:
    """Median jump of cells as they were trained, and of the same weights under other gammas; mean over seeds."""
    rows = []
    for cell in _cells(given):
        found = (cell.attacked or {}).get(PROBE)
        for seed in found["per_seed"] if found else ():
            rows.append((*_head(cell), cell.gamma, True, seed[JUMP]["median"]))
        for row in found["by_gamma"] if found and cell.gamma is not None else ():
            rows.append((*_head(cell), row["gamma"], False, row[JUMP]["median"]))
    keys = [*HEAD, "gamma", "trained"]
    found = pd.DataFrame(rows, columns=[*keys, JUMP])
    return found.groupby(keys, sort=False, dropna=False, as_index=False)[JUMP].mean()


def _jumps_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """`relu`: the largest of a ReLU network; `falls`: rank correlations of gamma and jump, one for each network."""
    other = frame[frame["gamma"].notna() & ~frame["trained"]]
    ranks = (part[["gamma", JUMP]].rank().corr().iloc[0, 1] for _, part in other.groupby("cell", sort=False))
    return _words(
        given,
        frame,
        probe=frame["_cell"].iloc[0].attacked[PROBE],
        relu=frame.loc[frame["gamma"].isna(), JUMP].max(),
        falls=[rank for rank in ranks if pd.notna(rank)],
    )


@drawing_style()
def _draw_jumps(frame: pd.DataFrame) -> Drawing:
    def each(axes: Axes, part: pd.DataFrame) -> None:
        for cell, rows in _by_cell(part):
            look, own, other = cell.look, rows[rows["trained"]], rows[~rows["trained"]].sort_values("gamma")
            if cell.gamma is None:
                continue  # no function of gamma; its value is said in words
            line: dict[str, Any] = {"color": look.colour, "clip_on": False}
            axes.plot(other["gamma"], other[JUMP], lw=1, ls=look.dashes, marker=".", **line)
            axes.plot(own["gamma"], own[JUMP], marker=look.marker, ms=8, mec=INK, mew=0.8, ls="", **line)
        axes.set(xscale="log", ylim=(0, None))
        axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(axis="y")

    legend = _legend(frame[frame["gamma"].notna()], ms=7, mec=INK)
    legend["the same weights, another γ"] = Line2D([], [], color=FAINT, marker=".", lw=1)
    return _panels(
        [(title.replace(", ", "\n"), part) for title, part in _tables(frame, "{place.label}: {place.title}")],
        each,
        xlabel="γ, share of values that pass",
        ylabel="median jump, sd of the outputs",
        legend=legend,
        columns=4,
        height=2.1,
        extra=0.8,
        sharex=True,
    )


FIGURES = (
    Figure("steps", _steps, _draw_steps, _stages, _steps_words),
    Figure("jumps", _jumps, _draw_jumps, _stages, _jumps_words),
)
