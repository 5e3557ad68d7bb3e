"""The figures of the CNN-F study, in the order of the report; what is said about them is in its words file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from biorobust.cnnf.report import letters
from biorobust.cnnf.report.study import CNN, FEEDBACK, IMAGES, NOT_CYCLED
from biorobust.reporting import frames, plots
from biorobust.reporting.estimates import accuracy, curve, values
from biorobust.reporting.figure import Figure, Inputs, of_runs
from biorobust.reporting.labels import INK, WORST_CASE, Look, label, look
from biorobust.reporting.numbers import percent

LOGGED = {  # what is logged per cycle or per feedback -> title, factor, the first cycle it is logged for
    "cycle_accuracy": ("accuracy, %", 100, 0),
    "changed": ("predictions changed, %", 100, 1),
    "margin": ("margin of the true letter", 1, 0),
    "psnr": ("PSNR of the reconstruction, dB", 1, 1),
}


def _attacked_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """What a network with feedback keeps under either gradient at the smallest epsilon."""
    kept = {
        run: (first.at(eps), last.at(eps), eps)
        for run in frame["run"].unique()
        if given.m.settings(f"train/{run}").get("cycles")
        and (first := curve(given.m, run, "pgd-cross-entropy@first"))
        and (last := curve(given.m, run, "pgd-cross-entropy"))
        and (eps := min(filter(None, last.eps))) in first.eps
    }
    return {"worst": {run: curve(given.m, run, WORST_CASE) for run in frame["run"].unique()}, "kept": kept}


def _grid(given: Inputs) -> pd.DataFrame:
    """Accuracy of every cell on noisy and on clean images, by residual and cycles, beside what the report prints."""
    kinds, cells = ("noisy", "clean"), given.study.cells
    found = frames.accuracies(given.m, cells, images=kinds, reported=dict.fromkeys(kinds, given.clean("noisy")))
    found.insert(1, "residual", [cells[run][1] for run in found["run"]])
    found.insert(2, "cycles", [cells[run][0] for run in found["run"]])
    # The residuals from left to right, in each the noisy images before the clean ones.
    found = found.sort_values(["residual", "images", "cycles"], ascending=[True, False, True], ignore_index=True)
    return found.rename(columns={"n": "_n"}).astype({"reported": float})


def _grid_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """`gaps`: the mean distance of the printed values from ours on either kind of images."""
    gaps = (frame["accuracy"] - frame["reported"]).abs().groupby(frame["images"], sort=False).mean().dropna().to_dict()
    return {"gaps": gaps, "points": [accuracy(given.m, row.run, images=row.images) for row in frame.itertuples()]}


def _draw_grid(frame: pd.DataFrame) -> Drawing:
    looks = {
        "noisy": replace(look(FEEDBACK), label="noisy images", marker="D", width=0.8),
        "clean": Look("clean images", INK, "o", "-", 0.8),
    }
    parts = {f"residual {residual:g}": part for residual, part in frame.groupby("residual")}
    return plots.line_panels(
        parts,
        x="cycles",
        y="accuracy",
        series="images",
        looks=lambda title, images: looks[images],
        xlabel=dict.fromkeys(parts, "cycles"),
        ylabel="test accuracy, %",
        height=2.6,
        legend="outside upper center",
        sharey=True,
    )


def _confusion(given: Inputs) -> pd.DataFrame:
    """Of the images of a letter, which share is read as each; on clean and on noisy images."""
    found = {run: given.m.csv(f"confusion/{run}") for run in given.named(CNN, FEEDBACK)}
    known = [table.assign(run=run) for run, table in found.items() if table is not None]
    if not known:
        return pd.DataFrame()
    counts, keys = pd.concat(known), ["run", "images", "label"]
    n = counts[counts["images"].isin(IMAGES)].groupby([*keys, "predicted"])["count"].sum()
    share = (n / n.groupby(keys).transform("sum"))[n > 0].rename("share").reset_index()
    return share.assign(**{key: share[key].map(letters.letter) for key in ("label", "predicted")})


def _matrices(frame: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """(run, kind of images) -> shares by letter (row) and what it is read as (column)."""
    names, axes = sorted({*frame["label"], *frame["predicted"]}), {"index": "label", "columns": "predicted"}
    return {
        key: part.pivot_table("share", **axes).reindex(names, columns=names).fillna(0.0)
        for key, part in frame.groupby(["run", "images"], sort=False)
    }


def _diagonal(matrix: pd.DataFrame) -> float:
    return float(np.diag(matrix).mean())


def _confusion_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    told = []
    for key, matrix in _matrices(frame).items():
        wrong = matrix.mask(np.eye(len(matrix), dtype=bool), 0.0)
        true = wrong.max(axis=1).idxmax()
        told.append((*key, _diagonal(matrix), true, wrong.loc[true].idxmax(), wrong.loc[true].max()))
    return {"confused": told}


def _draw_confusion(frame: pd.DataFrame) -> Drawing:
    found = _matrices(frame)
    return plots.heat(
        {
            f"{label(run)}, {images}: {percent(_diagonal(matrix), digits=1)} % on the diagonal": matrix.to_numpy()
            for (run, images), matrix in found.items()
        },
        names=list(next(iter(found.values())).index),
        label="% of the letter's images",
        xlabel="read as",
        ylabel="letter",
        power=0.5,  # errors are few: the square root lets a share of one in a hundred show
    )


def _cycles(given: Inputs) -> pd.DataFrame:
    runs = [run for run in given.named(FEEDBACK, NOT_CYCLED) if values(given.m, f"train/{run}", "noisy_changed")]
    rows = [
        (run, images, key, first + step, item.value, item.low, item.high, f"{run} {images}")
        for key, (_, _, first) in LOGGED.items()
        for run in runs
        for images in IMAGES
        for step, item in enumerate(values(given.m, f"train/{run}", f"{images}_{key}"))
    ]
    return pd.DataFrame(rows, columns=["run", "images", "quantity", "cycle", "value", "low", "high", "_series"])


def _cycles_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    changed = frame[frame["quantity"] == "changed"].groupby("run", sort=False)
    told = {run: {kind: list(part.loc[part["images"] == kind, "value"]) for kind in IMAGES} for run, part in changed}
    return {"changed": told, "wanted": given.named(FEEDBACK, NOT_CYCLED)}


def _draw_cycles(frame: pd.DataFrame) -> Drawing:
    def drawn(title: str, series: str) -> Look:
        run, images = series.split(" ")
        own, clean = look(run), images == "clean"
        return replace(own, label=f"{own.label}, {images} images", dashes="-" if clean else "--", filled=clean)

    return plots.line_panels(
        {title: frame[frame["quantity"] == key] for key, (title, _, _) in LOGGED.items()},
        x="cycle",
        y="value",
        series="_series",
        looks=drawn,
        scale={title: factor for title, factor, _ in LOGGED.values()},
        xlabel={title: "cycle" if first else "cycle (0: the first pass)" for title, _, first in LOGGED.values()},
        ylabel="",
        columns=2,
        height=2.4,
        legend_columns=2,
    )


FIGURES = (
    Figure(
        "accuracy-epsilon",
        lambda given: frames.attacked(given.m, given.study.attacked, [WORST_CASE]),
        partial(plots.lines, xlabel="ε, largest change of a pixel (L∞, intensity 0 to 1)"),
        of_runs("attack"),
        _attacked_words,
    ),
    letters.RECONSTRUCTIONS,
    Figure("grid", _grid, _draw_grid, of_runs("train"), _grid_words),
    Figure("cycles", _cycles, _draw_cycles, of_runs("train"), _cycles_words),
    Figure("confusion", _confusion, _draw_confusion, of_runs("train"), _confusion_words),
    letters.ATTACKED,
)
