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
from biorobust.reporting.estimates import accuracy, difference
from biorobust.reporting.figure import Figure, Inputs, of_runs
from biorobust.reporting.labels import FAINT, INK, TASKS, WORST_CASE, look
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.style import WIDTH, drawing_style
from biorobust.statistics import Difference

CLEAN, REPORT, STANDARD, WORST = "no attack", "its report's attack", "PGD", "all attacks"
MARKERS = {CLEAN: "|", REPORT: "o", STANDARD: "s", WORST: "D"}
SIZES = {CLEAN: 9}  # of a marker, where it is not that of the others
FURTHEST = 4  # sizes drawn, in units of that of the other attacks: beyond, next to nothing is left


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
        twin = study.twin(run) if study.reports_attack(run) else None
        attacks = {CLEAN: None, REPORT: study.reports_attack(run), STANDARD: PGD, WORST: WORST_CASE}
        for kind, attack in attacks.items():
            if kind != CLEAN and not attack:
                continue  # no report is about it
            for of, hollow in ((run, False), (twin if attack else None, True)):
                found = accuracy(m, of, attack=attack, eps=study.at(run) if attack else None) if of else None
                if found:
                    dataset = run.partition("-")[0]
                    measured = (found.value, found.low, found.high, found.n, found.n_seeds)
                    rows.append((run, dataset, kind, of, hollow, study.at(run), *measured, study.called(run)))
    columns = ["run", "dataset", "attack", "measured", "twin", "eps", "accuracy", "low", "high", "n", "seeds", "_name"]
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
    handles = [Line2D([], [], color=INK, marker=MARKERS[kind], ms=SIZES.get(kind, 6), ls="") for kind in MARKERS]
    handles.append(Line2D([], [], color=INK, marker="o", mfc="none", ls=""))
    called = [*MARKERS, "hollow: its twin without the defence"]
    drawing.legend(handles, called, loc="outside upper center", ncols=len(called))
    return drawing


def _draw_panel(axes: Any, part: pd.DataFrame, runs: list[str], tallest: int) -> None:
    for _, mark in part.iterrows():
        line, kind = runs.index(mark["run"]), max(list(MARKERS).index(mark["attack"]), 1)  # no attack: beside the first
        at = line + 0.22 * (kind - 2) + (0.09 if mark["twin"] else 0)
        colour = look(mark["run"]).colour
        fill, width = ("none", 0.5) if mark["twin"] else (colour, 1)
        ends = plots.reach(mark.to_frame().T, "accuracy")
        axes.errorbar(100 * mark["accuracy"], at, xerr=ends, color=colour, elinewidth=width, ls="")
        size = SIZES.get(mark["attack"], 5)
        axes.plot(100 * mark["accuracy"], at, marker=MARKERS[mark["attack"]], color=colour, mfc=fill, ms=size, ls="")
    for line in range(len(runs) - 1):
        axes.axhline(line + 0.5, color=FAINT, lw=0.3, alpha=0.5)
    names = dict(zip(part["run"], part["_name"], strict=True))
    plots.name_lines(axes, [names[run] for run in runs])
    axes.set(xlim=(-3, 103), ylim=(tallest - 0.5, -0.5), xlabel="accuracy, %")


def _answer_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    worst, study = frame[(frame["attack"] == WORST) & ~frame["twin"]], given.study
    drawn, ran = list(worst["run"]), set(worst["dataset"])
    ahead: dict[str, list[tuple[str, Difference]]] = {}
    for run in drawn:
        found = difference(given.m, run, study.twin(run) or "", attack=WORST_CASE, eps=study.at(run))
        if found and study.reports_attack(run):
            ahead.setdefault(run.partition("-")[0], []).append((study.called(run), found))
    return {
        "worst": drawn,
        "names": dict.fromkeys(map(study.called, drawn)),
        "ahead": ahead,
        "missing": [run for run in lines(study) if run.partition("-")[0] in ran],
        "not_run": [dataset for dataset in study.datasets if dataset not in ran],
        "n": worst["n"].max(),
        "seeds": sorted(set(worst["seeds"])),
    }


def _sizes(given: Inputs) -> pd.DataFrame:
    """Accuracy under APGD by its size, of every line of the answer and of the twins that have none there."""
    study = given.study
    runs = lines(study)
    twins = [twin for run in study.defences if (twin := study.twin(run)) and twin not in runs]
    found = frames.attacked(given.m, [*runs, *twins], [CURVE])
    near = found[[eps <= FURTHEST * study.at(run) for run, eps in zip(found["run"], found["eps"], strict=True)]]
    return near.rename(columns={"_n": "n"}).assign(_name=near["run"].map(study.called))


def _sizes_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    return {"n": frame["n"].max(), "seeds": sorted(set(frame["seeds"])), "names": dict.fromkeys(frame["_name"])}


def _draw_sizes(frame: pd.DataFrame) -> Drawing:
    datasets = dict.fromkeys(str(run).partition("-")[0] for run in frame["run"])
    names = dict(zip(frame["run"], frame["_name"], strict=True))
    return plots.line_panels(
        {TASKS[name]: frame[frame["run"].str.startswith(f"{name}-")] for name in datasets},
        x="eps",
        y="accuracy",
        series="run",
        xlabel="ε (L∞)",
        looks=lambda title, run: replace(look(run), label=names[run]),
        height=3.0,
        legend="outside upper center",
        legend_columns=4,
        sharey=True,
    )


FIGURES = (
    Figure("answer", lambda given: answers(given.m, given.study), _draw_answers, of_runs("attack"), _answer_words),
    Figure("sizes", _sizes, _draw_sizes, of_runs("attack"), _sizes_words),
)
