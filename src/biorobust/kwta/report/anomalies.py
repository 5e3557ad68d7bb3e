"""What is odd in the report's tables and how it came out here, and the report against its own numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from biorobust.core import outcomes
from biorobust.kwta.report.ablations import NOT_RUN, kept_from, robust_accuracy, setting, unchanged
from biorobust.kwta.report.ablations import clean_accuracy as ablated_clean
from biorobust.kwta.report.cells import (
    BEST,
    CLEAN,
    DEEPFOOL,
    ORIGINAL_STEP,
    PGD,
    Key,
    gamma_of,
    measured,
    row_name,
    scratch,
)
from biorobust.kwta.report.study import Kwta
from biorobust.reporting.claims import Judged
from biorobust.reporting.estimates import Estimate, clean_accuracy, ran
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.numbers import count, listed, points, share
from biorobust.reporting.tables.table import Column, Table, Value
from biorobust.statistics import rules


@dataclass(frozen=True)
class Anomaly:
    """`seen`: what is odd in the report. `test`: what was done about it. `outcome`: computed here, "" where not run."""

    seen: str
    test: str
    outcome: Callable[[Metrics, Kwta], str]


def anomalies(metrics: Metrics, study: Kwta, reported: Mapping[Key, Estimate]) -> Table:
    """What is odd in the report, the test made for it, and its outcome."""
    rows: list[dict[str, Value]] = [
        {"number": n, "seen": item.seen, "test": item.test, "outcome": item.outcome(metrics, study) or NOT_RUN}
        for n, item in enumerate(_listed(reported), start=1)
    ]
    return Table(
        id="kwta-anomalies",
        title="What is odd in the report's tables, and what became of it here",
        caption="Each oddity with the test that was made for it. Outcomes are computed from this run, at its size; "
        "they say what happens here, not what happened in the report's networks."
        + kept_from(metrics.get(f"ablations/{name}") for name in study.ablations),
        columns=(
            Column("number", "no.", "count"),
            Column("seen", "in the report"),
            Column("test", "test"),
            Column("outcome", "here"),
        ),
        rows=tuple(rows),
    )


def _listed(reported: Mapping[Key, Estimate]) -> Iterable[Anomaly]:
    """The anomalies, with the report's own numbers filled in."""

    def said(*key: Any) -> str:
        return share(reported[key].value) if key in reported else "?"

    def cost(init: str) -> str:
        rows = [reported.get(("resnet18", "cifar10", init, gamma, CLEAN)) for gamma in (None, 0.1)]
        return f"{100 * (rows[0].value - rows[1].value):.0f}" if rows[0] and rows[1] else "?"

    others = {key[:3]: None for key in reported if key[:3] != _FIRST}
    relu = listed([said(*place, None, PGD) for place in others] or ["?"])
    return (
        Anomaly(
            f"AlexNet with ReLU has {said(*_FIRST, None, CLEAN)} on SVHN: the share of the commonest digit. The text "
            f"says the same of k-WTA-0.1, the table gives it {said(*_FIRST, 0.1, CLEAN)}.",
            "Several seeds of each row, and lower learning rates: how many end with one class for every image?",
            _collapse,
        ),
        Anomaly(
            f"Under DeepFool that network has {said(*_FIRST, None, DEEPFOOL)}, more than without an attack: every "
            "number is of other random images.",
            "One list of images for all, on which an attack can only lose. How far is the clean accuracy on it from "
            "that on the whole test split?",
            _other_images,
        ),
        Anomaly(
            f"ReLU keeps {relu} under PGD and nothing under DeepFool of the same size.",
            "The same networks under PGD with the report's step and with the original paper's.",
            _steps,
        ),
        Anomaly(
            "With k-WTA now PGD and now DeepFool leaves more images: an attack that fails looks like robustness.",
            "Beside the last iterate of PGD the best one, and per image the worst of all attacks.",
            _ranks,
        ),
        Anomaly(
            "The attack is on the image after it was enlarged, so every enlarged pixel may change on its own.",
            "The same attacks on the 32-pixel image.",
            _threat_models,
        ),
        Anomaly(
            "In table 2 all three rows are alike under PGD.",
            "How many values pass the activations of each network anyway?",
            _active,
        ),
        Anomaly(
            f"On CIFAR-10 k-WTA-0.1 costs ResNet18 {cost('scratch')} points of clean accuracy from random weights and "
            f"{cost('pretrained')} from ImageNet's.",
            "Training without clipping the gradient at 0.5, and with a looser clip.",
            lambda metrics, study: _beside(metrics, study, "clip"),
        ),
        Anomaly(
            "SVHN's digits are mirrored at random in training.",
            "Training with and without.",
            lambda metrics, study: _beside(metrics, study, "flip"),
        ),
        Anomaly(
            "The heads have a thousand outputs, of which ten are ever a label.",
            "Training with either head; the thousand are cut to ten before the attack.",
            lambda metrics, study: _beside(metrics, study, "head"),
        ),
        Anomaly(
            "The first activation is k-WTA as well; in the original it stays ReLU.",
            "Training with ReLU there, beside the same network without.",
            lambda metrics, study: _beside(metrics, study, "stem", and_also=("clip",)),
        ),
        Anomaly(
            "Networks from ImageNet weights are fed [0, 1], not what these weights were trained on.",
            "Training with the inputs normalised.",
            lambda metrics, study: _beside(metrics, study, "normalise"),
        ),
    )


