"""The figures of the CNN-F study, in the order of the report; what is said about them is in its words file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter

from biorobust.cnnf.report.study import CNN, CNN_NOISY, FEEDBACK, IMAGES, NOT_CYCLED
from biorobust.reporting import frames, plots
from biorobust.reporting.estimates import accuracy, by_level, curve, value, values
from biorobust.reporting.figure import Figure, Inputs, of_runs
from biorobust.reporting.labels import FAINT, FEEDBACK_ATTACKS, INK, WORST_CASE, Look, in_legend, in_panel, label, look
from biorobust.reporting.numbers import epsilon, percent
from biorobust.reporting.style import WIDTH, drawing_style

PGD, FIRST = "pgd-cross-entropy", "pgd-cross-entropy@first"
ATTACKED_LETTERS, ATTACKED_ROWS = 6, 4  # letters per network, and epsilons of those that were attacked
LETTERS = 12  # letters whose reconstructions are shown, in blocks of equal size
NEAR = 0.1  # the epsilon of the attacked ones, or the nearest to it that was attacked
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


def letter(label: int) -> str:
    """The letter of a label 0..25; capitals, though the data set merges both cases."""
    return chr(ord("A") + int(label))


def psnr(picture: np.ndarray, clean: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of a picture against the clean one (both H, W, values 0..255).

    Brightness and contrast are fitted first, as the study's metrics do it: a feature fixes neither.
    """
    x, y = picture.astype(np.float64).ravel(), clean.astype(np.float64).ravel()
    spread = x.var()
    slope = ((x - x.mean()) * (y - y.mean())).mean() / spread if spread else 0.0
    fitted = y.mean() + slope * (x - x.mean())
    error = float(((fitted - y) ** 2).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(255.0**2 / error))


# --- under attack -----------------------------------------------------------------------------------------------------


def _attacked(given: Inputs) -> pd.DataFrame:
    """Every attack's curve of the networks whose worst case is known."""
    found = frames.attacked(given.m, given.study.attacked, FEEDBACK_ATTACKS)
    return found[found["run"].isin(found.loc[found["attack"] == WORST_CASE, "run"])]


def _attacked_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """The worst cases by epsilon, and what a network with feedback keeps under either gradient at the smallest one."""
    runs = list(dict.fromkeys(frame["run"]))
    worst = {run: found for run in runs if (found := curve(given.m, run, WORST_CASE))}
    grid = [eps for eps in next(iter(worst.values())).eps if eps]
    kept = {}
    for run in runs:
        first, last = (curve(given.m, run, attack) for attack in (FIRST, PGD))
        if first and last and given.m.settings(f"train/{run}").get("cycles"):
            eps = next(value for value in last.eps if value)
            kept[run] = first.at(eps), last.at(eps), eps
    return {
        "worst": worst,
        "by_eps": {eps: {run: found.at(eps) for run, found in worst.items() if found.at(eps)} for eps in grid},
        "kept": {run: found for run, found in kept.items() if all(found[:2])},
        "attacks": [FEEDBACK_ATTACKS[name].label for name in FEEDBACK_ATTACKS if name in set(frame["attack"])],
    }


def _draw_attacked(frame: pd.DataFrame) -> Drawing:
    """The worst case of every network in one panel, then a panel per network with all its attacks."""
    runs = list(dict.fromkeys(frame["run"]))
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 5.6))
        grid = drawing.add_gridspec(2, len(runs), height_ratios=(1.35, 1))
        whole = drawing.add_subplot(grid[0, :])
        plots.curves(whole, frame[frame["attack"] == WORST_CASE], x="eps", y="accuracy", series="run")
        whole.set_title("Worst case over all attacks")
        whole.set_xlabel("ε, largest change of a pixel (L∞, intensity 0 to 1)")
        plots.percent_axis(whole, label="accuracy, %")
        whole.legend(loc="upper right")
        for position, run in enumerate(runs):
            axes = drawing.add_subplot(grid[1, position])
            looks = partial(in_panel, run, attacks=FEEDBACK_ATTACKS)
            part = frame[frame["run"] == run]
            plots.curves(axes, part, x="eps", y="accuracy", series="attack", looks=looks, intervals=False)
            axes.set_title(plots.narrow(label(run)))
            plots.percent_axis(axes, label="accuracy, %" if not position else "")
            axes.set_xlabel("ε")
        shown = [in_legend(name, attacks=FEEDBACK_ATTACKS) for name in FEEDBACK_ATTACKS if name in set(frame["attack"])]
        handles = {style.label: Line2D([], [], color=INK, ls=style.dashes, lw=style.width) for style in shown}
        plots.legend_below(drawing, handles)
    return drawing


