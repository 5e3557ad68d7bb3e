"""The answer of the k-WTA study: how much of the robustness under PGD is the size of PGD's step; and what follows."""

from __future__ import annotations

from collections.abc import Sequence

from biorobust.core.attack_plan import adaptive_name
from biorobust.kwta.report.printed import printed
from biorobust.kwta.report.study import BEST, DEEPFOOL, FAST, ORIGINAL_STEP, PGD, Cell, Kwta, Place
from biorobust.reporting.claims import Judged
from biorobust.reporting.estimates import Estimate, accuracy
from biorobust.reporting.headline import Headline, headline_of
from biorobust.reporting.labels import WORST_CASE
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.requirements import learned, printed_accuracies
from biorobust.reporting.words import paragraphs
from biorobust.statistics import THRESHOLDS

CLAIM = "K18"
COUNTED = "resnet18"  # the network of the headline's claim


def headline(judged: Sequence[Judged], m: Measurements, study: Kwta) -> Headline | None:
    """The words get `steps`: what networks from random weights keep under the report's step and under the original
    paper's, where they learned; `adapted`: what is left under attacks that adapt; and `relu`: what the report's ReLU
    networks kept under its own step.
    """
    levels = printed_accuracies(item.claim for item in judged)
    steps: dict[Place, list[tuple[Cell, Estimate, Estimate]]] = {}
    adapted: dict[Place, list[tuple[Cell, Estimate]]] = {}
    eps = study.adaptive.get("eps", 0.0)
    for cell in study.cells(m, init="scratch"):
        report, original = cell.of(PGD), cell.of(ORIGINAL_STEP)
        shown = cell.place.network in (COUNTED, FAST) and cell.clean and learned(cell.trained, printed=levels)
        if shown and report and original:
            steps.setdefault(cell.place, []).append((cell, report, original))
        if kept := accuracy(m, adaptive_name(cell.id), attack=WORST_CASE, eps=eps):
            adapted.setdefault(cell.place, []).append((cell, kept))
    read = printed(item.claim for item in judged if item.counted)
    relu = sorted(item.value.value for (_, measure), item in read.items() if measure == PGD and item.gamma is None)
    return headline_of(CLAIM, judged, m, study=study.name, steps=steps, adapted=adapted, eps=eps, relu=relu)


def conclusions(judged: Sequence[Judged], m: Measurements, study: Kwta) -> tuple[str, ...]:
    """What is `left` of the rows under the worst attack, how often a single attack misses it, and the limits.

    `n` cells learned, and in `failed` of them an attack leaves more than twice what the worst case does.
    """
    levels = printed_accuracies(item.claim for item in judged)
    left: dict[Place, list[tuple[Cell, Estimate]]] = {}
    failed, n = {PGD: 0, DEEPFOOL: 0, BEST: 0}, 0
    for cell in study.cells(m):
        worst, found = cell.of(WORST_CASE), [cell.of(attack) for attack in failed]
        if not worst or not cell.trained:
            continue
        if cell.place.init == "scratch":
            left.setdefault(cell.place, []).append((cell, worst))
        if learned(cell.trained, printed=levels) and all(found):
            n += 1
            for attack, value in zip(failed, found, strict=True):
                failed[attack] += value.value - worst.value > max(worst.value, THRESHOLDS.same)  # type: ignore[union-attr]
    return paragraphs(study.name, "conclusions", m, left=left, n=n, failed=list(failed.values()))