_FIRST = ("alexnet", "svhn", "scratch")


def _found(metrics: Metrics, study: Kwta, question: str) -> dict[str, Mapping[str, Any]]:
    """The ablations of a question that ran."""
    names = [name for name, asked in study.ablations.items() if asked == question]
    return {name: content for name in names if (content := ran(metrics.get(f"ablations/{name}")))}


def _collapse(metrics: Metrics, study: Kwta) -> str:
    said = []
    for content in _found(metrics, study, "collapse").values():
        settings, broken = content["settings"], content["collapses"]
        rate = settings["learning_rate"]
        said.append(f"{row_name(settings['gamma'])} at {rate:g}: {broken['collapsed']} of {broken['n_seeds']}")
    return f"Collapsed, by learning rate: {'; '.join(said)}." if said else ""


def _other_images(metrics: Metrics, study: Kwta) -> str:
    gaps, n_images = [], set()
    for cell, seed, right, n in _attacked_part(metrics, study):
        found = ran(metrics.train(cell))
        if found:
            whole = {entry["seed"]: entry["accuracy"] for entry in found["per_seed"]}
            gaps.append(abs(right / n - whole[seed]))
            n_images.add(n)
    if not gaps:
        return ""
    sizes = " or ".join(count(n) for n in sorted(n_images))
    return f"Up to {points(max(gaps), digits=1).lstrip('+')} points, with {sizes} images."


def _attacked_part(metrics: Metrics, study: Kwta) -> Iterator[tuple[str, int, int, int]]:
    """Cell, seed, right and all of the images that are attacked, as they are; older runs hold paired counts alone."""
    kept = metrics.outcomes(study.name)
    for cell in study.networks:
        of_cell = (kept or {}).get(outcomes.cell(cell, outcomes.CLEAN, 0.0))
        for seed, right in zip(of_cell.seeds, of_cell.right, strict=True) if of_cell else ():
            yield cell, seed, int(right.sum()), len(right)
    for (a, b, attack, _), by_seed in (metrics.pairs(study.name) or {}).items():
        for seed, counts in by_seed.items() if attack == outcomes.CLEAN else ():
            yield a, seed, counts.both + counts.only_a, counts.n
            yield b, seed, counts.both + counts.only_b, counts.n


def _steps(metrics: Metrics, study: Kwta) -> str:
    said = []
    for place in scratch(study):
        for cell in place.rows:
            if gamma_of(metrics, study, cell) is not None or clean_accuracy(metrics, cell) is None:
                continue  # a network that gives one class to every image has nothing to lose
            report, original = (measured(metrics, cell, measure, resized=True) for measure in (PGD, ORIGINAL_STEP))
            if report and original:
                said.append(f"{place.where} from {share(report.value)} to {share(original.value)}")
    return f"ReLU, from the report's step to the original paper's: {'; '.join(said)}." if said else ""


