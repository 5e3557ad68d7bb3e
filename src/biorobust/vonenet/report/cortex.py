"""Pictures of the VOneNet study: V1 filters and responses, perturbed images, principal components of layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from biorobust.core import places
from biorobust.reporting.attacks import ATTACKS, WORST_CASE
from biorobust.reporting.estimates import attack_curve
from biorobust.reporting.figures.curves import left_out, percent_axis
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.numbers import epsilon, listed, share
from biorobust.reporting.style import INK, WIDTH, drawing_style, look
from biorobust.vonenet.report.layers import PLAIN, VONE
from biorobust.vonenet.report.study import Vonenet

COLUMNS = 12  # filters in a row of the bank
CHANNELS = ("red", "green", "blue")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def _arrays(metrics: Metrics, name: str) -> dict[str, Any] | None:
    path = places.find(metrics.root, f"portraits/{name}.npz")
    if not path.exists():
        return None
    with np.load(path) as stored:
        return dict(stored)


def _bare(axes: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def bank(metrics: Metrics, study: Vonenet) -> Figure | None:
    """The first Gabor filters, each on a scale of its own."""
    found = _arrays(metrics, "v1-natural")
    if found is None:
        return None
    filters, colours = found["filters"].astype(float), found["colours"]
    rows = -(-len(filters) // COLUMNS)
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 0.64 * rows))
        for axes, kernel in zip(drawing.subplots(rows, COLUMNS, squeeze=False).flat, filters, strict=False):
            reach = np.abs(kernel).max()
            axes.imshow(kernel, cmap="gray", vmin=-reach, vmax=reach, interpolation="none")
        for axes in drawing.axes:
            _bare(axes)
    counts = {name: int((colours == place).sum()) for place, name in enumerate(CHANNELS)}
    return Figure(
        id="v1-filters",
        title="The V1 stage's filters",
        alt=f"Grid of the first {len(filters)} Gabor filters of the V1 stage, stripes of many widths and directions.",
        caption="What does the fixed front end look for? The first filters of the published population, each on its "
        f"own grey scale; each sees one colour channel: {listed(f'{n} {name}' for name, n in counts.items())}.",
        drawing=drawing,
        data=pd.DataFrame({"filter": range(len(filters)), "channel": [CHANNELS[c] for c in colours]}),
        provenance=(study.read_stage(VONE),),
    )


def responses(metrics: Metrics, study: Vonenet) -> Figure | None:
    """A natural image and the responses of simple and complex cells, with and without noise."""
    found = _arrays(metrics, "v1-natural")
    if found is None:
        return None
    kinds = {"simple": "simple cell", "complex": "complex cell"}
    cells = len(found["simple"])
    rows = []
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 5.0))
        grid = drawing.add_gridspec(4, cells + 1)
        axes = drawing.add_subplot(grid[:, 0])
        axes.imshow(found["image"])
        axes.set_title("image")
        _bare(axes)
        for row, (name, label) in enumerate(
            (f"{kind}{noisy}", f"{words}{', noise' if noisy else ''}")
            for kind, words in kinds.items()
            for noisy in ("", "_noisy")
        ):
            for cell in range(cells):
                shown = found[name][cell].astype(float)
                reach = float(found[name.removesuffix("_noisy")][cell].max())
                axes = drawing.add_subplot(grid[row, cell + 1])
                axes.imshow(shown, cmap="gray", vmin=0, vmax=reach or 1.0, interpolation="none")
                if cell == 0:
                    axes.set_title(label)
                _bare(axes)
                rows.append({"cells": name, "cell": cell, "mean": shown.mean(), "sd": shown.std()})
    data = pd.DataFrame(rows)
    quiet, noisy = (data[data["cells"] == name]["sd"].mean() for name in ("complex", "complex_noisy"))
    return Figure(
        id="v1-responses",
        title="What V1 cells answer to a natural image",
        alt=f"A natural image and response maps of {cells} simple and {cells} complex cells, each without and with "
        "noise.",
        caption="How much of the picture is left under the model's neuronal noise? The cells that answer most, at 224 "
        f"pixels and the published settings; across positions the complex cells shown scatter by {quiet:.1f} without "
        f"noise and {noisy:.1f} with one draw of it. Each cell on the scale of its own answer without noise.",
        drawing=drawing,
        data=data,
        provenance=(study.read_stage(VONE),),
    )


def _class(metrics: Metrics, run: str, number: int) -> str:
    """A class in words where the data set has them here, else its number."""
    found = metrics.get(f"perturb/{run}")
    return CIFAR10[number] if found and found["dataset"]["name"] == "cifar10" else str(number)


def perturbed(metrics: Metrics, study: Vonenet) -> Figure | None:
    """Clean images, perturbed ones, and the change magnified, for the plain network and the one with a V1 stage."""
    found = {run: arrays for run in (PLAIN, VONE) if (arrays := _arrays(metrics, f"perturbed-{run}")) is not None}
    if not found:
        return None
    rows = []
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 3.4 * len(found)))
        for part, (run, arrays) in zip(
            drawing.subfigures(len(found), 1, squeeze=False).flat, found.items(), strict=True
        ):
            part.suptitle(look(run).label, x=0.01, ha="left", size=9)
            change = arrays["change"].astype(float)
            reach = np.abs(change).max(axis=(1, 2, 3), keepdims=True)
            shown = (arrays["clean"], arrays["perturbed"], 0.5 + change / np.where(reach > 0, 2 * reach, 1.0))
            for row, (name, pictures) in enumerate(zip(("clean", "perturbed", "change"), shown, strict=True)):
                for column, picture in enumerate(pictures):
                    axes = part.add_subplot(3, len(pictures), row * len(pictures) + column + 1)
                    axes.imshow(picture, interpolation="none")
                    _bare(axes)
                    if column == 0:
                        axes.set_ylabel(name)
                    if row == 1:
                        answers = (_class(metrics, run, int(arrays[key][column])) for key in ("before", "after"))
                        axes.set_xlabel(" → ".join(answers), size=7, labelpad=1)
            rows += [
                {
                    "run": run,
                    "image": n,
                    "label": int(label),
                    "before": int(before),
                    "after": int(after),
                    "size": float(size),
                }
                for n, (label, before, after, size) in enumerate(
                    zip(*(arrays[key] for key in ("labels", "before", "after", "size")), strict=True)
                )
            ]
    sizes = pd.DataFrame(rows).groupby("run")["size"].median()
    said = listed(f"{255 * sizes[run]:.2f}/255 for {look(run).label}" for run in found)
    return Figure(
        id="perturbed-images",
        title="Clean beside perturbed",
        alt=f"Rows of clean images, DeepFool's perturbed images and the magnified change for "
        f"{listed(look(run).label for run in found)}.",
        caption="Can the perturbation be seen? The first images, each as DeepFool leaves it; median size "
        f"{said}. Change: grey is none, each stretched to its own largest. Below: answer before → "
        "after, of a noisy network what most of its passes with fresh noise say.",
        drawing=drawing,
        data=pd.DataFrame(rows),
        provenance=tuple(dict.fromkeys(study.attack_stage(run) for run in found)),
    )


def components(metrics: Metrics, study: Vonenet) -> Figure | None:
    """Principal components of layers for a clean and a perturbed image in one basis, and where they differ."""
    found = {run: arrays for run in (PLAIN, VONE) if (arrays := _arrays(metrics, f"pca-{run}")) is not None}
    if not found:
        return None
    rows: list[dict[str, Any]] = []
    with drawing_style():
        columns = max(len(arrays["layers"]) for arrays in found.values())
        drawing = Drawing(figsize=(WIDTH, 2.9 * len(found)))
        for part, (run, arrays) in zip(
            drawing.subfigures(len(found), 1, squeeze=False).flat, found.items(), strict=True
        ):
            part.suptitle(look(run).label, x=0.01, ha="left", size=9)
            panels = part.subplots(3, columns, squeeze=False)
            for column, name in enumerate(arrays["layers"].tolist()):
                rows.append(_component_column(panels[:, column], arrays, column, str(name)) | {"run": run})
            for axes in part.axes:
                _bare(axes)
            for axes, name in zip(panels[:, 0], ("clean", "perturbed", "change"), strict=True):
                axes.set_ylabel(name)
    data = pd.DataFrame(rows)
    flat = int((data["degenerate"] > 0).sum())
    return Figure(
        id="components",
        title="Layers as pictures",
        alt="Pictures of the first three principal components of several layers, for a clean and a perturbed image, "
        f"with a map of the change, for {listed(look(run).label for run in found)}.",
        caption="What does a perturbation change in a layer's picture? Three components as red, green and blue, basis "
        "and scale from clean images alone and the same for both rows; change: length of the difference over all "
        "channels, relative to the clean spread, white at 1. Layers with a component without variance, drawn flat: "
        f"{flat or 'none'}.",
        drawing=drawing,
        data=data,
        provenance=(study.read_stage(PLAIN),),
    )


def _component_column(panels: Any, arrays: Mapping[str, Any], place: int, name: str) -> dict[str, Any]:
    """Draw one layer; gives its row of the data."""
    change = arrays[f"change_{place}"].astype(float)
    panels[0].imshow(arrays[f"clean_{place}"], interpolation="none")
    panels[0].set_title(name.replace("layer", "l").replace("downsample.0", "down"), size=6.5)
    panels[1].imshow(arrays[f"perturbed_{place}"], interpolation="none")
    panels[2].imshow(change, cmap="gray", vmin=0, vmax=1, interpolation="none")
    flat = int(arrays[f"degenerate_{place}"].sum())
    row = {"layer": name, "explained": float(arrays[f"explained_{place}"].sum()), "degenerate": flat}
    return row | {"mean_change": float(np.nanmean(change)) if np.isfinite(change).any() else None}


def accuracy(metrics: Metrics, study: Vonenet) -> Figure | None:
    """A panel for each trained network: accuracy against the size of every perturbation."""
    runs = [run for run in study.runs if not run.endswith("untrained")]
    curves = {
        run: found
        for run in runs
        if (found := {name: curve for name in ATTACKS if (curve := attack_curve(metrics, run, name))})
    }
    if not curves:
        return None
    rows = []
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 3.6))
        panels = drawing.subplots(1, len(curves), sharey=True, squeeze=False).flat
        for axes, (run, found) in zip(panels, curves.items(), strict=True):
            for name, curve in found.items():
                colour = look(run).colour if name == WORST_CASE else INK
                values = [100 * point.value for point in curve.points]
                sizes = [255 * eps for eps in curve.eps]
                axes.plot(sizes, values, color=colour, ls=ATTACKS[name].dashes, lw=ATTACKS[name].width)
                rows += [
                    {
                        "run": run,
                        "attack": name,
                        "eps": eps,
                        "accuracy": point.value,
                        "low": point.low,
                        "high": point.high,
                    }
                    for eps, point in zip(curve.eps, curve.points, strict=True)
                ]
            axes.set_title(look(run).label, wrap=True, size=8)
            percent_axis(axes, label="")
        drawing.supylabel("accuracy, %", size=9)
        drawing.supxlabel("largest change of a pixel, in 255ths", size=9)
        drawn = [name for name in ATTACKS if any(name in found for found in curves.values())]
        handles = [axes.plot([], [], color=INK, ls=ATTACKS[name].dashes, lw=ATTACKS[name].width)[0] for name in drawn]
        labels = [ATTACKS[name].label for name in drawn]
        drawing.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=7.5)
    ends = {run: found[WORST_CASE].points[-1].value for run, found in curves.items() if WORST_CASE in found}
    largest = max(curve.eps[-1] for found in curves.values() for curve in found.values())
    said = listed(f"{share(value)} for {look(run).label}" for run, value in ends.items())
    return Figure(
        id="accuracy-perturbed",
        title="Accuracy on perturbed images",
        alt=f"Small line charts of accuracy against the size of a perturbation for "
        f"{listed(look(run).label for run in curves)}.",
        caption=f"Which network keeps its accuracy on perturbed images? In the worst case at {epsilon(largest)}: "
        f"{said}. An image counts when it is right before and after, for a noisy network in at least half of its "
        "passes." + left_out(runs, list(curves)),
        drawing=drawing,
        data=pd.DataFrame(rows),
        provenance=tuple(dict.fromkeys(study.read_stage(run) for run in curves)),
    )
