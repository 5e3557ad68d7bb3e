"""The answer of the k-WTA study: how much of the robustness under PGD is the size of PGD's step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from biorobust.kwta.report.cells import BEST, DEEPFOOL, ORIGINAL_STEP, PGD, gamma_of, measured, row_name, scratch
from biorobust.kwta.report.study import FAST, Kwta, Place
from biorobust.reporting.attacks import WORST_CASE
from biorobust.reporting.claims import Judged
from biorobust.reporting.estimates import clean_accuracy, ran
from biorobust.reporting.headline import Headline, answer
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.numbers import listed, share
from biorobust.statistics import THRESHOLDS, rules

CLAIM = "K18"
LEADS = {
    rules.REPRODUCED: "ReLU networks survive the report's PGD because its steps are too small: with the original "
    "paper's step they fall to about nothing.",
    rules.PARTLY: "The step of PGD explains a part of what the report's ReLU networks survive.",
    rules.NOT_REPRODUCED: "The step of PGD does not explain what the report's ReLU networks survive.",
    rules.INCONCLUSIVE: "How much of the robustness under PGD is the size of its step is left open.",
    rules.NOT_TESTABLE: "The step of the report's PGD cannot be tested on these data.",
    rules.NOT_RUN: "The step of the report's PGD has not been tested at the size this needs.",
}
COUNTED = "resnet18"  # the network of the headline's claim
LIMITS = (
    "Limits: every attack here takes its gradient through the k-WTA activations, whose function jumps. What they leave "
    "is an upper bound of the robustness: attacks that average gradients or ask for outputs only were not run (K21)."
)


def headline(judged: Sequence[Judged], metrics: Metrics, study: Kwta) -> Headline | None:
    """`judged` are the study's claims; None where the one that is asked is not among them."""
    places = [place for place in scratch(study) if place.network in (COUNTED, FAST)]
    return answer(judged, claim=CLAIM, leads=LEADS, facts=lambda _: [_fall(metrics, study, places)])


def _fall(metrics: Metrics, study: Kwta, places: Sequence[Place]) -> str:
    """What every row that trained keeps under the report's step and under the original paper's."""
    said = [sentence for place in places if (sentence := _row(metrics, study, place))]
    return f"Accuracy from the report's step to the original paper's: {'; '.join(said)}." if said else ""


def _row(metrics: Metrics, study: Kwta, place: Place) -> str:
    said = []
    for cell in place.rows:
        if clean_accuracy(metrics, cell) is None:
            continue
        report, original = (measured(metrics, cell, measure, resized=True) for measure in (PGD, ORIGINAL_STEP))
        if report and original:
            said.append(
                f"{row_name(gamma_of(metrics, study, cell))} from {share(report.value)} to {share(original.value)}"
            )
    return f"{place.where}, {listed(said)}" if said else ""


def conclusions(judged: Sequence[Judged], metrics: Metrics, study: Kwta) -> tuple[str, ...]:
    """What is left of the rows under the worst attack, what k-WTA costs, and the limits."""
    said = [
        *(_left(metrics, study, place) for place in scratch(study)),
        _misses(metrics, study),
    ]
    found = tuple(sentence for sentence in said if sentence)
    return (*found, LIMITS) if found else ()


def _left(metrics: Metrics, study: Kwta, place: Place) -> str:
    """Clean accuracy and what the worst attack for each image leaves, row by row; broken rows are named as such."""
    said, trained = [], False
    for cell in place.rows:
        name, worst = row_name(gamma_of(metrics, study, cell)), measured(metrics, cell, WORST_CASE, resized=True)
        found = ran(metrics.train(cell))
        if found is None or worst is None:
            continue
        clean = clean_accuracy(metrics, cell)
        trained |= clean is not None
        said.append(f"{name} {share(clean.value)} and {share(worst.value)}" if clean else f"{name} {_broken(found)}")
    what = ", accuracy without an attack and under the worst for each image" if trained else ""
    return f"{place.where}{what}: {listed(said)}." if said else ""


def _broken(found: Mapping[str, Any]) -> str:
    """How many trainings of a cell came to nothing."""
    seeds = found["per_seed"]
    collapsed, diverged = (sum(seed[flag] for seed in seeds) for flag in ("collapsed", "diverged"))
    said = [f"collapsed in {collapsed}"] * bool(collapsed) + [f"diverged in {diverged}"] * bool(diverged)
    return f"{listed(said)} of {len(seeds)} trainings"


def _misses(metrics: Metrics, study: Kwta) -> str:
    """How often a single attack leaves more than twice what the worst case does: it failed there."""
    n, failed = 0, {PGD: 0, DEEPFOOL: 0, BEST: 0}
    for cell in study.networks:
        worst = measured(metrics, cell, WORST_CASE, resized=True)
        found = {attack: measured(metrics, cell, attack, resized=True) for attack in failed}
        if worst is None or clean_accuracy(metrics, cell) is None or not all(found.values()):
            continue
        n += 1
        for attack, value in found.items():
            gap = value.value - worst.value if value else 0.0
            failed[attack] += gap > max(worst.value, THRESHOLDS.same)
    if not n:
        return ""
    alone = ": neither attack of the report measures robustness alone" if failed[PGD] and failed[DEEPFOOL] else ""
    return (
        f"In {failed[PGD]} of {n} cells that trained PGD with the report's step leaves more than twice as many images "
        f"as the worst attack does (and 3 points more), in {failed[DEEPFOOL]} DeepFool does, in {failed[BEST]} the "
        f"best iterate of PGD with the original paper's step{alone}."
    )
