"""The answer of the k-WTA study: how much of the robustness under PGD is the size of PGD's step; and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from biorobust.kwta.report.printed import printed
from biorobust.kwta.report.study import BEST, DEEPFOOL, FAST, ORIGINAL_STEP, PGD, Cell, Kwta, Place
from biorobust.reporting.claims import Judged
from biorobust.reporting.estimates import Estimate
from biorobust.reporting.headline import Headline, headline_of
from biorobust.reporting.labels import WORST_CASE
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.requirements import Levels, learned, printed_accuracies
from biorobust.reporting.words import paragraphs
from biorobust.statistics import THRESHOLDS

CLAIM = "K18"
COUNTED = "resnet18"  # the network of the headline's claim


def headline(judged: Sequence[Judged], m: Measurements, study: Kwta) -> Headline | None:
    levels = printed_accuracies(item.claim for item in judged)
    cells = [
        cell
        for cell in study.cells(m)
        if cell.place.network in (COUNTED, FAST) and cell.trained and learned(cell.trained, printed=levels)
    ]
    read = printed(item.claim for item in judged if item.counted)
    relu = sorted(item.value.value for (_, measure), item in read.items() if measure == PGD and item.gamma is None)
    return headline_of(CLAIM, judged, m, study=study.name, steps=steps(cells), relu=relu)


def steps(cells: Sequence[Cell]) -> dict[Place, list[tuple[Cell, Estimate, Estimate]]]:
    """What networks from random weights keep under the report's step and under the original paper's.

    A network that gives one class to every image has nothing to lose and is left out.
    """
    found: dict[Place, list[tuple[Cell, Estimate, Estimate]]] = {}
    for cell in cells:
        report, original = cell.of(PGD), cell.of(ORIGINAL_STEP)
        if cell.place.init == "scratch" and cell.clean and report and original:
            found.setdefault(cell.place, []).append((cell, report, original))
    return found


def conclusions(judged: Sequence[Judged], m: Measurements, study: Kwta) -> tuple[str, ...]:
    """What is left of the rows under the worst attack, how often a single attack misses it, and the limits."""
    left: dict[Place, list[tuple[Cell, Estimate]]] = {}
    for cell in study.cells(m, init="scratch"):
        if cell.trained and (worst := cell.of(WORST_CASE)):
            left.setdefault(cell.place, []).append((cell, worst))
    return paragraphs(
        study.name,
        "conclusions",
        m,
        left=left,
        **_misses(study.cells(m), printed_accuracies(item.claim for item in judged)),
    )


def _misses(cells: Sequence[Cell], levels: Levels) -> dict[str, Any]:
    """`n` cells that learned, and in how many of them an attack leaves more than twice what the worst case does."""
    failed, n = {PGD: 0, DEEPFOOL: 0, BEST: 0}, 0
    for cell in cells:
        worst, found = cell.of(WORST_CASE), [cell.of(attack) for attack in failed]
        if worst and cell.trained and learned(cell.trained, printed=levels) and all(found):
            n += 1
            for attack, value in zip(failed, found, strict=True):
                failed[attack] += value.value - worst.value > max(worst.value, THRESHOLDS.same)  # type: ignore[union-attr]
    return {"n": n, "failed": list(failed.values())}
