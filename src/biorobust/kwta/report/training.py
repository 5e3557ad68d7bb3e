"""How the cells of the k-WTA study trained: accuracy, loss and error per epoch; collapses over seeds; active shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from biorobust.kwta.report.cells import gamma_of, row_name, scratch
from biorobust.kwta.report.rows import grid, not_drawn, row_look, title, with_results
from biorobust.kwta.report.study import STARTS
from biorobust.reporting.estimates import clean_accuracy, ran
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.numbers import count, listed, share
from biorobust.reporting.style import FAINT, INK, WIDTH, Look, drawing_style

if TYPE_CHECKING:
    from biorobust.kwta.report.study import Kwta, Place
    from biorobust.reporting.metrics import Metrics

PANELS = ("accuracy, %", "loss", "test error, %")


def curves(metrics: Metrics, study: Kwta, *, init: str) -> Figure | None:
    """A row of panels per table: accuracy, loss and error per epoch, on training and on test images."""
    places = [place for place in study.places if place.init == init]
    found = [(place, cells) for place, cells in with_results(metrics, places) if _curves(metrics, cells)]
    if not found:
        return None
    tables: list[pd.DataFrame] = []
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 0.8 + 1.9 * len(found)))
        grid = drawing.subplots(len(found), len(PANELS), squeeze=False, sharex="row")
        for row, (place, cells) in zip(grid, found, strict=True):
            for cell, table in _curves(metrics, cells).items():
                style = row_look(metrics, study, cell)
                _epochs(row, table, style)
                tables.append(table.assign(table=place.number or "ours", cell=cell, activation=style.label))
            row[0].set_title(f"{place.label}: {title(place)}{_nothing_learned(metrics, cells)}")
            row[0].set_ylim(0, 100)
            row[1].set_ylim(bottom=0)
            row[2].set_yscale("log")
            row[2].yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
            row[2].yaxis.set_major_formatter("{x:g}")
            row[2].yaxis.set_minor_locator(NullLocator())
            for axes, label in zip(row, PANELS, strict=True):
                axes.set_ylabel(label)
                axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
                axes.grid(axis="y")
        for axes in grid[-1]:
            axes.set_xlabel("epoch")
        rows = {look.label: look for _, cells in found for look in (row_look(metrics, study, c) for c in cells)}
        handles = [Line2D([], [], color=look.colour, lw=1.7) for look in rows.values()]
        handles += [Line2D([], [], color=INK, ls=dashes) for dashes in ("-", ":")]
        drawing.legend(handles, [*rows, "test images", "training images"], loc="outside lower center", ncols=5)
    data = pd.concat(tables)
    flat = [
        f"{row_name(gamma_of(metrics, study, cell))} of {place.where}"
        for place, cells in found
        for cell in cells
        if clean_accuracy(metrics, cell) is None
    ]
    answer = f" {listed(flat)} collapsed or diverged." if flat else " No training collapsed or diverged."
    drawn = [place for place, _ in found]
    return Figure(
        id=f"curves-{init}",
        title=f"Accuracy, loss and error, epoch by epoch, from {STARTS[init]}",
        alt=f"Line charts over the epochs, three panels for each of {len(found)} tables: accuracy, loss and test error "
        f"of {sum(len(cells) for _, cells in found)} cells.",
        caption=f"Which cells learn?{answer} Solid: test images (the first 2,000 of the evaluation list); dotted: "
        "the augmented training images. Error on a logarithmic axis. Thin lines: single seeds, where there are several."
        + not_drawn(study, [*drawn, *(place for place in study.places if place.init != init)]),
        drawing=drawing,
        data=data[["table", "cell", "activation", "seed", "epoch", "loss", "accuracy", "test_loss", "test_accuracy"]],
        provenance=tuple(dict.fromkeys(study.train_stage(cell) for _, cells in found for cell in cells)),
    )


def _nothing_learned(metrics: Metrics, cells: Sequence[str]) -> str:
    """What a panel says of itself if every training in it collapsed."""
    seeds = [seed for cell in cells if (found := ran(metrics.train(cell))) for seed in found["per_seed"]]
    return " (all collapsed)" if seeds and all(seed["collapsed"] for seed in seeds) else ""


def _curves(metrics: Metrics, cells: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The curves of the cells that have rows."""
    found = {cell: rows for cell in cells if (rows := metrics.curve(cell))}
    return {cell: pd.DataFrame([row for of_seed in rows.values() for row in of_seed]) for cell, rows in found.items()}


def _epochs(row: Sequence[Axes], table: pd.DataFrame, style: Look) -> None:
    """The three panels of one cell: mean over seeds, with every seed thin where there are several."""
    table = table.assign(error=100 * (1 - table["test_accuracy"]))
    table = table.assign(accuracy=100 * table["accuracy"], test_accuracy=100 * table["test_accuracy"])
    for axes, columns in zip(row, (("test_accuracy", "accuracy"), ("test_loss", "loss"), ("error",)), strict=True):
        for column, dashes in zip(columns, ("-", ":"), strict=False):
            wide = table.pivot_table(index="epoch", columns="seed", values=column)
            if wide.shape[1] > 1:
                axes.plot(wide.index, wide, color=style.colour, lw=0.4, ls=dashes, alpha=0.6)
            axes.plot(wide.index, wide.mean(axis=1), color=style.colour, ls=dashes, lw=1.4)


