"""How the networks of the CNN-F study learned: losses raw and smoothed, their terms, and the learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter

from biorobust.core import places
from biorobust.reporting.estimates import per_seed
from biorobust.reporting.figures.curves import left_out
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.numbers import count, listed, share
from biorobust.reporting.style import FAINT, INK, WIDTH, drawing_style, look

if TYPE_CHECKING:
    from biorobust.cnnf.report.study import Cnnf
    from biorobust.reporting.metrics import Metrics

TERMS = {  # column of the curve -> its name, the line's dashes
    "first": ("first pass", "-"),
    "cycles": ("cycles", "--"),
    "feature": ("inner feature", "-."),
    "block1": ("first block", ":"),
    "block2": ("second block", (0, (1, 3))),
}


def _curve(metrics: Metrics, name: str) -> pd.DataFrame | None:
    """None where there is no file, or one without rows, as of a run that the scale leaves out."""
    path = places.find(metrics.root, f"curves/{name}.csv")
    table = pd.read_csv(path) if path.exists() else pd.DataFrame()
    return table if len(table) else None


def losses(metrics: Metrics, study: Cnnf, *, runs: Sequence[str]) -> Figure | None:
    """A panel per network with the loss of single steps and its running mean, and one with the terms of the loss."""
    steps = {run: table for run in runs if (table := _curve(metrics, f"steps-{run}")) is not None}
    if not steps:
        return None
    terms = {run: table for run in steps if (table := _terms(metrics, run)) is not None}
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 2.7 if not terms else 5.0))
        grid = drawing.add_gridspec(1 + bool(terms), len(steps), height_ratios=(1, 1)[: 1 + bool(terms)])
        top = max(float(table["loss"].quantile(0.99)) for table in steps.values())
        for position, (run, table) in enumerate(steps.items()):
            axes = drawing.add_subplot(grid[0, position])
            first = table[table["seed"] == table["seed"].min()]
            axes.plot(first["step"], first["loss"], color=FAINT, lw=0.5, alpha=0.8)
            for _, of_seed in table.groupby("seed"):
                axes.plot(of_seed["step"], of_seed["smoothed"], color=look(run).colour, lw=1.3)
            axes.set_ylim(0, 1.05 * top)
            axes.set_title(fill(look(run).label, 22))
            axes.set_xlabel("optimiser step")
            axes.xaxis.set_major_locator(MaxNLocator(3))
            axes.grid(axis="y")
            axes.set_ylabel("" if position else "training loss")
        for run, table in terms.items():
            axes = drawing.add_subplot(grid[1, :])
            by_epoch = table.groupby("epoch")[list(TERMS)].mean()
            for term, (name, dashes) in TERMS.items():
                axes.plot(by_epoch.index, by_epoch[term], color=look(run).colour, ls=dashes, marker=".", label=name)
            axes.set_yscale("log")
            axes.set_title(f"{look(run).label}: the five terms of its loss, weighted")
            axes.set_xlabel("epoch")
            axes.set_ylabel("mean over the epoch")
            axes.grid(axis="y")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.set_xlim(right=1.28 * by_epoch.index.max())
            axes.set_xticks(by_epoch.index)
            axes.legend(loc="center right")
    falls = {run: value for run in steps if (value := per_seed(metrics.train(run), "loss_ratio"))}
    said = listed(f"{share(value.value)} for {look(run).label}" for run, value in falls.items())
    data = [table.assign(run=run) for run, table in steps.items()]
    return Figure(
        id="losses",
        title="Training losses, raw and smoothed",
        alt=f"Line charts of the training loss over the optimiser steps for {listed(look(run).label for run in steps)}"
        f"{', and of the terms of the loss over the epochs' if terms else ''}.",
        caption="Do the training losses fall?"
        + (f" The mean loss of the last epoch as a share of the first epoch's: {said}." if said else "")
        + " Grey: single steps of the first seed; coloured: running mean, a line per seed."
        + left_out(runs, list(steps)),
        drawing=drawing,
        data=pd.concat(data)[["run", "seed", "step", "loss", "smoothed"]],
        provenance=tuple(map(study.train_stage, steps)),
    )


def _terms(metrics: Metrics, run: str) -> pd.DataFrame | None:
    """The curve of a run whose loss has more than one term, None for others."""
    table = _curve(metrics, run)
    if table is None or not set(TERMS) <= set(table):
        return None
    return table if (table[list(TERMS)].max() > 0).sum() > 1 else None


def learning_rate(metrics: Metrics, study: Cnnf, *, runs: Sequence[str]) -> Figure | None:
    """What the training logged, over the polynomial that the report gives."""
    found = {run: table for run in runs if (table := _curve(metrics, f"steps-{run}")) is not None}
    if not found:
        return None
    said, rows = [], []
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 2.5))
        panels = drawing.subplots(1, len(found), squeeze=False).flat
        for axes, (run, table) in zip(panels, found.items(), strict=True):
            settings = (metrics.train(run) or {})["settings"]
            base, power, epochs = (settings[key] for key in ("learning_rate", "power", "epochs"))
            steps = epochs * -(-settings["n_train"] // settings["batch_size"])
            first = table[table["seed"] == table["seed"].min()].assign(run=run)
            axes.plot(first["step"], first["learning_rate"], color=look(run).colour, lw=3, alpha=0.45)
            at = np.linspace(0, steps, 200)
            axes.plot(at, base * (1 - at / steps) ** power, color=INK, ls="--", lw=1)
            axes.set_title(look(run).label)
            axes.set_xlabel("optimiser step")
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.set_ylim(0, 1.06 * base)
            axes.grid(axis="y")
            error = per_seed(metrics.train(run), "learning_rate_error")
            distance = f"; largest distance {100 * error.value:.1g} % of {base:g}" if error else ""
            said.append(f"{look(run).label}: {base:g} (1 − step / {count(steps)})^{power:g}{distance}")
            rows.append(first[["run", "step", "learning_rate"]])
        drawing.axes[0].set_ylabel("learning rate")
        handles = [Line2D([], [], color=FAINT, lw=3), Line2D([], [], color=INK, ls="--", lw=1)]
        drawing.axes[0].legend(handles, ["as logged", "formula"], loc="lower left")
    return Figure(
        id="learning-rate",
        title="Learning rate",
        alt="Line charts of the learning rate over the optimiser steps, a curve that falls to zero on the line of the "
        f"formula, for {listed(look(run).label for run in found)}.",
        caption=f"Does the learning rate follow the report's polynomial? {'. '.join(said)}."
        + left_out(runs, list(found)),
        drawing=drawing,
        data=pd.concat(rows),
        provenance=tuple(map(study.train_stage, found)),
    )
