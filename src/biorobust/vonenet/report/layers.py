"""Curves over the layers of a network: their frames and their plot. Layer -1 is the V1 stage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure as Drawing

from biorobust.reporting import plots
from biorobust.reporting.figure import Figure, Inputs
from biorobust.reporting.labels import FAINT, INK, Look, look
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.style import drawing_style
from biorobust.vonenet.report.hypotheses import FOUR
from biorobust.vonenet.report.study import NOISELESS, PLAIN, VONE, layer_table

SMALLEST = 1e-9  # of a logarithmic axis: exact zeros are not drawn, and said
UNTRAINED = f"{PLAIN}-untrained"
OWN = "Each network's own perturbation"  # the title of a panel
HEAD = ("panel", "run", "noise", "shown", "statistic")  # what a curve is of


class Line(NamedTuple):
    """One curve. `file`: its table; `wanted`: which rows of it; `columns`: value, low and high, "" for one it lacks."""

    panel: str
    run: str
    noise: str
    shown: str
    statistic: str
    file: str
    wanted: Mapping[str, Collection[Any]]
    columns: tuple[str, ...]
    look: Look


def _looks(run: str, **changed: Any) -> Look:
    options: dict[str, Any] = {"width": 1.3, "dashes": "-"} | changed
    return replace(look(run), **options)


def _line(
    panel: str, run: str, noise: str, shown: str = "own", *, of: str = "raw", kind: str = "conv", **changed: Any
) -> Line:
    """A curve of activations/<run>.csv, in the look of its run with what is `changed`."""
    wanted = {"noise": [noise], "shown": [shown], "kind": ["v1", "conv"] if kind == "conv" else [kind]}
    columns = (of, f"{of}_low", f"{of}_high")
    said = f"{of}, {kind}"
    return Line(panel, run, noise, shown, said, f"activations/{run}", wanted, columns, _looks(run, **changed))


def _frame(m: Measurements, lines: Iterable[Line]) -> pd.DataFrame | None:
    """panel, run, noise, shown, statistic, layer, value, low, high: means over seeds; None without any line."""
    parts = []
    for line in lines:
        rows = layer_table(m, line.file, **line.wanted)
        names = {column: name for column, name in zip(line.columns, ("value", "low", "high"), strict=True) if column}
        if rows is None or not set(names) <= set(rows):
            continue
        mean = rows.groupby("layer")[list(names)].mean().rename(columns=names).reset_index()
        head = {key: getattr(line, key) for key in HEAD}
        parts.append(mean.assign(**head, _look=[line.look] * len(mean)))
    if not parts:
        return None
    return pd.concat(parts, ignore_index=True).reindex(columns=[*HEAD, "layer", "value", "low", "high", "_look"])


def _draw(frame: pd.DataFrame, *, ylabel: str, log: bool = True, level: float | None = None) -> Drawing:
    """A panel of curves for each `panel`, with their intervals as bands; a line at the `level`."""
    with drawing_style():
        titles = list(dict.fromkeys(frame["panel"]))
        drawing, found = plots.panels(len(titles), height=3.9 if len(titles) > 1 else 3.4, sharey=True)
        for axes, title in zip(found, titles, strict=True):
            part = frame[frame["panel"] == title]
            for style, rows in part.groupby("_look", sort=False):
                seen = rows[rows["value"] > SMALLEST] if log else rows
                low = seen["low"].clip(lower=SMALLEST) if log else seen["low"]
                line = {"color": style.colour, "ls": style.dashes, "lw": style.width, "label": style.label}
                faint = 0.3 if rows["value"].isna().all() else None  # a band alone
                axes.plot(seen["layer"], seen["value"], **line, alpha=faint)
                band = {"color": style.colour, "alpha": faint or 0.15, "lw": 0}
                axes.fill_between(seen["layer"], low, seen["high"], **band)
            for layer in FOUR:
                axes.axvline(layer, color=FAINT, lw=0.6, ls=(0, (2, 2)), zorder=0)
            if level is not None:
                axes.axhline(level, color=INK, lw=0.7)
            axes.set_xticks([0, *FOUR, 52])
            axes.set_yscale("log" if log else "linear")
            axes.grid(axis="y")
            axes.set_title(title, pad=6 + 11 * -(-part["_look"].nunique() // 2))
            legend = axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=7, borderaxespad=0.3)
            legend.set_in_layout(False)  # the title leaves it its height; its width takes none from the panel
        found[0].set_ylabel(ylabel)
        drawing.supxlabel("convolution, numbered as in the report (lines: layers 4, 12, 25 and 44)", size=9)
    return drawing


def _rows(frame: pd.DataFrame, **wanted: str) -> pd.Series:
    """Values by layer of one curve, or the mean of several, none where it is not drawn."""
    for column, value in wanted.items():
        frame = frame[frame[column] == value]
    return frame.groupby("layer")["value"].mean()


DEVIATIONS = (
    *(_line("No noise", run, "none", dashes=look(run).dashes) for run in (PLAIN, VONE, NOISELESS)),
    _line("The published model's noise", PLAIN, "none"),
    _line("The published model's noise", VONE, "frozen", label="VOneResNet50, frozen", dashes="--"),
    _line("The published model's noise", VONE, "live", label="VOneResNet50, live"),
    _line("The published model's noise", VONE, "live", "self", label="clean and clean, live", dashes=":"),
)


def _deviations(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """The values at the report's layers, and how far perturbed images deviate as a multiple of what noise gives."""
    plain = _rows(frame, run=PLAIN, panel="No noise")
    own, floor = (_rows(frame, run=VONE, noise="live", shown=shown) for shown in ("own", "self"))
    gap = float((own / floor).median()) if len(own) and len(floor) else None
    return {"at": {n: float(plain[n]) for n in FOUR if n in plain}, "gap": gap, "wanted": (PLAIN, VONE, NOISELESS)}


