"""The answer: does the robustness that a report showed survive attacks that adapt to the defence?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from biorobust.question.report.study import ADVERSARIAL, CURVE, DEFENCES, NOISE, PLAIN, Question
from biorobust.question.report.tables import examined
from biorobust.reporting.claims import Judged
from biorobust.reporting.estimates import Estimate, accuracy, curve, difference
from biorobust.reporting.headline import Headline, headline_of
from biorobust.reporting.labels import WORST_CASE, network
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.numbers import listed
from biorobust.reporting.words import direction, paragraphs
from biorobust.statistics import Difference, rules

CLAIM = "Q1"  # does a defence keep more than its twin?
NEXT_TO_NOTHING = 0.02


def headline(judged: Sequence[Judged], m: Measurements, study: Question) -> Headline | None:
    parts = [part for item in judged if item.claim.id == CLAIM and item.counted for part in item.parts]
    names = {part.label: part.verdict for part in parts if part.measured is not None}
    more: list[str] = []
    others: list[str] = []
    for label, verdict in names.items():
        run = next(run for run in study.defences if label.startswith(network(run)))
        (more if verdict == rules.NOT_REPRODUCED else others).append(study.called(run))
    given = {"more": more, "others": others, "masked": _masked(m, study), **_kept(m, study)}
    return headline_of(CLAIM, judged, m, study=study.name, **given)


def conclusions(judged: Sequence[Judged], m: Measurements, study: Question) -> tuple[str, ...]:
    ends = {dataset: _ends(m, dataset) for dataset in study.datasets}
    return paragraphs(
        study.name, "conclusions", m, masked=_masked(m, study), ends=ends, nothing=NEXT_TO_NOTHING, **_kept(m, study)
    )


def _masked(m: Measurements, study: Question) -> Mapping[str, str]:
    """Networks that are not masked on purpose and show signs of masked gradients -> the checks that say so."""
    found = [item for item in examined(m, study.networks) if item.what == "own" and item.flagged]
    return {item.run: listed(item.signs) for item in found}


def _kept(m: Measurements, study: Question) -> Mapping[str, Any]:
    """By data set: what every defence keeps in the worst case and how far it is ahead of its twin, what the yardsticks
    keep, and the yardsticks that keep clearly more than every defence.
    """
    defences: dict[str, list[Kept]] = {}
    yardsticks: dict[str, dict[str, float]] = {}
    ahead: dict[str, list[str]] = {}
    for dataset in study.datasets:
        of_dataset = [run for run in study.defences if run.startswith(f"{dataset}-")]
        found = [kept for run in of_dataset if (kept := _of(m, study, run))]
        rods = {run: _worst(m, study, run) for run in (f"{dataset}-{row}" for row in (PLAIN, NOISE, ADVERSARIAL))}
        if found:
            defences[dataset] = found
            yardsticks[dataset] = {run: kept.value for run, kept in rods.items() if kept is not None}
            ahead[dataset] = [run for run in rods if all(_behind(m, study, kept.run, run) for kept in found)]
    not_run = [dataset for dataset in study.datasets if dataset not in defences]
    return {"defences": defences, "yardsticks": yardsticks, "ahead": ahead, "not_run": not_run, "eps": study.eps}


class Kept(NamedTuple):
    """Of a defence: its name, accuracy in the worst case, its twin's, and its advantage over it there and under its
    report's attack."""

    run: str
    name: str
    worst: Estimate
    twin: Estimate
    advantage: Difference
    under_report: Difference


def _of(m: Measurements, study: Question, run: str) -> Kept | None:
    twin, eps = study.twin(run) or "", study.at(run)
    kept, twins = _worst(m, study, run), _worst(m, study, twin)
    worst, report = (
        difference(m, run, twin, attack=attack, eps=eps) for attack in (WORST_CASE, study.reports_attack(run))
    )
    return Kept(run, study.called(run), kept, twins, worst, report) if kept and twins and worst and report else None


def _behind(m: Measurements, study: Question, run: str, yardstick: str) -> bool:
    """Whether a network keeps clearly less in the worst case."""
    found = difference(m, run, yardstick, attack=WORST_CASE, eps=study.at(run))
    return found is not None and direction(found) < 0


def _ends(m: Measurements, dataset: str) -> Mapping[str, float | None]:
    """The smallest size at which APGD leaves next to nothing of a network, None where no size tried does."""
    found = {}
    for key, row in (("plain", PLAIN), ("noise", NOISE), ("kwta", DEFENCES["kwta"])):
        its = curve(m, f"{dataset}-{row}", CURVE)
        sizes = zip(its.eps, its.points, strict=True) if its else ()
        found[key] = next((eps for eps, kept in sizes if kept.value <= NEXT_TO_NOTHING), None)
    return found


def _worst(m: Measurements, study: Question, run: str) -> Estimate | None:
    return accuracy(m, run, attack=WORST_CASE, eps=study.at(run)) if run in study.networks else None
