"""The plots of the report, each a function of a frame: lines, grids of pictures, heat maps.

A frame has a row for each point, mark or picture; the arguments name its columns. Proportions are drawn in percent.
Looks come from `labels`: of runs by default, or any mapping from the values of the column `series` to a `Look`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from textwrap import fill
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from biorobust.reporting.labels import INK, WORST_CASE, Look, attack_look, in_panel, label, look
from biorobust.reporting.style import REPORTED, WIDTH, drawing_style

LINE = 96  # characters of a title that fit into the width of a figure
DOTTED: dict[str, Any] = {"lw": 0.8, "ls": (0, (1, 3))}
MARKERS = ("o", "D", "s", "^")
Looks = Callable[[str], Look]
Handles = dict[str, Line2D]  # by label


def panels(
    n: int, *, columns: int = 3, height: float, extra: float = 0.0, **options: Any
) -> tuple[Drawing, list[Axes]]:
    """`n` panels in rows of `columns`, each row `height` inches high; places that stay empty have no axes.

    The lowest panel of every column has the labels of an x-axis that is shared.
    """
    columns = min(columns, n)
    lines = -(-n // columns)
    drawing = Drawing(figsize=(WIDTH, extra + height * lines))
    found = list(drawing.subplots(lines, columns, squeeze=False, **options).flat)
    for axes in found[n:]:
        axes.set_axis_off()
    for axes in found[max(0, n - columns) : n]:
        axes.tick_params(labelbottom=True)
    return drawing, found[:n]


def percent_axis(axes: Axes, *, label: str = "") -> None:
    """0 to 100 with a little room, the same in every panel that is compared."""
    axes.set_ylim(-3, 103)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel(label)
    axes.grid(axis="y")


def name_lines(axes: Axes, names: Sequence[str]) -> None:
    """A line for each name, the first on top, on an axis without ticks."""
    axes.set_yticks(range(len(names)), names, ma="right")
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def reach(frame: pd.DataFrame, value: str, *, scale: float = 100.0) -> np.ndarray:
    """(2, n): how far the interval of each row goes below and above its value."""
    low, high = frame[value] - frame["low"], frame["high"] - frame[value]
    return scale * np.clip(np.nan_to_num(np.array([low, high], dtype=float)), 0, None)


def curves(
    axes: Axes,
    frame: pd.DataFrame,
    *,
    x: str,
    y: str,
    series: str,
    looks: Looks = look,
    scale: float = 100.0,
    intervals: bool = True,
    band: str = "",
) -> Handles:
    """A line for each value of the column `series`, with the interval in `low` and `high`: of all, or as a `band`."""
    handles: Handles = {}
    for name, part in frame.groupby(series, sort=False):
        style = looks(str(name))
        drawn: dict[str, Any] = {"color": style.colour, "ls": style.dashes, "lw": style.width, "label": style.label}
        if intervals:
            drawn |= {"marker": style.marker, "elinewidth": 1, "yerr": reach(part, y, scale=scale)}
            drawn |= {} if style.filled else {"mfc": "none"}
            handles[style.label] = axes.errorbar(part[x], scale * part[y], **drawn)  # type: ignore[assignment]
        else:
            (handles[style.label],) = axes.plot(part[x], scale * part[y], **drawn)
        if name == band:
            axes.fill_between(part[x], scale * part["low"], scale * part["high"], color=style.colour, alpha=0.15, lw=0)
    return handles


@drawing_style()
def lines(
    frame: pd.DataFrame,
    *,
    xlabel: str,
    levels: pd.DataFrame | None = None,
    levels_label: str = "",
    hollow: pd.DataFrame | None = None,
) -> Drawing:
    """One panel with the accuracy of each `run` over `eps`, with intervals, in percent.

    levels: dotted horizontal lines in the colour of the run. hollow: what a report printed, hollow markers.
    """
    drawing, (axes,) = panels(1, height=3.7)
    handles = curves(axes, frame, x="eps", y="accuracy", series="run")
    printed = () if hollow is None else hollow.groupby("run", sort=False)
    for (name, part), marker in zip(printed, MARKERS, strict=False):
        style = REPORTED | {"marker": marker, "label": f"{name}, as reported"}
        (handles[style["label"]],) = axes.plot(part["eps"], 100 * part["accuracy"], **style)
    for name, level in () if levels is None else zip(levels["run"], levels["accuracy"], strict=True):
        axes.axhline(100 * level, color=look(name).colour, **DOTTED)
        handles[levels_label] = Line2D([], [], color=INK, **DOTTED)
    axes.legend(handles.values(), handles.keys(), loc="upper right")
    percent_axis(axes, label="accuracy, %")
    axes.set_xlabel(xlabel)
    return drawing


@drawing_style()
def line_panels(
    parts: Mapping[str, pd.DataFrame],
    *,
    x: str,
    y: str,
    series: str,
    xlabel: str | Mapping[str, str],
    looks: Callable[[str, str], Look] = lambda title, name: look(name),
    ylabel: str = "accuracy, %",
    key: Looks | None = None,
    scale: Mapping[str, float] | None = None,
    columns: int = 3,
    height: float,
    legend: Literal["outside lower center", "outside upper center"] = "outside lower center",
    legend_columns: int = 3,
    band: str = "",
    **shared: bool,
) -> Drawing:
    """A panel of lines for each of `parts`, title -> rows; one legend for all. band: the series with its interval.

    looks: of a series in a panel. key: of a series in the legend, for lines without intervals, from 0 to 100, that look
    different from panel to panel. scale: by panel, what 1 is drawn as; percent where it is not given. A column
    `reported` is drawn hollow.
    """
    drawing, found = panels(len(parts), columns=columns, height=height, extra=0.5, **shared)
    handles: Handles = {}
    for axes, (title, part) in zip(found, parts.items(), strict=True):
        factor = scale[title] if scale else 100.0
        of_panel = partial(looks, title)
        options: dict[str, Any] = {"x": x, "y": y, "series": series, "looks": of_panel, "scale": factor, "band": band}
        handles |= curves(axes, part, intervals=key is None, **options)
        if "reported" in part and part["reported"].notna().any():
            printed = part.drop_duplicates(x)
            style = REPORTED | {"marker": "s", "label": "as reported"}
            (handles["as reported"],) = axes.plot(printed[x], factor * printed["reported"], **style)
            axes.margins(x=0.2)
        axes.set_title(fill(title, LINE // min(columns, len(parts))))
        axes.grid(axis="y")
        if key is not None:
            percent_axis(axes)
        if isinstance(xlabel, Mapping):  # of whole numbers
            axes.set_xlabel(xlabel[title])
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        elif "lower" in legend:
            axes.set_xlabel(xlabel)
    drawing.supylabel(ylabel, size=9)
    if not isinstance(xlabel, Mapping) and "upper" in legend:
        drawing.supxlabel(xlabel, size=9)
    if key is not None:
        handles = samples(map(key, dict.fromkeys(name for part in parts.values() for name in part[series])))
    drawing.legend(handles.values(), handles.keys(), loc=legend, ncols=legend_columns)
    return drawing


def attacks(frame: pd.DataFrame, *, x: str = "eps", xlabel: str, **options: Any) -> Drawing:
    """A panel for each run with a line for each attack, from 0 to 100 percent; the worst of them with its interval."""
    runs = {label(run): run for run in dict.fromkeys(frame["run"])}
    return line_panels(
        {title: frame[frame["run"] == run] for title, run in runs.items()},
        x=x,
        y="accuracy",
        series="attack",
        xlabel=xlabel,
        looks=lambda title, attack: in_panel(runs[title], attack),
        key=attack_look,
        legend="outside upper center",
        band=WORST_CASE,
        sharey=True,
        **options,
    )


def by_epoch(axes: Axes, frame: pd.DataFrame) -> Handles:
    """Percent that trainings logged, `value` over `epoch` for each `run`: every seed thin, their mean thick."""
    handles: Handles = {}
    for run, part in frame.groupby("run", sort=False):
        style = look(str(run))
        wide = 100 * part.pivot_table(index="epoch", columns="seed", values="value")
        if wide.shape[1] > 1:
            axes.plot(wide.index, wide, color=style.colour, lw=0.5, alpha=0.6)
        mean = axes.plot(wide.index, wide.mean(axis=1), color=style.colour, ls=style.dashes, lw=1.7)
        handles[style.label] = mean[0]
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("epoch")
    return handles


@drawing_style()
def pictures(
    frame: pd.DataFrame,
    *,
    panel: str,
    row: str,
    column: str,
    row_label: Callable[[Any], str],
    title: Callable[[Any], str] = str,
    columns: int = 2,
    height: float = 0.64,
    rows_once: bool = False,
) -> Drawing:
    """Grids of pictures, `_pixels` (H, W) or (H, W, 3) in 0 to 255, `_note` below each, in bold where `_bold` says so.

    height: of a row of pictures, in inches. rows_once: rows are named in the first panel alone.
    """
    names = list(dict.fromkeys(frame[panel]))
    most = max(part[row].nunique() for _, part in frame.groupby(panel))
    drawing, found = panels(len(names), columns=columns, height=0.4 + height * most)
    for axes, name in zip(found, names, strict=True):
        called = (lambda _: "") if rows_once and axes is not found[0] else row_label
        _grid(axes, frame[frame[panel] == name], row=row, column=column, row_label=called)
        axes.set_title(title(name))
    return drawing


def _grid(axes: Axes, part: pd.DataFrame, *, row: str, column: str, row_label: Callable[[Any], str]) -> None:
    down, across = (list(dict.fromkeys(part[key])) for key in (row, column))
    height, width = part["_pixels"].iloc[0].shape[:2]
    notes = part.groupby(row, sort=False)["_note"].agg(lambda notes: max(len(note.splitlines()) for note in notes))
    gaps = [height * (1 + notes[name]) // 6 if notes[name] else 2 for name in down]  # room below each picture
    tops = np.cumsum([0, *(height + gap for gap in gaps)])
    canvas = np.zeros((tops[-1], len(across) * (width + 2) - 2, 4))
    for _, item in part.iterrows():
        at = down.index(item[row])
        top, left = tops[at], across.index(item[column]) * (width + 2)
        canvas[top : top + height, left : left + width] = _rgba(item["_pixels"])
        middle, weight = left + width / 2, "bold" if item["_bold"] else "normal"
        axes.text(middle, top + height + gaps[at] / 2, item["_note"], ha="center", va="center", size=7, weight=weight)
    axes.imshow(canvas, interpolation="none")
    axes.set_yticks(tops[:-1] + height / 2, [row_label(name) for name in down])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _rgba(picture: np.ndarray) -> np.ndarray:
    """(H, W, 4) in 0 to 1 of a grey or a coloured picture, transparent where it is not a number."""
    known = np.isfinite(picture if picture.ndim == 2 else picture.sum(axis=2))
    colours = picture[..., None] if picture.ndim == 2 else picture
    rgb = np.broadcast_to(np.nan_to_num(colours.astype(float)) / 255, (*known.shape, 3))
    return np.dstack([rgb.clip(0, 1), known])


@drawing_style()
def mosaics(frame: pd.DataFrame, *, label: str, side: int) -> Drawing:
    """A square of up to `side` times `side` pictures for each row, its `_pixels` (n, H, W); one colour bar.

    Each picture is divided by its own largest absolute value, so that shapes compare whatever the sizes; in [-1, 1].
    """
    drawing, found = panels(len(frame), height=2.75)
    for axes, stack, words in zip(found, frame["_pixels"], frame["_title"], strict=True):
        n = min(side, int(len(stack) ** 0.5))
        shown = stack[: n * n].astype(np.float64)
        largest = np.abs(shown).max(axis=(1, 2), keepdims=True)
        # Picture by picture in rows, one pixel of not-a-number between them.
        tiles = np.pad(shown / np.where(largest > 0, largest, 1.0), ((0, 0), (0, 1), (0, 1)), constant_values=np.nan)
        rows = tiles.reshape(n, n, *tiles.shape[1:]).swapaxes(1, 2).reshape(n * tiles.shape[1], -1)
        image = axes.imshow(rows[:-1, :-1], cmap="RdBu_r", vmin=-1, vmax=1, interpolation="none")
        axes.set_title(words)
        axes.set_axis_off()
    drawing.colorbar(image, ax=drawing.axes, location="bottom", shrink=0.4, aspect=40, label=label)
    return drawing


def samples(looks: Iterable[Look]) -> Handles:
    """Lines for a legend of several panels, in ink."""
    return {style.label: Line2D([], [], color=INK, ls=style.dashes, lw=style.width) for style in looks}


def legend_below(drawing: Drawing, handles: Handles) -> None:
    """One legend for all panels, below them."""
    drawing.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)


@drawing_style()
def heat(
    matrices: Mapping[str, np.ndarray],
    *,
    names: Sequence[str],
    label: str,
    xlabel: str,
    ylabel: str,
    power: float,
) -> Drawing:
    """Square matrices of shares in percent, title -> (n, n), with the names of their rows and columns; one colour bar.

    power: below 1 the colours rise faster at first, so that small shares show.
    """
    drawing, found = panels(len(matrices), columns=2, height=3.3, extra=0.6)
    for position, (axes, (title, matrix)) in enumerate(zip(found, matrices.items(), strict=True)):
        picture = axes.imshow(100 * matrix, cmap="viridis", norm=PowerNorm(power, 0, 100), interpolation="none")
        axes.set_xticks(range(len(names)), names, size=6)
        axes.set_yticks(range(len(names)), names, size=6)
        axes.tick_params(length=0, pad=1)
        axes.set_title(title)
        axes.set_ylabel("" if position % 2 else ylabel)
        axes.set_xlabel(xlabel)
    drawing.colorbar(picture, ax=drawing.axes, location="bottom", shrink=0.4, aspect=40, label=label)
    return drawing
