"""The figures of the Hebbian study, in the order of the report; what is said about them is in its words file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Drawing

from biorobust.reporting import frames, plots
from biorobust.reporting.estimates import curve, value, zero_gradient
from biorobust.reporting.figure import Figure, Inputs, of_runs
from biorobust.reporting.labels import REPORT_LOSS, WORST_CASE, attack_look, attack_looks, label, network
from biorobust.reporting.style import drawing_style

# The three curves the report's argument is about.
HEADLINE = ("report-uniform", "report-normal", "simple-conv")
PICTURED = ("report-normal", "simple-conv")
FLOOR, REPORTED = "zero gradient and right", "reported"
SHOWN, ROWS = 6, 5  # attacked images per network, and epsilons of those that were attacked
SIDE = 5  # at most so many units per row and column of a panel


def _curves(given: Inputs) -> pd.DataFrame | None:
    """The measured curves, below them the shares without a gradient, and the values that the report prints."""
    measured = frames.attacked(given.m, given.named(*HEADLINE), [REPORT_LOSS])
    if measured.empty:
        return None
    floors = [
        {"run": run, "attack": FLOOR, "accuracy": found.value}
        for run in measured["run"].unique()
        if (found := zero_gradient(given.m, run, REPORT_LOSS)) and found.value > 0
    ]
    printed = [
        {"run": network(run), "attack": REPORTED, "eps": eps, "accuracy": accuracy}
        for run, values in given.curves.items()
        for eps, accuracy in values.items()
    ]
    return pd.concat([measured, pd.DataFrame(floors + printed)], ignore_index=True)


def _curves_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """Where curves start and end, the floors, and how far printed values are from each run of their network."""
    runs = [run for run in dict.fromkeys(frame["run"]) if run in given.study.networks]
    found = {run: item for run in runs if (item := curve(given.m, run, REPORT_LOSS))}
    follows: dict[str, dict[str, float]] = {}
    for run, values in given.curves.items():
        gaps: dict[str, float] = {}
        for other in (other for other in found if network(other) == network(run)):
            away = [abs(value - point.value) for eps, value in values.items() if (point := found[other].at(eps))]
            gaps |= {other: sum(away) / len(away)} if away else {}
        follows |= {network(run): gaps} if len(gaps) > 1 else {}
    floors = frame[frame["attack"] == FLOOR].set_index("run")["accuracy"].to_dict()
    return {"curves": found, "floors": floors, "follows": follows, "wanted": given.named(*HEADLINE)}


def _draw_curves(frame: pd.DataFrame) -> Drawing:
    return plots.lines(
        frame[frame["attack"] == REPORT_LOSS],
        levels=frame[frame["attack"] == FLOOR],
        levels_label="right, with a zero gradient",
        hollow=frame[frame["attack"] == REPORTED],
        xlabel="ε, largest change of a pixel (L∞, intensity 0 to 1)",
    )


def _survival(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """Each run's last point under the report's loss and in the worst case, where it has both."""
    last = frame.groupby(["run", "attack"], sort=False).last()
    both = [run for run in dict.fromkeys(frame["run"]) if {(run, REPORT_LOSS), (run, WORST_CASE)} <= set(last.index)]
    return {
        "ends": {run: [last.loc[(run, attack), "accuracy"] for attack in (REPORT_LOSS, WORST_CASE)] for run in both},
        "largest": last["eps"].max(),
        "wanted": given.named(*HEADLINE),
        "losses": [attack_look(attack).label for attack in dict.fromkeys(frame["attack"])],
    }


def _units(given: Inputs) -> pd.DataFrame:
    """A row for each set of weights and each control: units (n, 28, 28), their autocorrelation."""
    m, study = given.m, given.study
    runs = {name: study.first_run(name) for name in study.weights} | {name: name for name in study.controls}
    rows = []
    for name, run in runs.items():
        if (found := m.pictures(f"weights-{name}")) is None:
            continue
        smooth = value(m, f"{'pretrain' if name in study.weights else 'train'}/{name}", "autocorrelation")
        title = label(run) if smooth is None else f"{label(run)}\nautocorrelation {smooth.value:.2f}"
        rows.append((name, *(smooth or (None,) * 3)[:3], run, title, found["units"]))
    return pd.DataFrame(rows, columns=["name", "autocorrelation", "low", "high", "_run", "_title", "_pixels"])


def _units_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    known = frame[frame["autocorrelation"].notna()].sort_values("autocorrelation", ascending=False, kind="stable")
    smooth = dict(zip(known["_run"], known["autocorrelation"], strict=True))
    return {"smooth": smooth, "runs": list(frame["_run"]), "most": SIDE * SIDE}


def _units_stages(given: Inputs, frame: pd.DataFrame) -> Iterator[str]:
    study = given.study
    for name in frame["name"]:
        yield study.weights_stage(name) if name in study.weights else study.train_stage(name)


def _learning(given: Inputs) -> pd.DataFrame:
    """Converged share of the units by epoch."""
    study = given.study
    found = frames.logged(given.m, {f"weights-{name}": name for name in study.weights}, "converged_share")
    return found.assign(run=found["name"].map(study.first_run))


def _learning_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """The mean over seeds, at each seed's last epoch, of the share of converged units."""
    last = frame.sort_values("epoch", kind="stable").groupby(["run", "seed"], sort=False)["value"].last()
    return {"converged": last.groupby("run", sort=False).mean().to_dict()}


