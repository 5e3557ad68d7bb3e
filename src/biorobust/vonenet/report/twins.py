"""A network with a V1 stage beside its plain twin, layer by layer: one image, ratios, and dissimilarity matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.numbers import listed
from biorobust.reporting.style import FAINT, INK, WIDTH, drawing_style, look
from biorobust.vonenet.report.layers import LAYER, NOISELESS, PLAIN, VONE, layer_axis, table
from biorobust.vonenet.report.study import Vonenet

# The noise of a network while it was measured, as captions name it.
WORDS = {"none": "without noise", "frozen": "frozen noise", "live": "live noise"}


def one_image(metrics: Metrics, study: Vonenet) -> Figure | None:
    """The same for a single image, without noise."""
    found = {run: rows for run in (PLAIN, VONE) if (rows := table(metrics, f"activations/{run}-one-image")) is not None}
    if not found:
        return None
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 3.3))
        axes = drawing.add_subplot()
        for run, rows in found.items():
            first = rows[rows["seed"] == rows["seed"].min()]
            axes.plot(first["layer"], first["raw"], color=look(run).colour, ls=look(run).dashes, label=look(run).label)
            axes.fill_between(first["layer"], first["low"], first["high"], color=look(run).colour, alpha=0.15, lw=0)
        layer_axis(axes)
        axes.set_yscale("log")
        axes.set_ylabel("1 − r")
        axes.set_xlabel(LAYER)
        axes.grid(axis="y")
        axes.legend(loc="upper left")
    numbers = [str(int(rows["image"].iloc[0])) for rows in found.values()]
    return Figure(
        id="one-image",
        title="Deviation of every layer, one image",
        alt=f"Line chart of one minus Pearson r over the numbered convolutions for one image in "
        f"{listed(look(run).label for run in found)}, on a logarithmic axis.",
        caption="What does the curve of a single image look like, as the report shows it? Test image "
        f"{listed(dict.fromkeys(numbers))}, the first that the networks get right, without noise, each network's own "
        "perturbation. Bands: 95 % bootstrap interval over the channels of a layer.",
        drawing=drawing,
        data=pd.concat([rows.assign(run=run) for run, rows in found.items()], ignore_index=True),
        provenance=(study.read_stage(PLAIN),),
    )


def ratios(metrics: Metrics, study: Vonenet) -> Figure | None:
    """Deviation of a network with a V1 stage over that of its twin, layer by layer."""
    wanted = [(VONE, "frozen", "-"), (VONE, "live", ":"), (VONE, "none", "-."), (NOISELESS, "none", "--")]
    found = []
    for run, noise, dashes in wanted:
        rows = table(metrics, f"deviations/{run}")
        chosen = None if rows is None else rows[(rows["noise"] == noise) & (rows["compared"] == "own")]
        if chosen is not None and not chosen.empty:
            mean = chosen.groupby("layer")[["log_ratio", "low", "high"]].mean().reset_index()
            found.append((run, noise, dashes, mean))
    if not found:
        return None
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 3.3))
        axes = drawing.add_subplot()
        axes.axhline(1, color=INK, lw=0.7)
        for run, noise, dashes, mean in found:
            label = look(run).label + {"none": ", tested without noise"}.get(noise, f", noise {noise}")
            colour = look(run).colour
            axes.plot(mean["layer"], 10 ** mean["log_ratio"], color=colour, ls=dashes, lw=1.3, label=label)
            axes.fill_between(mean["layer"], 10 ** mean["low"], 10 ** mean["high"], color=colour, alpha=0.15, lw=0)
        layer_axis(axes)
        axes.set_yscale("log")
        axes.set_ylabel("deviation / that of ResNet50")
        axes.set_xlabel(LAYER)
        axes.grid(axis="y")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=7.5, borderaxespad=0.3)
    below = [
        f"{100 * float((mean['high'] < 0).mean()):.0f} % ({look(run).label}, {WORDS[noise]})"
        for run, noise, _, mean in found
    ]
    return Figure(
        id="ratios",
        title="With a V1 stage and without",
        alt="Line chart of the ratio of deviations of networks with a V1 stage to those of the plain network over the "
        "numbered convolutions, on a logarithmic axis.",
        caption="Does the network with a V1 stage deviate less, layer by layer? Share of layers whose ratio lies "
        f"below 1 with its whole interval: {listed(below)}. Same images, each network's own perturbation; median over "
        "images, bands: 95 % bootstrap interval.",
        drawing=drawing,
        data=pd.concat([mean.assign(run=run, noise=noise) for run, noise, _, mean in found], ignore_index=True),
        provenance=(study.read_stage(VONE),),
    )


def matrices(metrics: Metrics, study: Vonenet) -> Figure | None:
    """Rank correlation of clean and perturbed dissimilarity matrices."""
    found: list[tuple[str, str, pd.DataFrame]] = []
    for run in (PLAIN, VONE):
        rows = table(metrics, f"activations/{run}-matrices")
        for noise in ("none", "live"):
            chosen = None if rows is None else rows[(rows["noise"] == noise) & (rows["shown"] == "own")]
            if chosen is not None and not chosen.empty:
                columns = [name for name in ("similarity", "ceiling_low", "ceiling_high") if name in chosen]
                found.append((run, noise, chosen.groupby("layer")[columns].mean().reset_index()))
    if not found:
        return None
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 3.2))
        axes = drawing.add_subplot()
        for run, noise, mean in found:
            label = look(run).label + (", live noise" if noise == "live" else "")
            axes.plot(
                mean["layer"],
                mean["similarity"],
                color=look(run).colour,
                ls="-" if noise == "none" else ":",
                label=label,
            )
            if noise == "live" and "ceiling_low" in mean:
                axes.fill_between(
                    mean["layer"], mean["ceiling_low"], mean["ceiling_high"], color=FAINT, alpha=0.25, lw=0
                )
        layer_axis(axes)
        axes.set_ylabel("Spearman's ρ")
        axes.set_xlabel(LAYER)
        axes.grid(axis="y")
        axes.legend(loc="lower left", fontsize=7.5)
    least = {f"{look(run).label} ({WORDS[noise]})": float(np.nanmin(mean["similarity"])) for run, noise, mean in found}
    return Figure(
        id="matrices",
        title="Geometry of the images in every layer",
        alt="Line chart of the rank correlation between clean and perturbed dissimilarity matrices over the numbered "
        "convolutions.",
        caption="Do perturbations change how images lie to one another, not only where each lies? Rank correlation of "
        "the matrices of 1 − r between all pairs of images, clean and perturbed; lowest: "
        f"{listed(f'{value:.2f} for {name}' for name, value in least.items())}. Grey: how alike two clean matrices of "
        "the noisy network can be.",
        drawing=drawing,
        data=pd.concat([mean.assign(run=run, noise=noise) for run, noise, mean in found], ignore_index=True),
        provenance=(study.read_stage(PLAIN),),
    )
