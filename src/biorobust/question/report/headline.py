"""The answer: does the robustness that a report showed survive attacks that adapt to the defence?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from biorobust.question.report.study import ADVERSARIAL, CURVE, DEFENCES, NOISE, PLAIN, Question
from biorobust.question.report.tables import examined, named
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
STABLE = "stable evaluation"  # the check that noise alone fails


def headline(judged: Sequence[Judged], m: Measurements, study: Question) -> Headline | None:
    parts = [part for item in judged if item.claim.id == CLAIM and item.counted for part in item.parts]
    names = {part.label: part.verdict for part in parts if part.measured is not None}
    said: dict[str, list[str]] = {rules.NOT_REPRODUCED: [], rules.REPRODUCED: [], rules.INCONCLUSIVE: []}
    for label, verdict in names.items():
        run = next(run for run in study.defences if label.startswith(network(run)))
        said.setdefault(verdict, []).append(study.called(run))
    given = dict(zip(("more", "same", "left_open"), said.values(), strict=False))
    kept = _kept(m, study)
    called = named(study, [its.run for found in kept["defences"].values() for its in found])
    suspect = [called(run) for run in signs_of_masking(m, study) if run in study.defences]
    return headline_of(CLAIM, judged, m, study=study.name, suspect=suspect, **given, **kept)


def conclusions(judged: Sequence[Judged], m: Measurements, study: Question) -> tuple[str, ...]:
    ends = {dataset: _ends(m, dataset) for dataset in study.datasets}
    kept, found = _kept(m, study), signs_of_masking(m, study)
    called = named(study, list(found))
    masked = {called(run): signs for run, signs in found.items()}
    return paragraphs(study.name, "conclusions", m, masked=masked, ends=ends, nothing=NEXT_TO_NOTHING, **kept)


def signs_of_masking(m: Measurements, study: Question) -> Mapping[str, str]:
    """Networks that are not masked on purpose and show signs of masked gradients -> the checks that say so.

    That a network with noise answers otherwise the next time says nothing of its gradients.
    """
    signs = {
        item.run: [
            sign
            for finding, sign in zip(item.flagged, item.signs, strict=True)
            if not (study.noisy(item.run) and finding["check"] == STABLE)
        ]
        for item in examined(m, study.networks)
        if item.what == "own"
    }
    return {run: listed(found) for run, found in signs.items() if found}


def _kept(m: Measurements, study: Question) -> Mapping[str, Any]:
    """By data set: what every defence keeps under all attacks and how far it is ahead of its twin, and `ahead`: the
    yardsticks that keep clearly more than every defence, and how much; not the one that is the twin of all.
    """
    defences: dict[str, list[Kept]] = {}
    ahead: dict[str, list[tuple[str, float]]] = {}
    for dataset in study.datasets:
        of_dataset = [run for run in study.defences if run.startswith(f"{dataset}-")]
        found = [kept for run in of_dataset if (kept := _of(m, study, run))]
        rods = {run: _worst(m, study, run) for run in (f"{dataset}-{row}" for row in (PLAIN, NOISE, ADVERSARIAL))}
        if found:
            defences[dataset] = found
            ahead[dataset] = [
                (run, rod.value)
                for run, rod in rods.items()
                if rod is not None
                and any(study.twin(kept.run) != run for kept in found)
                and all(_behind(m, study, kept.run, run) for kept in found)
            ]
    return {"defences": defences, "ahead": ahead, "eps": study.eps}


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
