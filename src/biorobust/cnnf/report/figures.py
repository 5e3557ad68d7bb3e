"""The figures of the CNN-F study, in the order of the report; what is said about them is in its words file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator, NullFormatter

from biorobust.cnnf.report import letters
from biorobust.cnnf.report.study import CNN, CNN_NOISY, FEEDBACK, IMAGES, NOT_CYCLED
from biorobust.reporting import frames, plots
from biorobust.reporting.estimates import accuracy, by_level, curve, value, values
from biorobust.reporting.figure import Figure, Inputs, of_runs
from biorobust.reporting.labels import FAINT, FEEDBACK_ATTACKS, INK, WORST_CASE, Look, in_panel, label, look
from biorobust.reporting.numbers import percent
from biorobust.reporting.style import WIDTH, drawing_style

TERMS = {  # column of the curve -> its name, the line's dashes
    "first": ("first pass", "-"),
    "cycles": ("cycles", "--"),
    "feature": ("inner feature", "-."),
    "block1": ("first block", ":"),
    "block2": ("second block", (0, (1, 3))),
}
LOGGED = {  # what is logged per cycle or per feedback -> title, factor, the first cycle it is logged for
    "cycle_accuracy": ("accuracy, %", 100, 0),
    "changed": ("predictions changed, %", 100, 1),
    "margin": ("margin of the true letter", 1, 0),
    "psnr": ("PSNR of the reconstruction, dB", 1, 1),
}


def _tables(given: Inputs, name: str, *runs: str) -> pd.DataFrame:
    found = {run: given.m.csv(name.format(run)) for run in given.named(*runs)}
    known = [table.assign(run=run) for run, table in found.items() if table is not None]
    return pd.concat(known, ignore_index=True) if known else pd.DataFrame()


def _attacked(given: Inputs) -> pd.DataFrame:
    found = frames.attacked(given.m, given.study.attacked, FEEDBACK_ATTACKS)
    return found[found["run"].isin(found.loc[found["attack"] == WORST_CASE, "run"])]


def _attacked_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """The worst cases by epsilon, and what a network with feedback keeps under either gradient at the smallest one."""
    worst = frame[frame["attack"] == WORST_CASE]
    kept = {
        run: (first.at(eps), last.at(eps), eps)
        for run in worst["run"].unique()
        if given.m.settings(f"train/{run}").get("cycles")
        and (first := curve(given.m, run, "pgd-cross-entropy@first"))
        and (last := curve(given.m, run, "pgd-cross-entropy"))
        and (eps := min(filter(None, last.eps))) in first.eps
    }
    return {
        "worst": {run: curve(given.m, run, WORST_CASE) for run in worst["run"].unique()},
        "by_eps": {eps: part.set_index("run")["accuracy"].to_dict() for eps, part in worst.groupby("eps") if eps},
        "kept": kept,
        "attacks": [attack.label for name, attack in FEEDBACK_ATTACKS.items() if name in set(frame["attack"])],
    }


@drawing_style()
def _draw_attacked(frame: pd.DataFrame) -> Drawing:
    """The worst case of every network in one panel, then a panel per network with all its attacks."""
    runs, points = list(dict.fromkeys(frame["run"])), partial(plots.curves, x="eps", y="accuracy")
    shown = [FEEDBACK_ATTACKS[name] for name in FEEDBACK_ATTACKS if name in set(frame["attack"])]
    drawing = Drawing(figsize=(WIDTH, 5.6))
    found = drawing.subplot_mosaic([[WORST_CASE] * len(runs), runs], height_ratios=(1.35, 1))
    whole = found.pop(WORST_CASE)
    points(whole, frame[frame["attack"] == WORST_CASE], series="run")
    plots.percent_axis(whole, label="accuracy, %")
    whole.set(title="Worst case over all attacks", xlabel="ε, largest change of a pixel (L∞, intensity 0 to 1)")
    whole.legend(loc="upper right")
    for run, axes in found.items():
        looks = partial(in_panel, run, attacks=FEEDBACK_ATTACKS)
        points(axes, frame[frame["run"] == run], series="attack", looks=looks, intervals=False)
        plots.percent_axis(axes, label="accuracy, %" if run == runs[0] else "")
        axes.set(title=plots.narrow(label(run)), xlabel="ε")
    plots.legend_below(drawing, plots.samples(shown))
    return drawing


def _clean_and_noisy(given: Inputs) -> pd.DataFrame:
    runs, printed = given.study.runs + given.study.variants, {images: given.clean(images) for images in IMAGES}
    return frames.accuracies(given.m, runs, images=IMAGES, reported=printed)


def _draw_clean_and_noisy(frame: pd.DataFrame) -> Drawing:
    return plots.dots(frame, kinds=IMAGES)


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


def _noise_levels(given: Inputs) -> pd.DataFrame:
    """Accuracy by noise level of the three networks, and of CNN-F trained at other levels (hidden: at which)."""
    study = given.study
    settings = {run: given.m.settings(f"train/{run}") for run in study.runs + study.variants}
    level = {run: of_run.get("noise_level") for run, of_run in settings.items()}
    cycled = {run: level[run] for run, of_run in settings.items() if of_run.get("cycles")}
    usual = {cycled.get(run) for run in study.runs}
    rows = [
        (at, found.value, found.low, found.high, found.n, found.n_seeds, run, run in study.runs, cycled.get(run))
        for run in (*study.runs, *(run for run in study.variants if level[run] not in usual))
        for at, found in by_level(given.m, run, "noise").items()
    ]
    columns = ["level", "accuracy", "low", "high", "n", "seeds", "run", "_main", "_trained"]
    found = pd.DataFrame(rows, columns=columns)
    return found if found["_main"].any() else found.iloc[:0]


def _levels_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    ends = {run: part.iloc[[0, -1]] for run, part in frame[frame["_main"]].groupby("run", sort=False)}
    levels = [f"{level:g}" for level in next(iter(ends.values()))["level"]]
    return {"ends": {run: list(found["accuracy"]) for run, found in ends.items()}, "levels": levels}


def _draw_noise_levels(frame: pd.DataFrame) -> Drawing:
    parts = {"the three networks": frame[frame["_main"]]}
    if not frame["_main"].all():
        parts["CNN-F trained at other levels"] = frame[~frame["_main"] | frame["_trained"].notna()]
    return plots.line_panels(
        parts,
        x="level",
        y="accuracy",
        series="run",
        xlabel="noise level (standard deviation, intensity 0 to 1)",
        marks={title: sorted(set(part["_trained"].dropna())) for title, part in parts.items()},
        height=3.1,
        sharey=True,
    )


def _confusion(given: Inputs) -> pd.DataFrame:
    """Of the images of a letter, which share is read as each; on clean and on noisy images."""
    counts, keys = _tables(given, "confusion/{}", CNN, FEEDBACK), ["run", "images", "label"]
    if counts.empty:
        return counts
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


def _losses(given: Inputs) -> pd.DataFrame:
    steps = _tables(given, "curves/steps-{}", CNN, CNN_NOISY, FEEDBACK)
    if steps.empty:
        return steps
    found = steps[["run", "seed", "step", "loss", "smoothed"]]
    logged = given.m.csv(f"curves/{FEEDBACK}") if FEEDBACK in set(found["run"]) else None
    found.attrs["terms"] = None
    if logged is not None and set(TERMS) <= set(logged):
        found.attrs["terms"] = logged.groupby("epoch")[[*TERMS]].mean()
    return found


def _losses_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    ratios = {run: found for run in frame["run"].unique() if (found := value(given.m, f"train/{run}", "loss_ratio"))}
    wanted = given.named(CNN, CNN_NOISY, FEEDBACK)
    return {"ratios": ratios, "terms": frame.attrs["terms"] is not None, "wanted": wanted}


@drawing_style()
def _draw_losses(frame: pd.DataFrame) -> Drawing:
    """A panel per network with the loss of single steps and its running mean, and one with the terms of the loss."""
    terms, runs = frame.attrs["terms"], list(dict.fromkeys(frame["run"]))
    top = frame.groupby("run")["loss"].quantile(0.99).max()
    drawing = Drawing(figsize=(WIDTH, 2.7 if terms is None else 5.0))
    found = drawing.subplot_mosaic([runs] if terms is None else [runs, ["terms"] * len(runs)])
    for run in runs:
        axes, of_run = found[run], frame[frame["run"] == run]
        first = of_run[of_run["seed"] == of_run["seed"].min()]
        axes.plot(first["step"], first["loss"], color=FAINT, lw=0.5, alpha=0.8)
        for _, of_seed in of_run.groupby("seed"):
            axes.plot(of_seed["step"], of_seed["smoothed"], color=look(run).colour, lw=1.3)
        axes.set(ylim=(0, 1.05 * top), title=plots.narrow(label(run)), xlabel="optimiser step")
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.grid(axis="y")
    found[runs[0]].set_ylabel("training loss")
    if terms is not None:
        axes = found["terms"]
        for term, (name, dashes) in TERMS.items():
            axes.plot(terms[term], color=look(FEEDBACK).colour, ls=dashes, marker=".", label=name)
        axes.set(title=f"{label(FEEDBACK)}: the five terms of its loss, weighted", yscale="log", xlabel="epoch")
        axes.set(ylabel="mean over the epoch", xlim=(None, 1.28 * terms.index.max()), xticks=terms.index)
        axes.grid(axis="y")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.legend(loc="center right")
    return drawing


_trained = of_runs("train")

FIGURES = (
    Figure("accuracy-epsilon", _attacked, _draw_attacked, of_runs("attack"), _attacked_words),
    letters.RECONSTRUCTIONS,
    Figure("clean-noisy", _clean_and_noisy, _draw_clean_and_noisy, _trained),
    Figure("grid", _grid, _draw_grid, _trained, _grid_words),
    Figure("noise-levels", _noise_levels, _draw_noise_levels, _trained, _levels_words),
    Figure("cycles", _cycles, _draw_cycles, _trained, _cycles_words),
    Figure("confusion", _confusion, _draw_confusion, _trained, _confusion_words),
    letters.ATTACKED,
    Figure("losses", _losses, _draw_losses, _trained, _losses_words),
)
