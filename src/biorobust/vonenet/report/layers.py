"""Curves over the layers of a network: deviations, what noise alone gives, controls, dips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from biorobust.core import places
from biorobust.reporting.figures.curves import left_out
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.numbers import listed
from biorobust.reporting.style import FAINT, INK, WIDTH, drawing_style, look
from biorobust.vonenet.report.hypotheses import FOUR
from biorobust.vonenet.report.study import Vonenet

PLAIN, VONE, NOISELESS = "resnet50", "voneresnet50", "voneresnet50-noiseless"
SMALLEST = 1e-9  # of a logarithmic axis: exact zeros are not drawn, and said
LAYER = "convolution, numbered as in the report (lines: layers 4, 12, 25 and 44)"


@dataclass(frozen=True)
class Line:
    """One curve: which rows of a run, which column of them, and how it is drawn."""

    run: str
    noise: str
    shown: str
    label: str
    column: str = "raw"
    kind: str = "conv"
    dashes: str | tuple[int, tuple[int, ...]] = "-"
    colour: str | None = None


def table(metrics: Metrics, name: str) -> pd.DataFrame | None:
    """A table of the metrics such as "activations/resnet50", None where it was not written."""
    path = places.find(metrics.root, f"{name}.csv")
    return pd.read_csv(path) if path.exists() else None


def _values(metrics: Metrics, line: Line) -> pd.DataFrame | None:
    """`layer`, `value`, `low`, `high` of a line, means over seeds; V1 is layer -1."""
    found = table(metrics, f"activations/{line.run}")
    if found is None:
        return None
    chosen = found[(found["noise"] == line.noise) & (found["shown"] == line.shown)]
    kinds = ("v1", "conv") if line.kind == "conv" else (line.kind,)
    chosen = chosen[chosen["kind"].isin(kinds)]
    if chosen.empty:
        return None
    columns = {line.column: "value", f"{line.column}_low": "low", f"{line.column}_high": "high"}
    return chosen.groupby("layer")[list(columns)].mean().rename(columns=columns).reset_index()


def _draw(axes: Axes, values: pd.DataFrame, line: Line) -> None:
    colour = line.colour or look(line.run).colour
    seen = values[values["value"] > SMALLEST]
    axes.plot(seen["layer"], seen["value"], color=colour, ls=line.dashes, lw=1.3, label=line.label)
    axes.fill_between(seen["layer"], seen["low"].clip(lower=SMALLEST), seen["high"], color=colour, alpha=0.15, lw=0)


def layer_axis(axes: Axes) -> None:
    """Faint lines at the report's four layers, which are also the ticks."""
    for layer in FOUR:
        axes.axvline(layer, color=FAINT, lw=0.6, ls=(0, (2, 2)), zorder=0)
    axes.set_xticks([0, *FOUR, 52])


def panels(
    metrics: Metrics,
    given: Mapping[str, Sequence[Line]],
    *,
    ylabel: str,
    height: float = 3.9,
    log: bool = True,
) -> tuple[Drawing, pd.DataFrame] | None:
    """A panel for each title that has a line, and the rows drawn; None where there is nothing."""
    found = {
        title: {line: values for line in lines if (values := _values(metrics, line)) is not None}
        for title, lines in given.items()
    }
    found = {title: lines for title, lines in found.items() if lines}
    if not found:
        return None
    rows = []
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, height))
        for axes, (title, lines) in zip(
            drawing.subplots(1, len(found), sharey=True, squeeze=False).flat, found.items(), strict=True
        ):
            for line, values in lines.items():
                _draw(axes, values, line)
                head = {"panel": title, "run": line.run, "noise": line.noise, "shown": line.shown}
                rows.append(values.assign(**head, statistic=f"{line.column}, {line.kind}"))
            layer_axis(axes)
            if log:
                axes.set_yscale("log")
            rows_of_legend = -(-len(lines) // 2)
            axes.set_title(title, pad=6 + 11 * rows_of_legend)
            legend = axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=7, borderaxespad=0.3)
            legend.set_in_layout(False)  # the title leaves it its height; its width takes none from the panel
            axes.grid(axis="y")
        drawing.axes[0].set_ylabel(ylabel)
        drawing.supxlabel(LAYER, size=9)
    return drawing, pd.concat(rows, ignore_index=True)


def _named(lines: Sequence[Line]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line.run for line in lines))