def _ranks(metrics: Metrics, study: Kwta) -> str:
    found = []
    for cell in study.networks:
        values = [measured(metrics, cell, measure, resized=True) for measure in (ORIGINAL_STEP, DEEPFOOL, BEST)]
        if all(values) and gamma_of(metrics, study, cell) is not None:
            found.append([value.value for value in values if value])
    if not found:
        return ""
    above = sum(last > deepfool for last, deepfool, _ in found)
    lost = max(last - best for last, _, best in found)
    return (
        f"PGD with the original paper's step leaves more than DeepFool in {above} of {len(found)} k-WTA cells. "
        f"Its best iterate fools up to {points(lost, digits=1).lstrip('+')} points more than its last."
    )


def _threat_models(metrics: Metrics, study: Kwta) -> str:
    gaps = []
    for cell in study.networks:
        image, resized = (measured(metrics, cell, BEST, resized=resized) for resized in (False, True))
        if image and resized:
            gaps.append(image.value - resized.value)
    if not gaps:
        return ""
    return (
        f"Between the image and the tensor the best PGD differs by {points(fmean(gaps), digits=1)} points on average, "
        f"by {points(min(gaps), digits=1)} to {points(max(gaps), digits=1)} over {len(gaps)} cells."
    )


def _active(metrics: Metrics, study: Kwta) -> str:
    place = next((p for p in scratch(study) if (p.network, p.dataset) == ("alexnet", "cifar10")), None)
    said = []
    for cell in place.rows if place else ():
        found = ran(metrics.train(cell))
        shares = [value for seed in found["per_seed"] for value in seed["active"].values()] if found else []
        if shares:
            said.append(f"{row_name(gamma_of(metrics, study, cell))} {share(fmean(shares))}")
    return f"AlexNet on CIFAR-10, mean over its activations: {listed(said)}." if said else ""


def _beside(metrics: Metrics, study: Kwta, question: str, *, and_also: Sequence[str] = ()) -> str:
    """Accuracy, clean and attacked, of every ablation of a question."""
    found = _found(metrics, study, question)
    if not found:
        return ""
    others = [content for other in and_also for content in _found(metrics, study, other).values() if unchanged(content)]
    changed = next(iter(found.values()))["changed"]["key"]
    said = []
    for content in [*found.values(), *others]:
        clean, robust = ablated_clean(content), robust_accuracy(content)
        broken = f", {content['collapses']['collapsed']} collapsed" if content["collapses"]["collapsed"] else ""
        said.append(f"{setting(content, changed)}: {share(clean.value)} clean, {share(robust.value)} attacked{broken}")
    return f"{'; '.join(said)}."


def own_numbers(judged: Sequence[Judged]) -> Table:
    """How many comparisons of every claim the report's own numbers support, contradict or leave open."""
    rows: list[dict[str, Value]] = []
    for item in judged:
        asked = [part for part in item.parts if part.own_numbers]
        if not asked:
            continue
        words = Counter(part.own_numbers for part in asked)
        against = [part.label for part in asked if part.own_numbers == rules.CONTRADICTS]
        row: dict[str, Value] = {"claim": item.claim.id, "statement": item.claim.statement, "rows": len(asked)}
        row |= {word: words[word] for word in (rules.SUPPORTS, rules.CONTRADICTS, rules.CANNOT_TELL)}
        rows.append(row | {"against": "; ".join(against[:3]) + ("; ..." if len(against) > 3 else "")})
    return Table(
        id="kwta-own",
        title="The report's numbers against its own sentences",
        caption="Every comparison a claim makes, asked of the numbers the report prints, with the unpaired 95 % "
        "interval of two shares. Cannot tell: the interval leaves it open. K10 says “not always”: one row is enough.",
        columns=(
            Column("claim", "claim"),
            Column("statement", "the report says"),
            Column("rows", "comparisons", "count"),
            Column(rules.SUPPORTS, "support it", "count"),
            Column(rules.CONTRADICTS, "contradict it", "count"),
            Column(rules.CANNOT_TELL, "cannot tell", "count"),
            Column("against", "which contradict"),
        ),
        rows=tuple(rows),
    )