def _attack_label(name: str) -> str:
    return FEEDBACK_ATTACKS[name].label if name in FEEDBACK_ATTACKS else name


def _attacked_letters(given: Inputs) -> pd.DataFrame:
    """A row for each letter at each of a few epsilons, untargeted and targeted: what it is, and what is read."""
    rows = []
    for kind in ("adversarial", "targeted"):
        for run in given.named(CNN, FEEDBACK):
            if (found := given.m.pictures(f"{kind}-{run}")) is None:
                continue
            n, attack = len(found["eps"]), str(found["attack"])
            panel = f"{label(run)}: {_attack_label(attack)}"
            for at in sorted({round(step * (n - 1) / (ATTACKED_ROWS - 1)) for step in range(ATTACKED_ROWS)}):
                for i, true in enumerate(found["labels"][:ATTACKED_LETTERS]):
                    said, eps = found["predictions"][at, i], float(found["eps"][at])
                    aim = f" ({letter(found['targets'][i])})" if "targets" in found and eps else ""
                    shown = (letter(said) + aim, said != true, found["images"][at, i], panel, "targets" in found)
                    rows.append((run, attack, eps, i, letter(true), letter(said), *shown))
    columns = ["run", "attack", "eps", "image", "label", "prediction", "_note", "_bold", "_pixels", "_panel", "_aimed"]
    return pd.DataFrame(rows, columns=columns)


def _letters_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """How many of the letters shown are still right at the largest epsilon of each attack."""
    right = [
        (int((~part["_bold"]).sum()), len(part), run, _attack_label(attack), eps)
        for (run, attack, eps), part in frame.groupby(["run", "attack", "eps"], sort=False)
        if eps == frame.loc[(frame["run"] == run) & (frame["attack"] == attack), "eps"].max()
    ]
    return {"right": right, "aimed": bool(frame["_aimed"].any())}


# --- accuracy ---------------------------------------------------------------------------------------------------------


def _clean_and_noisy(given: Inputs) -> pd.DataFrame:
    runs, printed = given.study.runs + given.study.variants, {images: given.clean(images) for images in IMAGES}
    return frames.accuracies(given.m, runs, images=IMAGES, reported=printed)


def _grid(given: Inputs) -> pd.DataFrame:
    """Accuracy of every cell on noisy and on clean images, by residual and cycles, beside what the report prints."""
    found = frames.accuracies(given.m, given.study.grid, images=("noisy", "clean"))
    settings = {run: given.m.settings(f"train/{run}") for run in found["run"]}
    found.insert(1, "residual", [settings[run]["residual"] for run in found["run"]])
    found.insert(2, "cycles", [settings[run]["cycles"] for run in found["run"]])
    found["reported"] = found["run"].map(given.clean("noisy")).astype(float)
    found = found.sort_values(["residual", "cycles"], kind="stable").rename(columns={"n": "_n"})
    # The residuals from left to right, in each the noisy images before the clean ones.
    order = found.assign(kind=found["images"] != "noisy").sort_values(["residual", "kind", "cycles"], kind="stable")
    return order.drop(columns="kind").reset_index(drop=True)


def _grid_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """The best and the worst cell on either kind of images, and the mean distance of the printed values from ours."""
    ends, gaps = {}, {}
    for images in ("noisy", "clean"):
        part = frame[frame["images"] == images]
        ends[images] = [part.loc[at].to_dict() for at in (part["accuracy"].idxmin(), part["accuracy"].idxmax())]
        printed = part[part["reported"].notna()]
        if len(printed):
            gaps[images] = float((printed["accuracy"] - printed["reported"]).abs().mean())
    points = [accuracy(given.m, run, images=images) for run, images in zip(frame["run"], frame["images"], strict=True)]
    return {"ends": ends, "gaps": gaps, "points": points, "residuals": frame["residual"].nunique()}