def collapses(metrics: Metrics, study: Kwta) -> Figure | None:
    """A dot per seed of every collapse ablation; hollow where it gives one class to every image."""
    names = [name for name, question in study.ablations.items() if question == "collapse"]
    found = {name: content for name in names if (content := ran(metrics.get(f"ablations/{name}")))}
    if not found:
        return None
    rows: list[dict[str, Any]] = []
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 1.2 + 0.36 * len(found)))
        axes = drawing.add_subplot()
        labels = []
        for at, (name, content) in enumerate(found.items()):
            settings, seeds = content["settings"], content["per_seed"]
            labels.append(f"{row_name(settings['gamma'])}, learning rate {settings['learning_rate']:g}")
            colour = _colour(metrics, study, settings["gamma"])
            for place, seed in enumerate(seeds):
                y = at + 0.36 * ((place + 0.5) / len(seeds) - 0.5)  # side by side, so that equal seeds stay countable
                filled = "none" if seed["collapsed"] else colour
                axes.plot(100 * seed["accuracy"], y, marker="o", ms=5, ls="", mec=colour, mfc=filled)
                rows.append({"ablation": name, "gamma": settings["gamma"], "learning_rate": settings["learning_rate"]})
                rows[-1] |= {key: seed[key] for key in ("seed", "accuracy", "collapsed")}
        commonest = _commonest(metrics, next(iter(found.values()))["dataset"]["name"])
        if commonest is not None:
            axes.axvline(100 * commonest, color=FAINT, lw=0.9, ls="--")
            axes.annotate(
                "commonest digit", (100 * commonest, -0.5), (4, 4), textcoords="offset points", color=INK, fontsize=8
            )
        axes.set_yticks(range(len(found)), labels)
        axes.set_ylim(len(found) - 0.5, -0.5 - 0.35 * (commonest is not None))
        axes.set_xlim(0, 100)
        axes.set_xlabel("test accuracy, %")
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        handles = [Line2D([], [], color=INK, marker="o", ls="", mfc=fill, mec=INK) for fill in (INK, "none")]
        drawing.legend(handles, ["trained", "collapsed"], loc="outside upper center", ncols=2)
    said = [
        f"{label} {content['collapses']['collapsed']} of {content['collapses']['n_seeds']}"
        for label, content in zip(labels, found.values(), strict=True)
    ]
    size = next(iter(found.values()))["settings"]
    return Figure(
        id="collapses",
        title="AlexNet on SVHN: which seeds collapse",
        alt=f"Dot plot of the final test accuracy of single seeds for {len(found)} settings; hollow dots stand at the "
        "share of the commonest digit.",
        caption=f"Which AlexNets learn SVHN at all? Collapsed, one class for every image: {'; '.join(said)}. A dot is "
        f"a seed, trained for {size['epochs']} epochs on {count(size['n_train'])} images: short trainings, to compare "
        "with one another.",
        drawing=drawing,
        data=pd.DataFrame(rows),
        provenance=("ablate_kwta",),
    )


def _colour(metrics: Metrics, study: Kwta, gamma: float | None) -> str:
    """The colour of the row with this gamma, or ink."""
    place: Place = scratch(study)[0]
    looks = [row_look(metrics, study, cell) for cell in place.rows]
    return next((look.colour for look in looks if look.label == row_name(gamma)), INK)


def _commonest(metrics: Metrics, dataset: str) -> float | None:
    """Share of the commonest class among the test images."""
    found = metrics.data(dataset)
    if not found:
        return None
    counts = found["test"]["per_class"]
    return float(max(counts) / sum(counts))


def active(metrics: Metrics, study: Kwta) -> Figure | None:
    """Share of values that pass, activation by activation, a panel per table of networks from random weights."""
    found = with_results(metrics, scratch(study))
    if not found:
        return None
    rows: list[dict[str, Any]] = []
    relu = []
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 0.9 + 1.9 * -(-len(found) // 2)))
        panels, left, lowest = grid(drawing, len(found), columns=2, sharey=True)
        for axes, (place, cells) in zip(panels, found, strict=True):
            for cell in cells:
                style, gamma = row_look(metrics, study, cell), gamma_of(metrics, study, cell)
                seeds = pd.DataFrame([seed["active"] for seed in metrics.train(cell)["per_seed"]])  # type: ignore[index]
                means = seeds.mean()
                at = range(1, len(means) + 1)
                look: dict[str, Any] = {"color": style.colour, "marker": style.marker, "ls": style.dashes, "ms": 3.5}
                axes.plot(at, 100 * means, label=style.label, **look)
                if gamma is None:
                    relu.append(float(means.mean()))
                else:
                    axes.axhline(100 * gamma, color=style.colour, lw=0.6, ls=":")
                rows += [
                    {"table": place.number or "ours", "cell": cell, "activation": style.label, "layer": layer}
                    | {"place": place_in_order, "share": share_}
                    for place_in_order, (layer, share_) in enumerate(means.items(), start=1)
                ]
            axes.set_title(f"{place.label}: {title(place)}")
            axes.set_ylim(0, 108 * max(float(row["share"]) for row in rows))
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            axes.grid(axis="y")
        for axes in left:
            axes.set_ylabel("values that pass, %")
        for axes in lowest:
            axes.set_xlabel("activation, in order of execution")
        handles = {
            label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        drawing.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
    answer = f" With ReLU {share(min(relu))} to {share(max(relu))} on average over a network." if relu else ""
    return Figure(
        id="active",
        title="How many values pass, layer by layer",
        alt=f"Line charts of the share of values that pass each activation, for {len(found)} tables and their rows.",
        caption=f"How sparse are the activations anyway?{answer} Dotted: gamma; k-WTA lies above it where values tie "
        "at the threshold, because all ties pass. On 256 test images, mean over seeds."
        + not_drawn(study, [*(place for place, _ in found), *(p for p in study.places if p.init != "scratch")]),
        drawing=drawing,
        data=pd.DataFrame(rows),
        provenance=tuple(dict.fromkeys(study.train_stage(cell) for _, cells in found for cell in cells)),
    )
