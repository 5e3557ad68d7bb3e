"""The figures of the VOneNet study, in the order of the report; what is said about them is in its words file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from biorobust.reporting import frames, plots
from biorobust.reporting.figure import Figure, Inputs, of_runs
from biorobust.reporting.labels import ATTACKS, FAINT, INK, WORST_CASE, Look, label, look
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.metrics_file import read_pictures
from biorobust.reporting.style import drawing_style
from biorobust.vonenet.report.hypotheses import FOUR
from biorobust.vonenet.report.study import NOISELESS, PLAIN, VONE, layer_table

# --- curves over the layers of a network; layer -1 is the V1 stage ----------------------------------------------------

SMALLEST = 1e-9  # of a logarithmic axis: exact zeros are not drawn, and said
UNTRAINED = f"{PLAIN}-untrained"
OWN = "Each network's own perturbation"  # the title of a panel
HEAD = ("panel", "run", "noise", "shown", "statistic")  # what a curve is of


class Line(NamedTuple):
    """One curve: the column `of` with its interval, for a noise, the images `shown` and a kind of layer."""

    panel: str
    run: str
    noise: str
    shown: str
    of: str
    kind: str
    look: Look


def _line(
    panel: str, run: str, noise: str = "none", shown: str = "own", *, of: str = "raw", kind: str = "conv", **look_: Any
) -> Line:
    """A curve in the look of its run but for the fields `look_`."""
    options: dict[str, Any] = {"width": 1.3, "dashes": "-"} | look_
    return Line(panel, run, noise, shown, of, kind, replace(look(run), **options))


def _rows_of(m: Measurements, line: Line) -> pd.DataFrame | None:
    """The rows of a curve: means over seeds."""
    _, run, noise, shown, of, kind, style = line
    if ratio := of == "ratio":
        rows, ends = layer_table(m, f"deviations/{run}", noise=noise, compared=shown), ["log_ratio", "low", "high"]
    else:
        kinds = ("v1", "conv") if kind == "conv" else (kind,)
        rows = layer_table(m, f"activations/{run}", noise=noise, shown=shown, kind=kinds)
        ends = [of, f"{of}_low", f"{of}_high"]
    if rows is None:
        return None
    found = rows.groupby("layer")[ends].mean().set_axis(["value", "low", "high"], axis=1)
    head = dict(zip(HEAD, (*line[:4], of if ratio else f"{of}, {kind}"), strict=True))
    return (10**found if ratio else found).reset_index().assign(**head, _look=[style] * len(found))


def _frame(lines: Iterable[Line], given: Inputs) -> pd.DataFrame | None:
    """panel, run, noise, shown, statistic, layer, value, low, high: the curves that were measured."""
    parts = [rows for line in lines if (rows := _rows_of(given.m, line)) is not None]
    shown = [*HEAD, "layer", "value", "low", "high", "_look"]
    return pd.concat(parts, ignore_index=True)[shown] if parts else None


@drawing_style()
def _draw(frame: pd.DataFrame, *, ylabel: str, level: float | None) -> Drawing:
    """A panel of curves for each `panel`, with their intervals as bands; a line at the `level`."""
    titles = list(dict.fromkeys(frame["panel"]))
    drawing, found = plots.panels(len(titles), height=3.9 if len(titles) > 1 else 3.4, sharey=True)
    for axes, title in zip(found, titles, strict=True):
        part = frame[frame["panel"] == title]
        for style, rows in part.groupby("_look", sort=False):
            seen = rows[rows["value"] > SMALLEST]
            line = {"color": style.colour, "ls": style.dashes, "lw": style.width, "label": style.label}
            axes.plot(seen["layer"], seen["value"], **line)
            band = {"color": style.colour, "alpha": 0.15, "lw": 0}
            axes.fill_between(seen["layer"], seen["low"].clip(lower=SMALLEST), seen["high"], **band)
        for layer in FOUR:
            axes.axvline(layer, color=FAINT, lw=0.6, ls=(0, (2, 2)), zorder=0)
        if level is not None:
            axes.axhline(level, color=INK, lw=0.7)
        axes.set_xticks([0, *FOUR, 52])
        axes.set_yscale("log")
        axes.grid(axis="y")
        axes.set_title(title, pad=6 + 11 * -(-part["_look"].nunique() // 2))
        legend = axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=7, borderaxespad=0.3)
        legend.set_in_layout(False)  # the title leaves it its height; its width takes none from the panel
    found[0].set_ylabel(ylabel)
    drawing.supxlabel("convolution, numbered as in the report (lines: layers 4, 12, 25 and 44)", size=9)
    return drawing


def _rows(frame: pd.DataFrame, **wanted: str) -> pd.Series:
    for column, value in wanted.items():
        frame = frame[frame[column] == value]
    return frame.groupby("layer")["value"].mean()


DEVIATIONS = (
    *(_line("No noise", run, "none", dashes=look(run).dashes) for run in (PLAIN, NOISELESS)),
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
    """Percent of the images for which a second convolution of a block is below both its neighbours."""
    found = {}
    for title, run in (("trained", PLAIN), ("random weights", UNTRAINED)):
        rows = layer_table(given.m, f"activations/{run}", noise="none", shown="own", kind="conv")
        if rows is not None:
            found[title] = 100 * float(rows.loc[rows["name"].str.endswith("conv2"), "dip_share"].mean())
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


RATIOS = tuple(
    _line(OWN, run, noise, of="ratio", label=f"{look(run).label}, {words}", dashes=dashes)
    for run, noise, words, dashes in (
        (VONE, "frozen", "noise frozen", "-"),
        (VONE, "live", "noise live", ":"),
        (NOISELESS, "none", "trained without noise", "--"),
    )
)


def _ratios(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    parts = frame.groupby(["run", "noise"], sort=False)
    return {"below": {key: float((part["high"] < 1).mean()) for key, part in parts}}


def _measured(given: Inputs, frame: pd.DataFrame) -> tuple[str, ...]:
    return ("activations_vonenet",)


def _figure(
    id: str,
    lines: Iterable[Line],
    words: Callable[[Inputs, pd.DataFrame], Mapping[str, Any]],
    *,
    ylabel: str = "1 − r",
    level: float | None = None,
) -> Figure:
    return Figure(id, partial(_frame, lines), partial(_draw, ylabel=ylabel, level=level), _measured, words)


# --- pictures, and accuracy on perturbed images ----------------------------------------------------------------------

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STACKED = ("clean", "perturbed", "change")  # rows of pictures


def _trained(given: Inputs) -> tuple[str, ...]:
    return tuple(run for run in given.study.runs if not run.endswith("untrained"))


def _attacked(given: Inputs) -> pd.DataFrame:
    found = frames.attacked(given.m, _trained(given), ATTACKS)
    return found.assign(_size=255 * found["eps"])


def _worst(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    last = frame[frame["attack"] == WORST_CASE].groupby("run", sort=False)["accuracy"].last()
    sizes = {"n": frame["_n"].max(), "seeds": frame["seeds"].max()}
    return sizes | {"ends": last.to_dict(), "largest": frame["eps"].max(), "wanted": _trained(given)}


def _perturbed(given: Inputs) -> pd.DataFrame:
    """A row for each image read right: what the network answers before and after, the size, and its pictures."""
    parts = []
    for run in given.named(PLAIN, VONE):
        if not (path := given.m.file(f"portraits/perturbed-{run}.npz")).exists():
            continue
        found = read_pictures(path)
        change = found["change"].astype(float)
        reach = np.abs(change).max(axis=(1, 2, 3), keepdims=True)
        shown = {**found, "change": 255 * (0.5 + change / np.where(reach > 0, 2 * reach, 1.0))}
        columns = {"run": run, "image": range(len(change)), "label": found["labels"]}
        columns |= {key: found[key] for key in ("before", "after", "size")}
        columns |= {f"_{name}": list(shown[name]) for name in STACKED}
        answers = zip(found["before"], found["after"], strict=True)
        columns["_note"] = [f"{CIFAR10[before]}\n→ {CIFAR10[after]}" for before, after in answers]
        parts.append(pd.DataFrame(columns))
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["label", "before"])
    return found[found["label"] == found["before"]]


def _sizes(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    changed = {run: ((part["before"] != part["after"]).sum(), len(part)) for run, part in frame.groupby("run")}
    return {"sizes": (255 * frame.groupby("run", sort=False)["size"].median()).to_dict(), "changed": changed}


def _stacked(frame: pd.DataFrame) -> Drawing:
    """Clean, perturbed and change of every image, below one another."""
    notes = {"clean": "", "perturbed": frame["_note"], "change": ""}
    rows = [frame.assign(_row=kind, _pixels=frame[f"_{kind}"], _note=notes[kind], _bold=False) for kind in STACKED]
    options: dict[str, Any] = {"title": label, "row_label": str, "columns": 2, "height": 0.72}
    return plots.pictures(pd.concat(rows, ignore_index=True), panel="run", row="_row", column="image", **options)


FIGURES = (
    _figure("deviations", DEVIATIONS, _deviations),
    _figure("dips", DIPS, _dips),
    _figure("controls", CONTROLS, _controls),
    _figure("ratios", RATIOS, _ratios, ylabel="deviation / that of ResNet50", level=1.0),
    Figure(
        "accuracy-perturbed",
        _attacked,
        partial(plots.attacks, x="_size", xlabel="largest change of a pixel, in 255ths", height=2.6, legend_columns=2),
        _measured,
        _worst,
    ),
    Figure("perturbed-images", _perturbed, _stacked, of_runs("attack"), _sizes),
)