def deviations(metrics: Metrics, study: Vonenet) -> Figure | None:
    """1 - r over the layers, all images: without noise, and with the noise the published model has."""
    quiet = [Line(run, "none", "own", look(run).label, dashes=look(run).dashes) for run in (PLAIN, VONE, NOISELESS)]
    noisy = [
        Line(PLAIN, "none", "own", look(PLAIN).label),
        Line(VONE, "frozen", "own", "VOneResNet50, frozen", dashes="--"),
        Line(VONE, "live", "own", "VOneResNet50, live"),
        Line(VONE, "live", "self", "clean and clean, live", dashes=":"),
    ]
    made = panels(metrics, {"No noise": quiet, "The published model's noise": noisy}, ylabel="1 − r")
    if made is None:
        return None
    drawing, data = made
    return Figure(
        id="deviations",
        title="Deviation of every layer, all images",
        alt="Two line charts of one minus Pearson r over the numbered convolutions on a logarithmic axis, without "
        f"noise and with it, for {listed(look(run).label for run in _named([*quiet, *noisy]))}.",
        caption="How far do activations move under each network's own DeepFool perturbation?"
        + _at_four(data, PLAIN)
        + _noise_gap(data)
        + " Median over images; bands: 95 % bootstrap interval. Layer −1 is the V1 stage."
        + left_out((PLAIN, VONE, NOISELESS), list(dict.fromkeys(data["run"]))),
        drawing=drawing,
        data=data,
        provenance=(study.read_stage(PLAIN),),
    )


def _at_four(data: pd.DataFrame, run: str) -> str:
    """The values at the report's layers."""
    rows = data[(data["run"] == run) & (data["noise"] == "none") & (data["shown"] == "own")]
    values = rows.drop_duplicates("layer").set_index("layer")["value"]
    there = {layer: float(values[layer]) for layer in FOUR if layer in values}
    if not there:
        return ""
    said = listed(f"{value:.1e} at {layer}" for layer, value in there.items())
    zeros = sum(value == 0 for value in there.values())
    return f" At the report's layers {look(run).label} has {said}; {zeros or 'none'} of them zero."


def _noise_gap(data: pd.DataFrame) -> str:
    live = data[(data["run"] == VONE) & (data["noise"] == "live")]
    own, floor = (live[live["shown"] == shown].set_index("layer")["value"] for shown in ("own", "self"))
    if own.empty or floor.empty:
        return ""
    ratio = float((own / floor).median())
    return f" Under live noise the perturbed image deviates {ratio:.2f} times as much as the clean image from itself."


def controls(metrics: Metrics, study: Vonenet) -> Figure | None:
    """Own, transferred and random perturbations of the same size, and another image."""
    shown = {
        "own": ("own perturbation", "-"),
        "signs": ("random signs", "--"),
        "other": ("another image", ":"),
    }
    given = {
        look(run).label: [
            Line(run, noise, key, words, dashes=dashes) for key, (words, dashes) in {**shown, **more}.items()
        ]
        for run, noise, more in (
            (PLAIN, "none", {f"from-{VONE}": ("made for VOneResNet50", "-.")}),
            (VONE, "frozen", {f"from-{PLAIN}": ("made for ResNet50", "-.")}),
        )
    }
    made = panels(metrics, given, ylabel="1 − r")
    if made is None:
        return None
    drawing, data = made
    own, signs = (data[data["shown"] == key].groupby("layer")["value"].mean() for key in ("own", "signs"))
    return Figure(
        id="controls",
        title="The same with controls",
        alt="Two line charts of one minus Pearson r over the numbered convolutions, for own and foreign "
        "perturbations, random signs and another image.",
        caption="Are the deviations, and their dips, special to adversarial perturbations? Random signs of the same "
        f"L-infinity size give {float((signs / own).median()):.2f} times the deviation of the own perturbation "
        "(median over layers, mean of the networks). Another image is the ceiling. The noise of VOneResNet50 is "
        "frozen.",
        drawing=drawing,
        data=data,
        provenance=(study.read_stage(PLAIN),),
    )


def dips(metrics: Metrics, study: Vonenet) -> Figure | None:
    """Raw, centred and normalised curves, trained and with random weights."""
    given = {
        title: [
            Line(run, "none", "own", "convolution", colour=INK),
            Line(run, "none", "own", "channel means taken away", column="centred", dashes="--", colour="#0072b2"),
            Line(run, "none", "own", "behind normalisation", kind="norm", dashes=":", colour="#d55e00"),
        ]
        for title, run in (("ResNet50, trained", PLAIN), ("ResNet50, random weights", f"{PLAIN}-untrained"))
    }
    made = panels(metrics, given, ylabel="1 − r")
    if made is None:
        return None
    drawing, data = made
    shares = {
        title: float(rows[rows["name"].str.endswith("conv2") & (rows["kind"] == "conv")]["dip_share"].mean())
        for title, run in (("trained", PLAIN), ("random weights", f"{PLAIN}-untrained"))
        if (rows := table(metrics, f"activations/{run}")) is not None
        and not (rows := rows[(rows["noise"] == "none") & (rows["shown"] == "own")]).empty
    }
    said = listed(f"{100 * share:.0f} % of the images ({title})" for title, share in shares.items())
    return Figure(
        id="dips",
        title="Where the curves dip",
        alt="Two line charts of one minus Pearson r over the numbered convolutions, raw, centred by channel and behind "
        "normalisation, for a trained network and one with random weights.",
        caption="Do the dips come from fixed differences between channels, or from the architecture? A second "
        f"convolution of a block is below both its neighbours for {said}.",
        drawing=drawing,
        data=data,
        provenance=(study.read_stage(PLAIN),),
    )