def _learning_stages(given: Inputs, frame: pd.DataFrame) -> Iterator[str]:
    return map(given.study.weights_stage, frame["name"].unique())


@drawing_style()
def _draw_learning(frame: pd.DataFrame) -> Drawing:
    drawing, (axes,) = plots.panels(1, height=3.4)
    handles = plots.by_epoch(axes, frame)
    plots.percent_axis(axes, label="units on the unit sphere, %")
    plots.legend_below(drawing, handles)
    return drawing


def _few(all_: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most ROWS of them, the first and the last among these."""
    last = len(all_) - 1
    return [all_[at] for at in sorted({round(step * last / (ROWS - 1)) for step in range(ROWS)})]


def _attacked_images(given: Inputs) -> pd.DataFrame:
    """A row for each image at each of a few epsilons: its class, the prediction, and its pixels (28, 28)."""
    rows = [
        (run, eps, i, found["labels"][i], found["predictions"][at, i], found["images"][at, i], found["attack"])
        for run in given.named(*PICTURED)
        if (found := given.m.pictures(f"adversarial-{run}")) is not None
        for at, eps in _few(list(enumerate(map(float, found["eps"]))))
        for i in range(min(SHOWN, len(found["labels"])))
    ]
    frame = pd.DataFrame(rows, columns=["run", "eps", "image", "label", "prediction", "_pixels", "_attack"])
    notes = [f"{a} → {b}" for a, b in zip(frame["label"], frame["prediction"], strict=True)]
    return frame.assign(_note=notes, _bold=frame["label"] != frame["prediction"])


def _images_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """How many of the images shown are still right at each network's largest epsilon."""
    ends = frame[frame["eps"] == frame.groupby("run")["eps"].transform("max")]
    right = {run: (int((~part["_bold"]).sum()), len(part)) for run, part in ends.groupby("run", sort=False)}
    attacks = [attack_look(name).label for name in dict.fromkeys(map(str, frame["_attack"]))]
    return {"right": right, "largest": frame["eps"].max(), "attacks": attacks}


FIGURES = (
    Figure("accuracy-epsilon", _curves, _draw_curves, of_runs("attack"), _curves_words),
    Figure(
        "losses",
        lambda given: frames.attacked(given.m, given.named(*HEADLINE), attack_looks(given.study.attacks)),
        partial(plots.attacks, xlabel="ε (L∞)", height=2.1, legend_columns=4),
        of_runs("attack"),
        _survival,
    ),
    Figure(
        "prototypes",
        _units,
        lambda frame: plots.mosaics(frame, label="weight / its unit's largest", side=SIDE),
        _units_stages,
        _units_words,
    ),
    Figure("learning", _learning, _draw_learning, _learning_stages, _learning_words),
    Figure(
        "adversarial-images",
        _attacked_images,
        lambda frame: plots.pictures(
            frame, panel="run", row="eps", column="image", title=label, row_label=lambda eps: f"ε {eps:g}"
        ),
        of_runs("attack"),
        _images_words,
    ),
)
