"""The answer: does the robustness that a report showed survive attacks that adapt to the defence?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from biorobust.question.report.study import ADVERSARIAL, CURVE, DEFENCES, NOISE, PLAIN, Question
from biorobust.question.report.tables import examined
from biorobust.reporting.claims import Judged
from biorobust.reporting.estimates import accuracy, curve, value
from biorobust.reporting.headline import Headline, headline_of
from biorobust.reporting.labels import WORST_CASE
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.numbers import listed
from biorobust.reporting.words import paragraphs
from biorobust.statistics import rules

CLAIM = "Q1"  # does a defence keep more than its twin?
NEXT_TO_NOTHING = 0.02


def headline(judged: Sequence[Judged], m: Measurements, study: Question) -> Headline | None:
    parts = [part for item in judged if item.claim.id == CLAIM and item.counted for part in item.parts]
    names = {part.label.partition(" minus ")[0]: part.verdict for part in parts if part.measured is not None}
    ahead = [name for name, verdict in names.items() if verdict == rules.NOT_REPRODUCED]
    return headline_of(
        CLAIM,
        judged,
        m,
        study=study.name,
        ahead=listed(ahead) if ahead else "",
        others=listed([name for name in names if name not in ahead]) if len(names) > len(ahead) else "",
        masked=_masked(m, study),
        **_kept(m, study),
    )


def conclusions(judged: Sequence[Judged], m: Measurements, study: Question) -> tuple[str, ...]:
    ends = {dataset: _ends(m, dataset) for dataset in study.datasets}
    return paragraphs(
        study.name, "conclusions", m, masked=_masked(m, study), ends=ends, nothing=NEXT_TO_NOTHING, **_kept(m, study)
    )


def _masked(m: Measurements, study: Question) -> Mapping[str, tuple[int, int]]:
    """Networks that are not masked on purpose and show signs of masked gradients -> how many, of how many checks."""
    found = [item for item in examined(m, study.networks) if item.what == "own" and item.flagged]
    return {item.run: (len(item.flagged), len(item.findings)) for item in found}


def _kept(m: Measurements, study: Question) -> Mapping[str, Any]:
    """By data set: what every defence keeps in the worst case, its advantages, and what the yardsticks keep."""
    defences: dict[str, dict[str, Kept]] = {}
    yardsticks: dict[str, dict[str, float]] = {}
    for dataset in study.datasets:
        of_dataset = [run for run in study.defences if run.startswith(f"{dataset}-")]
        found = {run: kept for run in of_dataset if (kept := _of(m, study, run))}
        rows = {row: _worst(m, study, f"{dataset}-{row}") for row in (PLAIN, NOISE, ADVERSARIAL)}
        if found:
            defences[dataset] = found
            yardsticks[dataset] = {row: kept for row, kept in rows.items() if kept is not None}
    return {"defences": defences, "yardsticks": yardsticks, "eps": study.eps}


class Kept(NamedTuple):
    """Of a defence: accuracy in the worst case, its twin's, and its advantage over it there and under its report's
    attack."""

    worst: float
    twin: float
    advantage: float
    under_report: float


def _of(m: Measurements, study: Question, run: str) -> Kept | None:
    kept, twins = _worst(m, study, run), _worst(m, study, study.twin(run) or "")
    report = value(m, f"advantage/{run}", "advantage_report")
    if kept is None or twins is None or report is None:
        return None
    return Kept(kept, twins, kept - twins, report.value)


def _ends(m: Measurements, dataset: str) -> Mapping[str, float | None]:
    """The smallest size at which APGD leaves next to nothing of a network, None where no size tried does."""
    found = {}
    for key, row in (("plain", PLAIN), ("noise", NOISE), ("kwta", DEFENCES["kwta"])):
        its = curve(m, f"{dataset}-{row}", CURVE)
        sizes = zip(its.eps, its.points, strict=True) if its else ()
        found[key] = next((eps for eps, kept in sizes if kept.value <= NEXT_TO_NOTHING), None)
    return found


def _worst(m: Measurements, study: Question, run: str) -> float | None:
    found = accuracy(m, run, attack=WORST_CASE, eps=study.at(run)) if run in study.networks else None
    return found.value if found else None
