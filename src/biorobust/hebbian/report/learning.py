"""Learning over the epochs: the share of units on the unit sphere, and test accuracy of the networks on top."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from biorobust.reporting.figures.curves import left_out, percent_axis
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.numbers import listed, share
from biorobust.reporting.style import WIDTH, drawing_style, look

if TYPE_CHECKING:
    from biorobust.hebbian.report.study import Hebbian
    from biorobust.reporting.metrics import Metrics


def _curve(path: Path, column: str) -> pd.DataFrame | None:
    """The rows of a curve that hold `column` (some stages log it only at some epochs), None where there are none."""
    if not path.exists():
        return None
    table = pd.read_csv(path)
    if column not in table:
        return None
    table = table.loc[table[column].notna(), ["seed", "epoch", column]]
    return table if len(table) else None


def _draw(axes: Axes, curves: Mapping[str, pd.DataFrame], column: str, looks: Mapping[str, str]) -> None:
    """Every seed thin, the mean over seeds thick."""
    for name, table in curves.items():
        style = look(looks[name])
        wide = 100 * table.pivot_table(index="epoch", columns="seed", values=column)
        if wide.shape[1] > 1:
            axes.plot(wide.index, wide, color=style.colour, lw=0.5, alpha=0.6)
        axes.plot(wide.index, wide.mean(axis=1), color=style.colour, ls=style.dashes, lw=1.7, label=style.label)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("epoch")


def learning_curves(metrics: Metrics, study: Hebbian) -> Figure | None:
    """Two panels: converged share of the units per epoch, test accuracy per epoch; thin lines are seeds."""
    folder = metrics.root / "curves"
    weights = {w: t for w in study.weights if (t := _curve(folder / f"weights-{w}.csv", "converged_share")) is not None}
    networks = {r: t for r in study.networks if (t := _curve(folder / f"{r}.csv", "test_accuracy")) is not None}
    if not weights and not networks:
        return None
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 3.9))
        left, right = drawing.subplots(1, 2)
        _draw(left, weights, "converged_share", {name: study.first_run(name) for name in weights})
        percent_axis(left, label="units on the unit sphere, %")
        left.set_title("Learning without labels")
        _draw(right, networks, "test_accuracy", {name: name for name in networks})
        right.set_ylabel("test accuracy, %")
        right.grid(axis="y")
        right.set_title("Learning with labels")
        handles = {
            label: handle
            for axes in (left, right)
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        drawing.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
    ends = {name: _last(table, "converged_share") for name, table in weights.items()}
    said = [f"{share(end)} for {look(study.first_run(name)).label}" for name, end in ends.items()]
    answer = f" Converged at the end: {listed(said)}." if said else ""
    tables = [t.melt(["seed", "epoch"], var_name="quantity").assign(name=n) for n, t in (weights | networks).items()]
    return Figure(
        id="learning",
        title="Learning, epoch by epoch",
        alt=f"Two line charts over epochs: the share of converged units of {len(weights)} sets of weights and the test "
        f"accuracy of {len(networks)} networks.",
        caption=f"How many hidden units settle on the unit sphere, and how fast does accuracy rise?{answer}"
        " Thin lines are single seeds, thick ones their mean." + left_out(study.networks, list(networks)),
        drawing=drawing,
        data=pd.concat(tables)[["name", "quantity", "seed", "epoch", "value"]],
        provenance=(*map(study.weights_stage, weights), *map(study.train_stage, networks)),
    )


def _last(table: pd.DataFrame, column: str) -> float:
    """Mean over seeds at each seed's last epoch."""
    return float(table.sort_values("epoch").groupby("seed")[column].last().mean())
