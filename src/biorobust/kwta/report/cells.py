"""The cells of the k-WTA tables: how a row is called, what the report printed for its gamma, what was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from biorobust.core.intervals import wilson
from biorobust.kwta.report.study import DATASETS, FAST, NETWORKS, STARTS, Kwta, Place
from biorobust.reporting.attacks import IMAGE_WORST_CASE, RESIZED, WORST_CASE
from biorobust.reporting.claim import Check, Claim
from biorobust.reporting.claims import Judged, Part
from biorobust.reporting.estimates import Estimate, attack_curve, clean_accuracy, ran
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.numbers import count, listed
from biorobust.reporting.requirements import smaller

CLEAN, DEEPFOOL = "clean", "deepfool-report"
# PGD with the step of the report, 0.003 eps; with that of the original paper, 0.003 in pixel units; its best iterate.
PGD, ORIGINAL_STEP, BEST = "pgd-report", "pgd-corrected", "pgd-corrected-best"
# What a cell is measured on: name -> in words. All but the first are attacks, in two threat models each.
MEASURES = {
    CLEAN: "clean",
    PGD: "PGD, report's step",
    DEEPFOOL: "DeepFool",
    ORIGINAL_STEP: "PGD, original paper's step",
    BEST: "best iterate of it",
    WORST_CASE: "worst case",
}
COLLAPSE = "collapse"
Key = tuple[str, str, str, float | None, str]  # network, data set, start, gamma, measure


def row_name(gamma: float | None) -> str:
    """As the report calls a row: "ReLU" or "k-WTA-0.2"."""
    return "ReLU" if gamma is None else f"k-WTA-{gamma:g}"


def gamma_of(metrics: Metrics, study: Kwta, cell: str) -> float | None:
    """The gamma a cell was trained with; before it has metrics, that of params.yaml. None for ReLU."""
    found = metrics.train(cell)
    gamma: float | None = found["settings"].get("gamma") if found else study.gammas[study.row(cell)]
    return gamma


def measured(metrics: Metrics, cell: str, measure: str, *, resized: bool) -> Estimate | None:
    """Accuracy of a cell, None where it was not measured. resized: the tensor that the network sees was attacked.

    The worst case on the resized tensor is over the attacks in both threat models: a change of the image within eps is
    one of the tensor within eps. For a network that sees the image as it is, the tensor is the image.
    """
    if measure == CLEAN:
        found = ran(metrics.train(cell))
        return None if found is None else clean_accuracy(metrics, cell) or _broken(metrics, cell)
    resized = resized and not cell.startswith(f"{FAST}-")
    if measure == WORST_CASE:
        name = WORST_CASE if resized else IMAGE_WORST_CASE
    else:
        name = f"{measure}{RESIZED}" if resized else measure
    curve = attack_curve(metrics, cell, name)
    return curve.points[0] if curve and curve.points else None


def _broken(metrics: Metrics, cell: str) -> Estimate | None:
    """What a single seed that collapsed scores; several are not averaged."""
    found = ran(metrics.train(cell))
    if found is None or len(found["per_seed"]) != 1:
        return None
    (seed,) = found["per_seed"]
    low, high = seed["wilson"]
    return Estimate(value=seed["accuracy"], low=low, high=high, n=seed["n"], n_seeds=1)


def printed(claims: Iterable[Claim]) -> dict[Key, Estimate]:
    """What the report's tables hold, each with the Wilson interval of its own images, by the gamma of its column."""
    found: dict[Key, Estimate] = {}
    for check in (check for claim in claims for check in claim.checks if check.rule == "number"):
        wanted, n = _wanted(check), check.reported_n
        if check.reported is None or not n:
            continue
        low, high = wilson(round(check.reported * n), n)
        key: Key = (wanted["network"], wanted["dataset"], wanted["init"], wanted["gamma"], _measure(check))
        found[key] = Estimate(value=check.reported, low=low, high=high, n=n, n_seeds=1)
    return found


def _wanted(check: Check) -> Mapping[str, Any]:
    """The recipe of the cell that a row of numbers speaks of."""
    return dict(check.requires)[f"train/{check.quantity.of}"]


def _measure(check: Check) -> str:
    return check.quantity.attack.removesuffix(RESIZED) if check.quantity.attack else CLEAN


@dataclass(frozen=True)
class Verdict:
    """What the ledger says of a number of a cell. `gamma`: of the claim's column. `marks`: what limits it."""

    part: Part
    gamma: float | None
    marks: tuple[str, ...]


