"""Ablations of the k-WTA study, one changed setting each: words for their table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from biorobust.reporting.metrics_file import Content
from biorobust.reporting.requirements import flags
from biorobust.statistics.rules import NOT_RUN

CHANGED = {"learning_rate": "learning rate", "clip": "clipped at", "logits": "outputs"}
VALUES: Mapping[tuple[str, object], str] = {
    ("clip", None): "not clipped",
    ("flip", True): "mirrored at random",
    ("flip", False): "never mirrored",
    ("stem", "relu"): "ReLU first",
    ("stem", "kwta"): "k-WTA first",
    ("normalise", False): "inputs in [0, 1]",
    ("normalise", True): "inputs normalised",
    ("gamma_schedule", "constant"): "0.1 from the start",
    ("gamma_schedule", "incremental"): "lowered from 0.2 to 0.1",
    ("gamma_by_layer", "falling"): "falling with depth",
    ("gamma_by_layer", "rising"): "rising with depth",
    ("gamma_by_layer", "middle"): "largest in the middle",
    ("weights", "he"): "He's first weights",
}
# What is odd in the report, or asked by the original, and the setting that is changed for it.
QUESTIONS = {
    "collapse": "AlexNet with ReLU gives one class to every image of SVHN: learning rate",
    "start": "the same: first weights",
    "flip": "SVHN's digits are mirrored",
    "clip": "a small γ costs accuracy: clipping the gradient",
    "head": "a thousand outputs, ten labels: size of the head",
    "stem": "the original's first activation stays ReLU, the report's does not",
    "normalise": "ImageNet's weights are fed images as they are",
    "gamma": "course of gamma",
    "layers": "gamma by layer",
}


def changed(content: Content) -> str:
    """The settings that an ablation changes and their values, in words."""
    change, settings = content["changed"], content["settings"]
    return ", ".join(_setting(key, settings[key]) for key in (change["key"], *change.get("besides", ())))


def _setting(key: str, value: Any) -> str:
    shown = f"{value:g}" if isinstance(value, (int, float)) else value
    return VALUES.get((key, value)) or f"{CHANGED.get(key, key)} {shown}"


def state(content: Content) -> str:
    """As for a run, with the seeds counted and not named; those that collapsed have a column of their own."""
    if content["status"] != "ok":
        return NOT_RUN
    seeds = content["per_seed"]
    raised = Counter(flag for seed in seeds for flag in flags(content, seed, printed={}) if flag != "collapsed")
    return ", ".join(f"{n} of {len(seeds)} {flag.replace('_', '-')}" for flag, n in raised.items()) or "ran"


def collapsed(content: Content) -> str | None:
    """How many trainings gave one class to every image."""
    return "{collapsed} of {n_seeds}".format(**content["collapses"]) if content["status"] == "ok" else None