ONE_IMAGE = tuple(
    _line("No noise", run, "none", dashes=look(run).dashes)._replace(
        file=f"activations/{run}-one-image", wanted={}, columns=("raw", "low", "high")
    )
    for run in (PLAIN, VONE)
)


def _one_image(given: Inputs) -> pd.DataFrame | None:
    """Of the first seed alone, since each has an image of its own."""
    lines = []
    for line in ONE_IMAGE:
        if (rows := layer_table(given.m, line.file)) is not None:
            lines.append(line._replace(wanted={"seed": [rows["seed"].min()]}))
    return _frame(given.m, lines)


def _one_image_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    tables = (layer_table(given.m, line.file) for line in ONE_IMAGE)
    return {"images": list(dict.fromkeys(int(rows["image"].iloc[0]) for rows in tables if rows is not None))}


DIPS = tuple(
    _line(title, run, "none", of=of, kind=kind, label=label, colour=colour, dashes=dashes)
    for title, run in (("ResNet50, trained", PLAIN), ("ResNet50, random weights", UNTRAINED))
    for of, kind, label, colour, dashes in (
        ("raw", "conv", "convolution", INK, "-"),
        ("centred", "conv", "channel means taken away", "#0072b2", "--"),
        ("raw", "norm", "behind normalisation", "#d55e00", ":"),
    )
)


def _dips(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """Share of the images for which a second convolution of a block is below both its neighbours."""
    found = {}
    for title, run in (("trained", PLAIN), ("random weights", UNTRAINED)):
        rows = layer_table(given.m, f"activations/{run}", noise=["none"], shown=["own"], kind=["conv"])
        if rows is not None:
            found[title] = float(rows.loc[rows["name"].str.endswith("conv2"), "dip_share"].mean())
    return {"dips": found}


CONTROLS = tuple(
    _line(look(run).label, run, noise, shown, label=label, dashes=dashes)
    for run, noise, other in ((PLAIN, "none", VONE), (VONE, "frozen", PLAIN))
    for shown, label, dashes in (
        ("own", "own perturbation", "-"),
        ("signs", "random signs", "--"),
        ("other", "another image", ":"),
        (f"from-{other}", f"made for {look(other).label}", "-."),
    )
)


def _controls(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    return {"signs": float((_rows(frame, shown="signs") / _rows(frame, shown="own")).median())}


def _ratio(run: str, noise: str, label: str, dashes: str) -> Line:
    wanted, style = {"noise": [noise], "compared": ["own"]}, _looks(run, label=label, dashes=dashes)
    return Line(OWN, run, noise, "own", "ratio", f"deviations/{run}", wanted, ("log_ratio", "low", "high"), style)


RATIOS = (
    _ratio(VONE, "frozen", "VOneResNet50, noise frozen", "-"),
    _ratio(VONE, "live", "VOneResNet50, noise live", ":"),
    _ratio(VONE, "none", "VOneResNet50, tested without noise", "-."),
    _ratio(NOISELESS, "none", "VOneResNet50 (no noise), tested without noise", "--"),
)


def _ratios(given: Inputs) -> pd.DataFrame | None:
    found = _frame(given.m, RATIOS)
    ends = ["value", "low", "high"]
    return None if found is None else found.assign(**{end: 10 ** found[end] for end in ends})


def _ratios_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """Run and noise -> share of the layers at which the whole interval is below 1."""
    parts = frame.groupby(["run", "noise"], sort=False)
    return {"below": {key: float((part["high"] < 1).mean()) for key, part in parts}}


def _similarity(run: str, noise: str, *columns: str, **changed: Any) -> Line:
    wanted, file = {"noise": [noise], "shown": ["own"]}, f"activations/{run}-matrices"
    found = columns or ("similarity", "", "")
    statistic = "ceiling" if columns else "similarity"
    return Line(OWN, run, noise, "own", statistic, file, wanted, found, _looks(run, **changed))


CEILING = (VONE, "live", "", "ceiling_low", "ceiling_high")  # how alike matrices of two clean passes are
MATRICES = (
    _similarity(PLAIN, "none"),
    _similarity(VONE, "none"),
    _similarity(VONE, "live", label="VOneResNet50, live noise", dashes=":"),
    _similarity(*CEILING, label="two clean matrices, live noise", colour=FAINT, width=5),
)


def _matrices_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """Run and noise -> the lowest similarity of any layer."""
    parts = frame[frame["statistic"] == "similarity"].groupby(["run", "noise"], sort=False)
    return {"least": {key: float(part["value"].min()) for key, part in parts}}


def _measured(given: Inputs, frame: pd.DataFrame) -> tuple[str, ...]:
    return (given.study.read_stage(PLAIN),)


def _figure(
    id: str,
    lines: Iterable[Line] | Callable[[Inputs], pd.DataFrame | None],
    words: Callable[[Inputs, pd.DataFrame], Mapping[str, Any]],
    *,
    ylabel: str = "1 − r",
    **options: Any,
) -> Figure:
    frame = lines if callable(lines) else lambda given: _frame(given.m, lines)
    return Figure(id, frame, partial(_draw, ylabel=ylabel, **options), _measured, words)


FIGURES = (
    _figure("deviations", DEVIATIONS, _deviations),
    _figure("one-image", _one_image, _one_image_words),
    _figure("dips", DIPS, _dips),
    _figure("controls", CONTROLS, _controls),
    _figure("ratios", _ratios, _ratios_words, ylabel="deviation / that of ResNet50", level=1.0),
    _figure("matrices", MATRICES, _matrices_words, ylabel="Spearman's ρ", log=False),
)
