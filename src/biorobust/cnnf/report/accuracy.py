"""How well the networks of the CNN-F study read letters: clean and noisy, over the grid, by noise level, by letter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from biorobust.cnnf.report.letters import letter
from biorobust.cnnf.report.study import FEEDBACK, IMAGES
from biorobust.reporting.estimates import Estimate, by_level, test_accuracy
from biorobust.reporting.figures.curves import bars, hollow, left_out
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.numbers import listed, percent, share
from biorobust.reporting.style import FAINT, INK, REPORTED, WIDTH, drawing_style, look

if TYPE_CHECKING:
    from biorobust.cnnf.report.study import Cnnf
    from biorobust.reporting.metrics import Metrics

COLOUR = look(FEEDBACK).colour


def clean_and_noisy(metrics: Metrics, study: Cnnf, *, reported: Mapping[str, Mapping[str, float]]) -> Figure | None:
    """Two dots per network, clean and noisy, on one line; what the report printed is hollow."""
    runs = study.runs + study.variants
    found = {
        run: values
        for run in runs
        if len(values := {i: v for i in IMAGES if (v := test_accuracy(metrics, run, i))}) == len(IMAGES)
    }
    if not found:
        return None
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 1.0 + 0.36 * len(found)))
        axes = drawing.add_subplot()
        for row, (run, values) in enumerate(found.items()):
            colour = look(run).colour
            for images, marker, at in zip(IMAGES, ("o", "D"), (row - 0.13, row + 0.13), strict=True):
                _dot(axes, values[images], at, colour=colour, marker=marker)
                if run in reported.get(images, {}):
                    axes.plot(100 * reported[images][run], at, **REPORTED | {"marker": marker})
        axes.set_yticks(range(len(found)), [look(run).label for run in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlabel("test accuracy, %")
        axes.grid(axis="x")
        for row in range(len(found) - 1):
            axes.axhline(row + 0.5, color=FAINT, lw=0.3, alpha=0.5)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        handles = [Line2D([], [], color=INK, marker=marker, ls="") for marker in ("o", "D")]
        handles.append(Line2D([], [], **REPORTED))
        drawing.legend(handles, ["clean images", "noisy images", "as reported"], loc="outside upper center", ncols=3)
    gaps = [
        f"{look(run).label} {share(values['clean'].value)} and {share(values['noisy'].value)}"
        for run, values in found.items()
    ]
    return Figure(
        id="clean-noisy",
        title="Clean and noisy images",
        alt=f"Dot plot of the accuracy on clean and on noisy test images of {len(found)} networks.",
        caption=f"Who reads clean letters, and who noisy ones? Accuracy on clean and on noisy images: {listed(gaps)}."
        + hollow(reported["noisy"], found)
        + bars([value for values in found.values() for value in values.values()])
        + left_out(runs, list(found)),
        drawing=drawing,
        data=pd.DataFrame(
            [
                {"run": run, "images": images, "accuracy": v.value, "low": v.low, "high": v.high, "seeds": v.n_seeds}
                | {"reported": reported.get(images, {}).get(run)}
                for run, values in found.items()
                for images, v in values.items()
            ]
        ),
        provenance=tuple(map(study.train_stage, found)),
    )


def _dot(axes: Axes, value: Estimate, row: float, *, colour: str, marker: str) -> None:
    reach = [[100 * (value.value - value.low)], [100 * (value.high - value.value)]]
    axes.errorbar(100 * value.value, row, xerr=reach, color=colour, marker=marker, elinewidth=1, ls="")


def grid(metrics: Metrics, study: Cnnf, *, reported: Mapping[str, float]) -> Figure | None:
    """Accuracy against cycles, a panel per residual: as reported, and ours on noisy and on clean images."""
    cells: dict[float, dict[int, tuple[str, Mapping[str, Any]]]] = {}
    for run in study.grid:
        content = metrics.train(run)
        if content and all(test_accuracy(metrics, run, images) for images in IMAGES):
            settings = content["settings"]
            cells.setdefault(settings["residual"], {})[settings["cycles"]] = run, settings
    if not cells:
        return None
    rows: list[dict[str, Any]] = []
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 3.1))
        panels = drawing.subplots(1, len(cells), sharey=True, squeeze=False).flat
        for axes, (residual, by_cycles) in zip(panels, sorted(cells.items()), strict=True):
            at = sorted(by_cycles)
            for images, style in (
                ("noisy", {"color": COLOUR, "marker": "D"}),
                ("clean", {"color": INK, "marker": "o"}),
            ):
                values = {cycles: test_accuracy(metrics, by_cycles[cycles][0], images) for cycles in at}
                known = {cycles: value for cycles, value in values.items() if value is not None}
                reach = [
                    [100 * (v.value - v.low) for v in known.values()],
                    [100 * (v.high - v.value) for v in known.values()],
                ]
                axes.errorbar(
                    list(known), [100 * v.value for v in known.values()], yerr=reach, elinewidth=1, lw=0.8, **style
                )
                rows += [
                    {"run": by_cycles[cycles][0], "residual": residual, "cycles": cycles, "images": images}
                    | {"accuracy": v.value, "low": v.low, "high": v.high, "seeds": v.n_seeds}
                    | {"reported": reported.get(by_cycles[cycles][0])}
                    for cycles, v in known.items()
                ]
            printed = {cycles: reported[run] for cycles, (run, _) in by_cycles.items() if run in reported}
            heights = [100 * value for value in printed.values()]
            axes.plot(list(printed), heights, **REPORTED | {"marker": "s"})
            axes.set_xticks(at)
            axes.set_xlim(at[0] - 0.4, at[-1] + 0.4)
            axes.set_title(f"residual {residual:g}")
            axes.set_xlabel("cycles")
            axes.grid(axis="y")
        drawing.axes[0].set_ylabel("test accuracy, %")
        handles = [
            Line2D([], [], color=COLOUR, marker="D", lw=0.8),
            Line2D([], [], color=INK, marker="o", lw=0.8),
            Line2D([], [], **REPORTED | {"marker": "s"}),
        ]
        drawing.legend(handles, ["noisy images", "clean images", "as reported"], loc="outside upper center", ncols=3)
    table = pd.DataFrame(rows)
    estimates = [found for row in rows if (found := test_accuracy(metrics, row["run"], row["images"]))]
    return Figure(
        id="grid",
        title="The grid of residual and cycles",
        alt="Dots with intervals of test accuracy over the number of cycles, beside the values of the report, in "
        f"{len(cells)} panels by residual.",
        caption="Do more cycles and a larger residual help?"
        + "".join(_best(table[table["images"] == images], images) for images in ("noisy", "clean"))
        + _distance(table)
        + bars(estimates)
        + left_out(study.grid, list(table["run"])),
        drawing=drawing,
        data=table,
        provenance=tuple(map(study.train_stage, dict.fromkeys(table["run"]))),
    )


def _best(table: pd.DataFrame, images: str) -> str:
    best = table.loc[table["accuracy"].idxmax()]
    worst = table.loc[table["accuracy"].idxmin()]
    return (
        f" On {images} images ours lie between {share(worst['accuracy'])} (residual {worst['residual']:g}, cycles "
        f"{worst['cycles']}) and {share(best['accuracy'])} (residual {best['residual']:g}, cycles {best['cycles']})."
    )


def _distance(table: pd.DataFrame) -> str:
    """How far the printed values are from ours, on either kind of image."""
    said = []
    for images in ("noisy", "clean"):
        part = table[(table["images"] == images) & table["reported"].notna()]
        if len(part):
            gap = float((part["accuracy"] - part["reported"]).abs().mean())
            said.append(f"{percent(gap, digits=1)} points of the {images} accuracies")
    return f" Mean distance of the printed values: {listed(said)}." if said else ""


def by_noise_level(metrics: Metrics, study: Cnnf) -> Figure | None:
    """Accuracy against the level of the noise: the three networks, and CNN-F trained at other levels."""
    tables = {run: table for run in study.runs + study.variants if (table := _levels(metrics, run)) is not None}
    other = [run for run in tables if run in study.variants and _differs_in_noise(metrics, study, run)]
    main = [run for run in tables if run in study.runs]
    if not main:
        return None
    panels = {"the three networks": main}
    if other:
        panels["CNN-F trained at other levels"] = [run for run in main if _cycles(metrics, run)] + other
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 3.6))
        for axes, (title, runs) in zip(
            drawing.subplots(1, len(panels), sharey=True, squeeze=False).flat, panels.items(), strict=True
        ):
            for run in runs:
                table = tables[run]
                reach = 100 * np.abs(table[["low", "high"]].to_numpy().T - table["accuracy"].to_numpy())
                axes.errorbar(
                    table["level"],
                    100 * table["accuracy"],
                    yerr=reach,
                    color=look(run).colour,
                    marker=look(run).marker,
                    ls=look(run).dashes,
                    elinewidth=1,
                    label=look(run).label,
                )
            trained = sorted({_setting(metrics, run, "noise_level") for run in runs if _cycles(metrics, run)})
            for level in trained:
                axes.axvline(level, color=FAINT, lw=0.8, ls=(0, (1, 3)))
            axes.set_title(title)
            axes.set_xlabel("noise level (standard deviation, intensity 0 to 1)")
            axes.grid(axis="y")
        drawing.axes[0].set_ylabel("accuracy, %")
        handles = {
            label: handle
            for axes in drawing.axes
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        drawing.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
    ends = {run: (tables[run].iloc[0], tables[run].iloc[-1]) for run in main}
    said = listed(
        f"from {share(first['accuracy'])} to {share(last['accuracy'])} for {look(run).label}"
        for run, (first, last) in ends.items()
    )
    return Figure(
        id="noise-levels",
        title="Accuracy against the level of the noise",
        alt=f"Line charts of accuracy against noise level for {listed(look(run).label for run in (*main, *other))}.",
        caption="How much depends on the noise level, which the report does not give? From level "
        f"{next(iter(ends.values()))[0]['level']:g} to {next(iter(ends.values()))[1]['level']:g} accuracy goes {said}."
        " Dotted: the levels CNN-F was trained at. Bars: 95 % interval over images, and over seeds where there are "
        "several." + left_out(study.runs, main),
        drawing=drawing,
        data=pd.concat([tables[run].assign(run=run) for run in (*main, *other)]),
        provenance=tuple(map(study.train_stage, (*main, *other))),
    )


def _levels(metrics: Metrics, run: str) -> pd.DataFrame | None:
    """Accuracy by noise level: level, accuracy, low, high, seeds."""
    rows = [
        {"level": level, "accuracy": v.value, "low": v.low, "high": v.high, "n": v.n, "seeds": v.n_seeds}
        for level, v in by_level(metrics, run, "noise").items()
    ]
    return pd.DataFrame(rows) if rows else None


def _setting(metrics: Metrics, run: str, key: str) -> Any:
    return (metrics.train(run) or {"settings": {}})["settings"].get(key)


def _cycles(metrics: Metrics, run: str) -> int:
    return int(_setting(metrics, run, "cycles") or 0)


def _differs_in_noise(metrics: Metrics, study: Cnnf, run: str) -> bool:
    usual = {_setting(metrics, name, "noise_level") for name in study.runs if _cycles(metrics, name)}
    return _setting(metrics, run, "noise_level") not in usual


def confusion(metrics: Metrics, study: Cnnf, *, runs: Sequence[str]) -> Figure | None:
    """Which letter is read as which: a matrix for each network on clean and on noisy images."""
    tables = {run: pd.read_csv(path) for run in runs if (path := metrics.root / f"confusion/{run}.csv").exists()}
    if not tables:
        return None
    n = 1 + max(int(table[["label", "predicted"]].max().max()) for table in tables.values())
    shares = {(run, images): _matrix(table, images, n) for run, table in tables.items() for images in IMAGES}
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 0.6 + 3.3 * len(tables)))
        panels = drawing.subplots(len(tables), len(IMAGES), squeeze=False).flat
        names = [letter(label) for label in range(n)]
        for axes, ((run, images), matrix) in zip(panels, shares.items(), strict=True):
            # Errors are few: the square root lets a share of one in a hundred show.
            picture = axes.imshow(100 * matrix, cmap="viridis", norm=PowerNorm(0.5, 0, 100), interpolation="none")
            axes.set_xticks(range(n), names, size=6)
            axes.set_yticks(range(n), names, size=6)
            axes.tick_params(length=0, pad=1)
            axes.set_title(f"{look(run).label}, {images}: {percent(_diagonal(matrix), digits=1)} % on the diagonal")
            axes.set_ylabel("letter" if images == IMAGES[0] else "")
            axes.set_xlabel("read as")
        drawing.colorbar(
            picture, ax=drawing.axes, location="bottom", shrink=0.4, aspect=40, label="% of the letter's images"
        )
    worst = [f"{look(run).label} on {images} images {_confused(matrix)}" for (run, images), matrix in shares.items()]
    diagonals = [
        f"{share(_diagonal(matrix))} for {look(run).label} on {images} images"
        for (run, images), matrix in shares.items()
    ]
    return Figure(
        id="confusion",
        title="Which letter is read as which",
        alt=f"Confusion matrices of {listed(look(run).label for run in tables)} on clean and on noisy test images.",
        caption="Is the diagonal clearer with feedback? On the diagonal: "
        + listed(diagonals)
        + f". Most frequent confusion: {listed(worst)}. All seeds together.",
        drawing=drawing,
        data=pd.DataFrame(
            [
                {"run": run, "images": images, "label": names[i], "predicted": names[j], "share": matrix[i, j]}
                for (run, images), matrix in shares.items()
                for i, j in zip(*np.nonzero(matrix), strict=True)
            ]
        ),
        provenance=tuple(map(study.train_stage, tables)),
    )


def _matrix(table: pd.DataFrame, images: str, n: int) -> np.ndarray:
    """(n, n) shares: of the images of a letter (row), how many are read as each (column)."""
    counts = np.zeros((n, n))
    part = table[table["images"] == images]
    np.add.at(counts, (part["label"].to_numpy(), part["predicted"].to_numpy()), part["count"].to_numpy())
    return counts / counts.sum(axis=1, keepdims=True).clip(min=1)


def _diagonal(matrix: np.ndarray) -> float:
    return float(np.diag(matrix).mean())


def _confused(matrix: np.ndarray) -> str:
    wrong = matrix - np.diag(np.diag(matrix))
    i, j = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return f"{letter(int(i))} as {letter(int(j))} ({share(float(wrong[i, j]))})"
