"""May a check be judged on these metrics at all? Files present, data real, settings as the claim needs them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from biorobust import params
from biorobust.core.attack_plan import ADAPTIVE
from biorobust.core.errors import BiorobustError
from biorobust.reporting.claim import Check, Claim, Quantity
from biorobust.reporting.estimates import NotMeasured, results
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.metrics_file import Content
from biorobust.reporting.numbers import listed
from biorobust.statistics.rules import INCONCLUSIVE, NOT_RUN, NOT_TESTABLE, Decision
from biorobust.statistics.thresholds import THRESHOLDS

STAND_IN = "stand-in"
AT_LEAST = "at_least"  # a recipe may ask for a size or more
REPORTED = "reported"  # and say what the report had, where another value is named with the verdict and stops nothing
# What a training says of a seed that decides nothing, in words; the last is found by its accuracy.
UNDER_TRAINED = "under_trained"
FLAGS = {"collapsed": "collapsed", "diverged": "diverged", UNDER_TRAINED: "is under-trained"}
Levels = Mapping[str, float]  # run -> accuracy that the report prints for it
# Quantities that speak of the training itself: what would keep others from being judged is their answer.
ANSWERED = {"collapses": tuple(FLAGS), "fall": tuple(FLAGS), "epochs_to": (UNDER_TRAINED,)}


def files(check: Check) -> list[str]:
    """Names of the metrics files a check rests on, such as "train/report-uniform", each once."""
    named = [file for file, _ in check.requires]
    return list(dict.fromkeys([*named, *(file for quantity in check.quantities for file in files_of(quantity))]))


def obstacle(check: Check, metrics: Measurements, *, printed: Levels) -> Decision | None:
    """Why the check cannot be judged, or None: a missing file, stand-in data, other settings, a broken training.

    printed: clean accuracies that the report prints, by run.
    """
    found: dict[str, Content] = {}
    for name in files(check):
        try:
            found[name] = results(name, metrics)
        except NotMeasured as error:
            return Decision(NOT_RUN, str(error))
    if any("dataset" in content and content["dataset"]["fidelity"] == STAND_IN for content in found.values()):
        return Decision(NOT_TESTABLE, "stand-in data")
    # A run repeats the settings of the weights it stands on: the same difference counts once, where it comes first.
    reasons: dict[tuple[str, str], str] = {}
    for name, settings in check.requires:
        for key, wanted in settings.items():
            value = found[name]["settings"].get(key)
            if not _same(value, wanted):
                text = f"{key} is {_shown(value)}, the claim needs {_shown(wanted)} ({name})"
                reasons.setdefault((key, str(wanted)), text)
    if reasons:
        first, *others = reasons.values()
        return Decision(NOT_RUN, first + (f"; {len(others)} more differ" if others else ""))
    answered = ANSWERED.get(check.quantity.kind, ())
    for name, content in found.items():
        for entry in content.get("per_seed", ()):
            for flag in flags(content, entry, printed=printed):
                if flag not in answered:
                    return Decision(INCONCLUSIVE, f"seed {entry['seed']} of {name} {FLAGS[flag]}")
    return None


def flags(content: Content, entry: Content, *, printed: Levels) -> list[str]:
    """The keys of FLAGS that hold for one training of a metrics file; a broken one is not under-trained as well.

    Under-trained: less accurate than a network has to be to decide anything. A network may lose its clean images by
    design where it was trained on noisy ones: the better of the two counts.
    """
    broken = [flag for flag in ("collapsed", "diverged") if entry.get(flag)]
    if broken or "correct" not in entry or "collapsed" not in entry:
        return broken  # without both no network's accuracy: weights learned without labels, attacks
    level = trained_above(content["study"], content["dataset"]["name"], content["settings"].get("network"))
    if (accuracy := printed.get(content["run"])) is not None:
        level = min(level, accuracy - THRESHOLDS.below_reported)
    best = max(entry["correct"], entry.get("noisy_correct", 0)) / entry["n"]
    return [UNDER_TRAINED] if best <= level else []


def trained_above(study: str, dataset: str, network: str | None = None) -> float:
    """The accuracy that a study asks of its networks: on this data set, of this network, or of all.

    Raises BiorobustError where it asks for none, and for an unknown study.
    """
    levels: Mapping[str, float] = params.STUDIES[study].TRAINED if study in params.STUDIES else {}
    for name in (dataset, network or "", "all"):
        if name in levels:
            return levels[name]
    raise BiorobustError(f"no level of training for {study!r} on {dataset}: see TRAINED in docs/add-a-study.md")


def learned(content: Content | None, *, printed: Levels) -> bool:
    """Whether no training of a metrics file has a flag."""
    return content is None or not any(flags(content, entry, printed=printed) for entry in content.get("per_seed", ()))


def printed_accuracies(claims: Iterable[Claim]) -> Levels:
    """The clean accuracies that the claims' sources print, by run."""
    found: dict[str, float] = {}
    for check in (check for claim in claims for check in claim.every_check):
        run = check.quantity.of
        if check.rule == "number" and check.quantity == Quantity("accuracy", of=run) and check.reported is not None:
            found.setdefault(run, check.reported)
    return found


def limits(checks: Iterable[Check], metrics: Measurements) -> str:
    """What stands beside a verdict, in words: data that are not the official ones, sizes that are not the report's."""
    limited: dict[str, None] = {}
    sizes: dict[str, None] = {}
    for check in checks:
        for content in filter(None, map(metrics.get, files(check))):
            dataset = content.get("dataset", {"fidelity": "official"})
            if dataset["fidelity"] != "official":
                limited[f"{dataset['name']}: {dataset['fidelity']} data"] = None
        for name, settings in check.requires:
            made = metrics.settings(name)
            for key, wanted in settings.items() if metrics.ran(name) else ():
                if isinstance(wanted, Mapping) and REPORTED in wanted and not _same(made.get(key), wanted[REPORTED]):
                    sizes[key] = None
    return ", ".join([*limited, *([f"not the report's {listed(sizes)}"] if sizes else [])])


def files_of(quantity: Quantity) -> list[str]:
    """The metrics files behind a quantity: a run's train file, and its attack file where it is attacked."""
    if quantity.kind in ("value", "collapses", "epochs_to") or "/" in quantity.of:
        return [quantity.of]
    attacked = quantity.attack or quantity.kind in ("jump", "jump_by_gamma")
    return [f"train/{quantity.of.removesuffix(ADAPTIVE)}", *([f"attack/{quantity.of}"] if attacked else [])]


def _same(value: Any, wanted: Any) -> bool:
    """Equal, or for a wanted {"at_least": x} a number that is not below x; anything for {"reported": x} alone."""
    numbers = (int, float)
    if isinstance(wanted, Mapping):
        return AT_LEAST not in wanted or (isinstance(value, numbers) and value >= wanted[AT_LEAST])
    if isinstance(value, numbers) and isinstance(wanted, numbers):
        return math.isclose(value, wanted, rel_tol=1e-9)
    return bool(value == wanted)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"at least {value[AT_LEAST]}"
    return "not recorded" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