def verdicts(judged: Iterable[Judged], metrics: Metrics) -> dict[tuple[str, str], Verdict]:
    """(cell, measure) -> verdict, of the claims that repeat the report's tables.

    The measure COLLAPSE is that of a cell whose network gave one class to every image in the report.
    """
    found = {}
    for item in judged:
        for check, part in zip(item.claim.under(item.reading), item.parts, strict=True):
            if check.rule == "number":
                gamma = _wanted(check)["gamma"]
                found[check.quantity.of, _measure(check)] = Verdict(part, gamma, marks(check, metrics))
            elif check.quantity.kind == "collapses" and check.quantity.of.startswith("train/"):
                gamma = dict(check.requires)[check.quantity.of]["gamma"]
                found[check.quantity.of.removeprefix("train/"), COLLAPSE] = Verdict(part, gamma, marks(check, metrics))
    return found


def marks(check: Check, metrics: Metrics) -> tuple[str, ...]:
    """What stands in brackets behind a verdict: data that are not official; "smaller" for sizes not the report's; one
    seed, which says nothing of how another would have come out.
    """
    files = [(content, settings) for name, settings in check.requires if (content := metrics.get(name))]
    data = {content["dataset"]["fidelity"]: None for content, _ in files}
    named = [fidelity for fidelity in data if fidelity != "official"]
    reduced = any(list(smaller(content, settings)) for content, settings in files)
    single = any(len(content.get("seeds", ())) == 1 for content, _ in files)
    return (*named, *(["smaller"] if reduced else []), *(["one seed"] if single else []))


def scratch(study: Kwta) -> list[Place]:
    """The tables of networks that start from random weights."""
    return [place for place in study.places if place.init == "scratch"]


def sizes(metrics: Metrics, study: Kwta) -> str:
    """What the cells of the report's tables were really trained with, in words; "" where none has run."""
    found = _settings(metrics, [place for place in study.places if place.number])
    if not found:
        return ""

    def values(key: str, **where: str) -> str:
        """The values of a setting in the cells with these others, "" where there are none."""
        chosen = [settings for settings in found if all(settings[name] == value for name, value in where.items())]
        return listed(count(value) for value in dict.fromkeys(settings[key] for settings in chosen)) if chosen else ""

    widths = "; ".join(
        f"{name} {width} of 64 channels wide in its first layer"
        for network, name in reversed(NETWORKS.items())
        if (width := values("width", network=network))
    )
    data = "; ".join(
        f"{images} training images of {name}"
        for dataset, name in reversed(DATASETS.items())
        if (images := values("n_train", dataset=dataset))
    )
    epochs = "; ".join(
        f"{of_start} epochs from {words}"
        for init, words in STARTS.items()
        if (of_start := _by_data({n: values("epochs", init=init, dataset=d) for d, n in reversed(DATASETS.items())}))
    )
    # Cells trained before there was a choice have no word of it, and were trained in float32.
    lowered = {settings.get("precision", "float32") for settings in found} - {"float32"}
    products = f"; trained with products in {listed(sorted(lowered))}" if lowered else ""
    return f"{widths}; images enlarged to {values('image_size')} pixels; {data}; {epochs}{products}"


def own_sizes(metrics: Metrics, study: Kwta) -> str:
    """The same of the small fast network."""
    found = _settings(metrics, [place for place in study.places if not place.number])
    if not found:
        return ""
    first = found[0]
    return (
        f"{first['width']} channels in its first block, {count(first['n_train'])} training images, "
        f"{first['epochs']} epochs"
    )


def _settings(metrics: Metrics, places: Iterable[Place]) -> list[Mapping[str, Any]]:
    """Of the cells that ran."""
    cells = [cell for place in places for cell in place.rows]
    return [entry["settings"] for cell in cells if (entry := ran(metrics.train(cell)))]


def _by_data(values: Mapping[str, str]) -> str:
    """A setting of several data sets in words, by name where they differ; those without it ("") are left out."""
    found = {name: value for name, value in values.items() if value}
    if len(set(found.values())) <= 1:
        return next(iter(found.values()), "")
    return listed(f"{value} ({name})" for name, value in found.items())


def facts(metrics: Metrics, params: Mapping[str, Any], study: Kwta) -> Mapping[str, Any]:
    """`unavailable`: why -> how many cells could not be had for it. `sizes`, `own_sizes`: what was really run, in
    words, of the report's networks and of ours.
    """
    found = [entry for cell in study.networks if (entry := metrics.train(cell)) is not None]
    reasons = Counter(str(entry["reason"]) for entry in found if entry["status"] != "ok")
    return {"unavailable": dict(reasons), "sizes": sizes(metrics, study), "own_sizes": own_sizes(metrics, study)}
