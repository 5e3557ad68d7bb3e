"""Tables of the k-WTA study: the report's eight in its own layout, how the cells trained, and one more JPEG."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from biorobust.kwta.report import cells
from biorobust.kwta.report.ablations import NOT_RUN, ablations, kept_from
from biorobust.kwta.report.anomalies import anomalies, own_numbers
from biorobust.kwta.report.cells import CLEAN, MEASURES, Key, Verdict, gamma_of, measured, printed, row_name
from biorobust.kwta.report.study import DATASETS, NAMES, Kwta, Place
from biorobust.reporting.attacks import full_name
from biorobust.reporting.claim import Claim
from biorobust.reporting.claims import judge
from biorobust.reporting.estimates import Estimate, ran
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.requirements import Levels, printed_accuracies
from biorobust.reporting.tables.rows import estimate, nonfinite, state
from biorobust.reporting.tables.table import Column, Table, Value
from biorobust.statistics import Accuracy, Counts, difference, rules

LEVELS = ("0.5", "0.7", "0.8")
CAPTION = (
    "Share of images classified correctly, in percent, with 95 % intervals: of the report from the number of its "
    "images, ours over images, and over seeds where there are several. The report attacked the resized tensor with "
    "steps of 0.003 ε; below it are attacks on the 32-pixel image, beside it PGD with the original paper's step, 0.003 "
    "in pixel units, and its best iterate. Worst case: an image counts only if it survives every attack, on the "
    "tensor those of both lines. A verdict holds the tensor against the report. In brackets what limits it: data that "
    "are re-encoded or a part of the official set, sizes smaller than the report's, a single training."
)
OWN_CAPTION = (
    "Not in the report: a small network that learns in seconds or minutes, so that every scale has three rows that "
    "learned. It sees the 32-pixel image as it is; the attacks are the report's, on the image. Intervals as in table 1."
)


def tables(metrics: Metrics, study: Kwta, claims: Sequence[Claim]) -> list[Table]:
    """Every table of the study; a cell that was not measured is listed with what kept it from it."""
    judged = judge(claims, metrics)
    reported, said = printed(claims), cells.verdicts(judged, metrics)
    return [
        *(_place(metrics, study, place, reported, said) for place in study.places),
        own_numbers(judged),
        anomalies(metrics, study, reported),
        ablations(metrics, study),
        _reencoded(metrics, study),
        _training(metrics, study, printed_accuracies(claims)),
    ]


def _place(
    metrics: Metrics,
    study: Kwta,
    place: Place,
    reported: Mapping[Key, Estimate],
    said: Mapping[tuple[str, str], Verdict],
) -> Table:
    """A table as the report has it, a column per attack; under each of its rows ours, and what the ledger says.

    Where none of its cells was run the caption says why, and the report's rows stand alone. A network of our
    own has no row of the report, and sees the image as it is, so that it has one line.
    """
    rows: list[dict[str, Value]] = []
    there = {cell: ran(metrics.train(cell)) is not None for cell in place.rows}
    for cell in place.rows:
        gamma = gamma_of(metrics, study, cell)
        columns = {name: reported.get((place.network, place.dataset, place.init, gamma, name)) for name in MEASURES}
        known: dict[str, Value] = {"activation": row_name(gamma), "cell": cell}
        if place.number:
            rows.append(known | {"line": "report"} | _estimates(columns))
        if not there[cell]:
            if any(there.values()):
                rows.append({**known, "line": "ours", **dict.fromkeys(MEASURES, NOT_RUN)})
            continue
        for line, resized in (("ours, tensor", True), ("ours, image", False)) if place.number else (("ours", False),):
            measures = [name for name in MEASURES if resized or name != CLEAN or not place.number]
            found = {name: measured(metrics, cell, name, resized=resized) for name in measures}
            rows.append(known | {"line": line} | _estimates(found))
        if place.number:
            rows.append(known | _verdicts(cell, gamma, columns, said))
    attacked = {row_name(gamma_of(metrics, study, cell)): ran(metrics.attack(cell)) for cell in place.rows}
    kept = kept_from(metrics.train(cell) for cell in place.rows) or ("" if any(there.values()) else " Ours: not run.")
    caption = CAPTION if place.number == 1 else "Lines and intervals as in table 1." if place.number else OWN_CAPTION
    return Table(
        id=f"kwta-table-{place.number or place.network}",
        title=f"Table {place.number} of the report: {place.words}" if place.number else "Small fast network, ours",
        caption=caption + kept + nonfinite(attacked),
        columns=(
            Column("activation", "activation", "label"),
            Column("line", "line"),
            *(Column(name, words, "estimate") for name, words in MEASURES.items()),
        ),
        rows=tuple(rows),
    )


def _estimates(values: Mapping[str, Estimate | None]) -> dict[str, Value]:
    return {key: value for name, found in values.items() for key, value in estimate(name, found).items()}


def _verdicts(
    cell: str,
    gamma: float | None,
    columns: Mapping[str, Estimate | None],
    said: Mapping[tuple[str, str], Verdict],
) -> dict[str, Value]:
    """The line of verdicts. What limits all of them alike, and a reason they share, stand in front."""
    found = {name: said[cell, name] for name in MEASURES if (cell, name) in said}
    other = next((verdict.gamma for verdict in found.values() if verdict.gamma != gamma), gamma)
    if other != gamma:
        why = f"the claim is about the row {row_name(other)}" if any(columns.values()) else "the report has no such row"
        return {"line": f"verdict: {why}", **dict.fromkeys(found, "not compared")}
    marks = dict.fromkeys(mark for verdict in found.values() for mark in verdict.marks)
    undecided = (rules.INCONCLUSIVE, rules.NOT_RUN, rules.NOT_TESTABLE)
    reasons = dict.fromkeys(
        _short(verdict.part.reason) for verdict in found.values() if verdict.part.verdict in undecided
    )
    line = f"verdict ({', '.join(marks)})" if marks else "verdict"
    row: dict[str, Value] = {"line": f"{line}: {'; '.join(reasons)}" if reasons else line}
    row |= {name: verdict.part.verdict for name, verdict in found.items()}
    collapse = said.get((cell, cells.COLLAPSE))
    if collapse and collapse.part.verdict in (rules.REPRODUCED, rules.NOT_REPRODUCED):
        row[CLEAN] = f"one class for every image, as reported: {collapse.part.verdict}"
    return row


def _short(reason: str) -> str:
    """The first of the reasons why something is undecided, without the file: the ledger has it in full."""
    return re.sub(r" \(?(of )?(train|attack)/[\w/-]+\)?", "", reason).partition("; ")[0]


def _reencoded(metrics: Metrics, study: Kwta) -> Table:
    rows: list[dict[str, Value]] = []
    for place in study.places:
        for cell in place.rows:
            found = ran(metrics.attack(cell))
            again = found["reencoded"] if found else None
            if not again:
                continue
            row: dict[str, Value] = {"network": NAMES[place.network], "start": place.init, "cell": cell}
            row |= {"activation": row_name(gamma_of(metrics, study, cell))}
            for kind in ("clean", "robust"):
                row |= _before_and_after([seed[kind] for seed in again["per_seed"]], kind)
            rows.append(row)
    return Table(
        id="kwta-reencoded",
        title="The test images saved as JPEG once more",
        caption=_about_reencoding(metrics, study),
        columns=(
            Column("network", "network"),
            Column("start", "start"),
            Column("activation", "activation", "label"),
            *(
                Column(f"{kind}_{key}", title, form)
                for kind, words in (("clean", "clean"), ("robust", "attacked"))
                for key, title, form in (
                    ("before", f"{words}, before", "percent"),
                    ("after", f"{words}, after", "percent"),
                    ("change", f"{words}, change [95 %]", "difference"),
                )
            ),
        ),
        rows=tuple(rows),
    )


def _about_reencoding(metrics: Metrics, study: Kwta) -> str:
    attacked = filter(None, (ran(metrics.attack(cell)) for cell in study.networks))
    again = next((found["reencoded"] for found in attacked if found["reencoded"]), None)
    if again is None:
        return "Not measured."
    return (
        "The mirror's CIFAR-10 went through JPEG once, and what that changed cannot be measured without the originals. "
        f"In its place: what another JPEG changes, of quality {again['quality']} and with its blocks {again['shift']} "
        "pixels away from the first one's, so that it finds as much to lose. Training saw the images as they are. "
        "Accuracy in percent before and after, and the paired difference in points with its 95 % interval: without an "
        f"attack, and under {full_name(again['attack'])} on the 32-pixel image."
    )


def _before_and_after(seeds: Sequence[Mapping[str, int]], kind: str) -> dict[str, Value]:
    """Accuracy before and after, and the paired difference; after minus before."""
    tables = [
        Counts(
            s["both"], s["after"] - s["both"], s["before"] - s["both"], s["n"] - s["before"] - s["after"] + s["both"]
        )
        for s in seeds
    ]
    after, before = (Accuracy(tuple(s[key] for s in seeds), seeds[0]["n"]) for key in ("after", "before"))
    change = difference(after, before, tables=tables, same_networks=True)
    return {
        f"{kind}_before": before.value,
        f"{kind}_after": after.value,
        f"{kind}_change": change.value,
        f"{kind}_change_low": change.low,
        f"{kind}_change_high": change.high,
    }


def _training(metrics: Metrics, study: Kwta, printed: Levels) -> Table:
    rows: list[dict[str, Value]] = []
    missing = 0
    for place in study.places:
        for cell in place.rows:
            found = metrics.train(cell)
            if found is None or not ran(found):
                missing += 1
                continue
            row: dict[str, Value] = {"network": f"{NAMES[place.network]}, {DATASETS[place.dataset]}", "cell": cell}
            row |= {
                "start": place.init,
                "activation": row_name(gamma_of(metrics, study, cell)),
                "state": state(found, printed=printed),
            }
            row |= estimate("test", measured(metrics, cell, CLEAN, resized=True))
            row |= {"train": _mean(found, "train_accuracy"), "entropy": _mean(found, "label_entropy")}
            row |= {f"to_{level}": _epochs(found, level) for level in LEVELS}
            rows.append(row | {"steps": found.get("n_steps"), "epochs": found["settings"]["epochs"]})
    left_out = f" {missing} cells were not run; their tables say why." if missing else ""
    return Table(
        id="kwta-training",
        title="How the cells trained",
        caption="Accuracy in percent on the whole test split and, in the last epoch, on the augmented training images; "
        "the first epoch whose test accuracy reached a level (mean over seeds, empty where a seed never did); entropy "
        "of the predicted classes in bits, 0 for a network that gives one class to every image and 3.32 for ten "
        f"classes in equal parts.{left_out}",
        columns=(
            Column("network", "network, data", "label"),
            Column("start", "start"),
            Column("activation", "activation", "label"),
            Column("test", "test [95 %]", "estimate"),
            Column("train", "training", "percent"),
            *(Column(f"to_{level}", f"{100 * float(level):.0f} % in", "plain") for level in LEVELS),
            Column("epochs", "of epochs", "count"),
            Column("entropy", "entropy", "plain"),
            Column("state", "state"),
        ),
        rows=tuple(rows),
    )


def _mean(found: Mapping[str, Any], key: str) -> float | None:
    values = [seed[key] for seed in found["per_seed"] if seed.get(key) is not None]
    return sum(values) / len(values) if values else None


def _epochs(found: Mapping[str, Any], level: str) -> float | None:
    """Mean over seeds of the epochs it took, None where a seed never came there."""
    reached = [seed["epochs_to"].get(level) for seed in found["per_seed"]]
    return sum(reached) / len(reached) if reached and None not in reached else None
