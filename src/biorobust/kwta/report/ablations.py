"""Ablations of the k-WTA study, one changed setting each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from biorobust.kwta.report.study import DATASETS, NETWORKS, Kwta, row_name
from biorobust.reporting.estimates import Estimate, estimate
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.metrics_file import Content
from biorobust.reporting.requirements import flags
from biorobust.statistics import Accuracy
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
QUESTIONS = {
    "collapse": "collapse",
    "start": "collapse, other first weights",
    "flip": "mirrored digits",
    "clip": "clipping the gradient",
    "head": "size of the head",
    "stem": "first activation",
    "normalise": "ImageNet's inputs",
    "gamma": "course of gamma",
    "layers": "gamma by layer",
}


def setting(settings: Content, key: str) -> str:
    """A setting of an ablation and its value, in words."""
    value = settings[key]
    shown = f"{value:g}" if isinstance(value, (int, float)) else value
    return VALUES.get((key, value)) or f"{CHANGED.get(key, key)} {shown}"


def ablations(m: Measurements, study: Kwta) -> list[dict[str, Any]]:
    """Those that have a metrics file, its `content`, in the order of params.yaml: their settings by name, and in words
    the `question` that one belongs to, `where` and what was `changed`. Of one that `ran` also accuracy `clean` and
    attacked (`robust`), and how many trainings `collapsed`.
    """
    rows = []
    for name, asks in study.ablations.items():
        if (content := m.get(f"ablations/{name}")) is None:
            continue
        settings, change = content["settings"], content["changed"]
        row = {
            **settings,
            "name": name,
            "asks": asks,
            "question": QUESTIONS.get(asks, asks),
            "content": content,
            "where": f"{NETWORKS.get(settings['network'], 'small ResNet18')}, {DATASETS[settings['dataset']]}",
            "row": row_name(settings["gamma"]),
            "changed": ", ".join(setting(settings, key) for key in (change["key"], *change.get("besides", ()))),
            "unchanged": change["value"] == change["baseline"],
            "ran": content["status"] == "ok",
            "state": NOT_RUN,
        }
        if row["ran"]:
            row |= {"clean": _accuracy(content), "robust": _accuracy(content["robust"]), "state": _state(content)}
            row |= {"collapsed": "{collapsed} of {n_seeds}".format(**content["collapses"])}
        rows.append(row)
    return rows


def _accuracy(content: Content) -> Estimate:
    seeds = content["per_seed"]
    return estimate(Accuracy(tuple(seed["correct"] for seed in seeds), seeds[0]["n"]))


def _state(content: Content) -> str:
    """As for a run, with the seeds counted and not named; those that collapsed have a column of their own."""
    seeds = content["per_seed"]
    raised = Counter(flag for seed in seeds for flag in flags(content, seed, printed={}) if flag != "collapsed")
    return ", ".join(f"{n} of {len(seeds)} {flag.replace('_', '-')}" for flag, n in raised.items()) or "ran"
