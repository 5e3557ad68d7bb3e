"""The figures of the comparison; what is said about them is in its words file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from biorobust.question.report.study import ADVERSARIAL, CURVE, NOISE, PGD, PLAIN, Question
from biorobust.reporting import frames, plots
from biorobust.reporting.estimates import accuracy
from biorobust.reporting.figure import Figure, Inputs, of_runs
from biorobust.reporting.labels import FAINT, INK, TASKS, WORST_CASE, look, network
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.style import WIDTH, drawing_style

REPORT, STANDARD, WORST = "its report's attack", "PGD", "worst case"
MARKERS = {REPORT: "o", STANDARD: "s", WORST: "D"}


def lines(study: Question) -> list[str]:
    """The networks that have a line: the yardsticks and the defences, data set by data set."""
    rows = (PLAIN, NOISE, *(run.partition("-")[2] for run in study.defences), ADVERSARIAL)
    wanted = dict.fromkeys(f"{dataset}-{row}" for dataset in study.datasets for row in rows)
    return [run for run in wanted if run in study.networks and not study.never(run)]


def answers(m: Measurements, study: Question) -> pd.DataFrame:
    """What each network and its twin keep: a row per network, attack, and whether it is the twin's."""
    rows = []
    for run in lines(study):
        if not accuracy(m, run):
            continue  # its twin alone says nothing of it
        attacks = {REPORT: study.reports_attack(run), STANDARD: PGD, WORST: WORST_CASE}
        for kind, attack in attacks.items():
            twin = study.twin(run) if study.reports_attack(run) else None
            for of, hollow in ((run, False), (twin, True)):
                found = accuracy(m, of, attack=attack, eps=study.at(run)) if of and attack else None
                if found:
                    dataset = run.partition("-")[0]
                    rows.append((run, dataset, kind, of, hollow, study.at(run), found.value, found.low, found.high))
    columns = ["run", "dataset", "attack", "measured", "twin", "eps", "accuracy", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


@drawing_style()
def _draw_answers(frame: pd.DataFrame) -> Drawing:
    datasets = list(dict.fromkeys(frame["dataset"]))
    rows = {d: list(dict.fromkeys(frame.loc[frame["dataset"] == d, "run"])) for d in datasets}
    tallest = max(map(len, rows.values()))
    drawing = Drawing(figsize=(WIDTH, 1.1 + 0.42 * tallest))
    panels = drawing.subplots(1, len(datasets), squeeze=False)[0]
    for axes, dataset in zip(panels, datasets, strict=True):
        part = frame[frame["dataset"] == dataset]
        _draw_panel(axes, part, rows[dataset], tallest)
        axes.set_title(f"{TASKS[dataset]}, ε = {part['eps'].iloc[0]:g}")
    handles = [Line2D([], [], color=INK, marker=marker, ls="") for marker in MARKERS.values()]
    handles.append(Line2D([], [], color=INK, marker="o", mfc="none", ls=""))
    called = [*MARKERS, "hollow: its twin without the defence"]
    drawing.legend(handles, called, loc="outside upper center", ncols=len(called))
    return drawing


def _draw_panel(axes: Any, part: pd.DataFrame, runs: list[str], tallest: int) -> None:
    for _, mark in part.iterrows():
        line, kind = runs.index(mark["run"]), list(MARKERS).index(mark["attack"])
        at = line + 0.22 * (kind - 1)
        colour = look(mark["run"]).colour
        fill, width = ("none", 0.5) if mark["twin"] else (colour, 1)
        ends = plots.reach(mark.to_frame().T, "accuracy")
        axes.errorbar(100 * mark["accuracy"], at, xerr=ends, color=colour, elinewidth=width, ls="")
        axes.plot(100 * mark["accuracy"], at, marker=MARKERS[mark["attack"]], color=colour, mfc=fill, ms=5, ls="")
    for line in range(len(runs) - 1):
        axes.axhline(line + 0.5, color=FAINT, lw=0.3, alpha=0.5)
    plots.name_lines(axes, [network(run) for run in runs])
    axes.set(xlim=(-3, 103), ylim=(tallest - 0.5, -0.5), xlabel="accuracy, %")


def _answer_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    worst = frame[(frame["attack"] == WORST) & ~frame["twin"]]
    return {"worst": dict(zip(worst["run"], worst["accuracy"], strict=True)), "wanted": lines(given.study)}


def _sizes(given: Inputs) -> pd.DataFrame:
    """Accuracy under APGD by its size, up to ten times that of the other attacks: from there on little is left."""
    found = frames.attacked(given.m, lines(given.study), [CURVE])
    return found[[eps <= 10 * given.study.at(run) for run, eps in zip(found["run"], found["eps"], strict=True)]]


def _draw_sizes(frame: pd.DataFrame) -> Drawing:
    datasets = dict.fromkeys(str(run).partition("-")[0] for run in frame["run"])
    return plots.line_panels(
        {TASKS[name]: frame[frame["run"].str.startswith(f"{name}-")] for name in datasets},
        x="eps",
        y="accuracy",
        series="run",
        xlabel="ε (L∞)",
        looks=lambda title, run: replace(look(run), label=network(run)),
        height=3.0,
        legend="outside upper center",
        sharey=True,
    )


FIGURES = (
    Figure("answer", lambda given: answers(given.m, given.study), _draw_answers, of_runs("attack"), _answer_words),
    Figure("sizes", _sizes, _draw_sizes, of_runs("attack")),
)