def _draw_grid(frame: pd.DataFrame) -> Drawing:
    feedback = look(FEEDBACK)
    looks = {
        "noisy": Look("noisy images", feedback.colour, feedback.dark, "D", "-", 0.8),
        "clean": Look("clean images", INK, INK, "o", "-", 0.8),
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
    """Accuracy by noise level of the three networks, and of CNN-F trained at other levels."""
    study, m = given.study, given.m
    trained = {run: _trained_at(given, run) for run in study.runs + study.variants}
    usual = {trained[run] for run in study.runs if trained[run] is not None}
    levels = {run: m.settings(f"train/{run}").get("noise_level") for run in study.variants}
    other = [run for run in study.variants if levels[run] not in usual]
    rows = [
        (level, found.value, found.low, found.high, found.n, found.n_seeds, run, run in study.runs, trained[run])
        for run in (*study.runs, *other)
        for level, found in by_level(m, run, "noise").items()
    ]
    columns = ["level", "accuracy", "low", "high", "n", "seeds", "run", "_main", "_trained"]
    found = pd.DataFrame(rows, columns=columns)
    return found if found["_main"].any() else found.iloc[:0]


def _trained_at(given: Inputs, run: str) -> float | None:
    """The noise level that a network with feedback was trained at."""
    settings = given.m.settings(f"train/{run}")
    return settings.get("noise_level") if settings.get("cycles") else None


def _levels_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    main = frame[frame["_main"]].sort_values("level", kind="stable").groupby("run", sort=False)
    drawn = [run for run in given.study.runs if run in main.groups]
    ends = {run: main.get_group(run)[["level", "accuracy"]].iloc[[0, -1]] for run in drawn}
    first = next(iter(ends.values()))["level"]
    return {
        "ends": {run: list(found["accuracy"]) for run, found in ends.items()},
        "levels": [f"{level:g}" for level in first],
        "runs": list(dict.fromkeys(frame["run"])),
    }


def _draw_noise_levels(frame: pd.DataFrame) -> Drawing:
    cycled = frame["_trained"].notna()
    parts = {"the three networks": frame[frame["_main"]]}
    if not frame["_main"].all():
        parts["CNN-F trained at other levels"] = frame[~frame["_main"] | cycled]
    return plots.line_panels(
        parts,
        x="level",
        y="accuracy",
        series="run",
        looks=lambda title, run: look(run),
        xlabel="noise level (standard deviation, intensity 0 to 1)",
        marks={title: sorted(set(part["_trained"].dropna())) for title, part in parts.items()},
        height=3.1,
        sharey=True,
    )


def _confusion(given: Inputs) -> pd.DataFrame:
    """Of the images of a letter, which share is read as each; on clean and on noisy images."""
    runs = given.named(CNN, FEEDBACK)
    found = {run: table for run in runs if (table := given.m.csv(f"confusion/{run}")) is not None}
    rows = []
    for run, table in found.items():
        for images in IMAGES:
            part = table[table["images"] == images]
            n = part.groupby(["label", "predicted"])["count"].sum()
            share = n[n > 0] / n.groupby("label").transform("sum")[n > 0]
            rows += [(run, images, letter(a), letter(b), item) for (a, b), item in share.sort_index().items()]
    return pd.DataFrame(rows, columns=["run", "images", "label", "predicted", "share"])


def _matrices(frame: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """(run, kind of images) -> shares by letter (row) and what it is read as (column)."""
    names = sorted({*frame["label"], *frame["predicted"]})
    return {
        key: part.pivot_table(index="label", columns="predicted", values="share")
        .reindex(names, columns=names)
        .fillna(0.0)
        for key, part in frame.groupby(["run", "images"], sort=False)
    }


def _diagonal(matrix: pd.DataFrame) -> float:
    return float(np.diag(matrix).mean())


def _confusion_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """The mean of each diagonal, and the most frequent confusion."""
    told = []
    for (run, images), matrix in _matrices(frame).items():
        wrong = matrix.to_numpy() - np.diag(np.diag(matrix))
        i, j = np.unravel_index(int(wrong.argmax()), wrong.shape)
        confused = matrix.index[i], matrix.columns[j], float(wrong[i, j])
        told.append((run, images, _diagonal(matrix), *confused))
    return {"confused": told, "runs": list(dict.fromkeys(frame["run"]))}


def _draw_confusion(frame: pd.DataFrame) -> Drawing:
    found = _matrices(frame)
    titles = {
        f"{label(run)}, {images}: {percent(_diagonal(matrix), digits=1)} % on the diagonal": matrix
        for (run, images), matrix in found.items()
    }
    return plots.heat(
        {title: matrix.to_numpy() for title, matrix in titles.items()},
        names=list(next(iter(found.values())).index),
        label="% of the letter's images",
        xlabel="read as",
        ylabel="letter",
        power=0.5,  # errors are few: the square root lets a share of one in a hundred show
    )


# --- cycles -----------------------------------------------------------------------------------------------------------


def _reconstructions(given: Inputs) -> pd.DataFrame:
    """Clean, noisy, blurred and attacked letters of CNN-F and what each cycle makes of them, with the PSNR in dB."""
    runs = given.named(FEEDBACK)
    found = given.m.pictures(f"reconstructions-{runs[0]}") if runs else None
    if found is None:
        return pd.DataFrame()
    attacked = given.m.pictures(f"adversarial-reconstructions-{runs[0]}")
    blocks = {
        name: (found, i, found["images"][0]) for i, name in enumerate((*IMAGES, "blurred")[: len(found["images"])])
    }
    attack = ""
    if attacked is not None:
        at, attack = int(np.argmin(np.abs(attacked["eps"] - NEAR))), str(attacked["attack"])
        clean = attacked["images"][int(np.argmin(attacked["eps"]))]
        blocks[f"attacked, {epsilon(float(attacked['eps'][at]))}"] = (attacked, at, clean)
    rows = []
    for name, (stored, at, clean) in blocks.items():
        steps = np.concatenate([stored["images"][at][None], stored["reconstructions"][at]])
        for cycle, step in enumerate(steps):
            for i in range(LETTERS // len(blocks)):
                said, true, close = stored["predictions"][at][cycle, i], stored["labels"][i], psnr(step[i], clean[i])
                note = letter(said) + (f" {close:.1f}" if np.isfinite(close) else "")
                rows.append((name, cycle, letter(true), letter(said), close, i, step[i], note, said != true, attack))
    columns = ["image", "cycle", "label", "prediction", "psnr", "_i", "_pixels", "_note", "_bold", "_attack"]
    return pd.DataFrame(rows, columns=columns)


def _reconstructions_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """PSNR over all measured images: that of the noisy image, then that of its reconstructions."""
    name = f"train/{FEEDBACK}"
    return {
        "blocks": list(dict.fromkeys(frame["image"])),
        "cycles": int(frame["cycle"].max()),
        "run": FEEDBACK,
        "before": value(given.m, name, "noisy_input_psnr"),
        "after": values(given.m, name, "noisy_psnr"),
        "n": given.m.settings(name).get("n_images", 0),
        "attack": _attack_label(frame["_attack"].iloc[0]),
    }


def _reconstructions_stages(given: Inputs, frame: pd.DataFrame) -> Iterator[str]:
    yield given.study.train_stage(FEEDBACK)
    if frame["_attack"].iloc[0]:
        yield given.study.attack_stage(FEEDBACK)


def _cycles(given: Inputs) -> pd.DataFrame:
    """What is logged cycle by cycle, on clean and on noisy images."""
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
    changed = frame[frame["quantity"] == "changed"]
    shares = {key: list(part["value"]) for key, part in changed.groupby(["run", "images"], sort=False)}
    told = {run: {kind: shares.get((run, kind), []) for kind in IMAGES} for run in dict.fromkeys(frame["run"])}
    return {"changed": told, "wanted": given.named(FEEDBACK, NOT_CYCLED)}


def _draw_cycles(frame: pd.DataFrame) -> Drawing:
    def drawn(title: str, series: str) -> Look:
        run, images = series.split(" ")
        own, clean = look(run), images == "clean"
        name = f"{own.label}, {images} images"
        return Look(name, own.colour, own.dark, own.marker, "-" if clean else "--", filled=clean)

    titles = {title: key for key, (title, _, _) in LOGGED.items()}
    return plots.line_panels(
        {title: frame[frame["quantity"] == key] for title, key in titles.items()},
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


# --- training ---------------------------------------------------------------------------------------------------------


def _steps(given: Inputs, *runs: str) -> pd.DataFrame:
    """What the trainings logged by optimiser step."""
    found = {run: table for run in given.named(*runs) if (table := given.m.csv(f"curves/steps-{run}")) is not None}
    return pd.concat([table.assign(run=run) for run, table in found.items()]) if found else pd.DataFrame()


def _losses(given: Inputs) -> pd.DataFrame:
    """The loss by step, its running mean, and (hidden) the terms of a loss that has several, by epoch."""
    steps = _steps(given, CNN, CNN_NOISY, FEEDBACK)
    if steps.empty:
        return steps
    terms = []
    for run in dict.fromkeys(steps["run"]):
        table = given.m.csv(f"curves/{run}")
        if table is not None and set(TERMS) <= set(table) and (table[list(TERMS)].max() > 0).sum() > 1:
            terms.append(table.groupby("epoch", as_index=False)[list(TERMS)].mean().assign(run=run))
    found = steps[["run", "seed", "step", "loss", "smoothed"]].reset_index(drop=True)
    found.attrs["terms"] = pd.concat(terms) if terms else None
    return found


def _losses_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    runs = list(dict.fromkeys(frame["run"]))
    ratios = {run: found for run in runs if (found := value(given.m, f"train/{run}", "loss_ratio"))}
    wanted = given.named(CNN, CNN_NOISY, FEEDBACK)
    return {"runs": runs, "ratios": ratios, "terms": frame.attrs["terms"] is not None, "wanted": wanted}


def _draw_losses(frame: pd.DataFrame) -> Drawing:
    """A panel per network with the loss of single steps and its running mean, and one with the terms of the loss."""
    terms, runs = frame.attrs["terms"], list(dict.fromkeys(frame["run"]))
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 2.7 if terms is None else 5.0))
        grid = drawing.add_gridspec(1 + (terms is not None), len(runs))
        top = max(float(part["loss"].quantile(0.99)) for _, part in frame.groupby("run"))
        for position, run in enumerate(runs):
            axes, table = drawing.add_subplot(grid[0, position]), frame[frame["run"] == run]
            first = table[table["seed"] == table["seed"].min()]
            axes.plot(first["step"], first["loss"], color=FAINT, lw=0.5, alpha=0.8)
            for _, of_seed in table.groupby("seed"):
                axes.plot(of_seed["step"], of_seed["smoothed"], color=look(run).colour, lw=1.3)
            axes.set_ylim(0, 1.05 * top)
            axes.set_title(plots.narrow(label(run)))
            axes.set_xlabel("optimiser step")
            axes.xaxis.set_major_locator(MaxNLocator(3))
            axes.grid(axis="y")
            axes.set_ylabel("" if position else "training loss")
        for run, table in () if terms is None else terms.groupby("run", sort=False):
            axes = drawing.add_subplot(grid[1, :])
            for term, (name, dashes) in TERMS.items():
                axes.plot(table["epoch"], table[term], color=look(run).colour, ls=dashes, marker=".", label=name)
            axes.set_yscale("log")
            axes.set_title(f"{label(run)}: the five terms of its loss, weighted")
            axes.set_xlabel("epoch")
            axes.set_ylabel("mean over the epoch")
            axes.grid(axis="y")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.set_xlim(right=1.28 * table["epoch"].max())
            axes.set_xticks(table["epoch"])
            axes.legend(loc="center right")
    return drawing


def _learning_rate(given: Inputs) -> pd.DataFrame:
    """The learning rate of each network's first seed by step, as logged; (hidden) the recipe of the polynomial."""
    steps = _steps(given, CNN, FEEDBACK)
    if steps.empty:
        return steps
    found = steps[steps["seed"] == steps.groupby("run")["seed"].transform("min")][["run", "step", "learning_rate"]]
    found = found.reset_index(drop=True)
    found.attrs["recipe"] = {run: _recipe(given.m.settings(f"train/{run}")) for run in dict.fromkeys(found["run"])}
    return found


def _recipe(settings: Mapping[str, Any]) -> tuple[float, float, int]:
    """Base rate, power, and number of steps of a training's polynomial."""
    steps = settings["epochs"] * -(-settings["n_train"] // settings["batch_size"])
    return settings["learning_rate"], settings["power"], steps


def _rate_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    errors = {run: value(given.m, f"train/{run}", "learning_rate_error") for run in frame.attrs["recipe"]}
    told = [
        (run, f"{base:g}", steps, f"{power:g}", f"{100 * found.value:.1g}" if (found := errors[run]) else "")
        for run, (base, power, steps) in frame.attrs["recipe"].items()
    ]
    return {"recipes": told, "wanted": given.named(CNN, FEEDBACK)}


def _draw_learning_rate(frame: pd.DataFrame) -> Drawing:
    """What the training logged, over the polynomial that the report gives."""
    recipes = frame.attrs["recipe"]
    with drawing_style():
        drawing, found = plots.panels(len(recipes), height=2.5)
        for axes, (run, (base, power, steps)) in zip(found, recipes.items(), strict=True):
            part, at = frame[frame["run"] == run], np.linspace(0, steps, 200)
            axes.plot(part["step"], part["learning_rate"], color=look(run).colour, lw=3, alpha=0.45)
            axes.plot(at, base * (1 - at / steps) ** power, color=INK, ls="--", lw=1)
            axes.set_title(label(run))
            axes.set_xlabel("optimiser step")
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.set_ylim(0, 1.06 * base)
            axes.grid(axis="y")
        found[0].set_ylabel("learning rate")
        handles = [Line2D([], [], color=FAINT, lw=3), Line2D([], [], color=INK, ls="--", lw=1)]
        found[0].legend(handles, ["as logged", "formula"], loc="lower left")
    return drawing


def _blocks(frame: pd.DataFrame) -> Drawing:
    return plots.pictures(
        frame,
        panel="image",
        row="cycle",
        column="_i",
        row_label=lambda cycle: f"cycle {cycle}" if cycle else "image",
        columns=frame["image"].nunique(),
        height=0.76,
        rows_once=True,
    )


_trained, _attack = of_runs("train"), of_runs("attack")
FIGURES: Sequence[Figure] = (
    Figure("accuracy-epsilon", _attacked, _draw_attacked, _attack, _attacked_words),
    Figure("reconstructions", _reconstructions, _blocks, _reconstructions_stages, _reconstructions_words),
    Figure(
        "clean-noisy",
        _clean_and_noisy,
        lambda frame: plots.dots(frame, group="images", groups={images: f"{images} images" for images in IMAGES}),
        _trained,
    ),
    Figure("grid", _grid, _draw_grid, _trained, _grid_words),
    Figure("noise-levels", _noise_levels, _draw_noise_levels, _trained, _levels_words),
    Figure("cycles", _cycles, _draw_cycles, _trained, _cycles_words),
    Figure("confusion", _confusion, _draw_confusion, _trained, _confusion_words),
    Figure(
        "attacked-letters",
        _attacked_letters,
        lambda frame: plots.pictures(
            frame, panel="_panel", row="eps", column="image", row_label=lambda eps: f"ε {eps:g}"
        ),
        _attack,
        _letters_words,
    ),
    Figure("losses", _losses, _draw_losses, _trained, _losses_words),
    Figure("learning-rate", _learning_rate, _draw_learning_rate, _trained, _rate_words),
)
