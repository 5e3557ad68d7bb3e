"""Ablations of the k-WTA study, one changed setting each: what a table and the anomalies say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from biorobust.kwta.report.cells import row_name
from biorobust.kwta.report.study import DATASETS, NETWORKS, Kwta
from biorobust.reporting.estimates import Estimate, combine, ran
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.numbers import count, listed
from biorobust.reporting.requirements import flags
from biorobust.reporting.tables.rows import estimate, left_out, nonfinite, omitted
from biorobust.reporting.tables.table import Column, Table, Value

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
}
QUESTIONS = {
    "collapse": "collapse",
    "flip": "mirrored digits",
    "clip": "clipping the gradient",
    "head": "size of the head",
    "stem": "first activation",
    "normalise": "ImageNet's inputs",
    "gamma": "course of gamma",
}


NOT_RUN = "not run"


def kept_from(contents: Iterable[Mapping[str, Any] | None]) -> str:
    """A sentence for a caption: why some of these could not be run, each reason once; "" where none says.

    What to do about it, behind the colon of a reason, the study's section says once for all.
    """
    reasons = [str(content["reason"]) for content in contents if content and content["status"] != "ok"]
    said = dict.fromkeys(reason.partition(": ")[0] for reason in reasons)
    return f" Not run: {'; '.join(said)}." if said else ""


def unchanged(content: Mapping[str, Any]) -> bool:
    """Whether an ablation is the one in which nothing is changed."""
    return bool(content["changed"]["value"] == content["changed"]["baseline"])


def setting(content: Mapping[str, Any], key: str) -> str:
    """A setting of an ablation and its value, in words."""
    value = content["settings"][key]
    if (key, value) in VALUES:
        return VALUES[key, value]
    return (
        f"{CHANGED.get(key, key)} {value:g}" if isinstance(value, (int, float)) else f"{CHANGED.get(key, key)} {value}"
    )


def clean_accuracy(content: Mapping[str, Any]) -> Estimate:
    """Accuracy on the clean test images."""
    return combine([(seed["correct"], seed["n"]) for seed in content["per_seed"]])


def robust_accuracy(content: Mapping[str, Any]) -> Estimate:
    """Accuracy under the ablations' attack."""
    return combine([(seed["correct"], seed["n"]) for seed in content["robust"]["per_seed"]])


def _state(content: Mapping[str, Any] | None) -> str:
    """As for a run, with the seeds counted and not named; those that collapsed have a column of their own."""
    if content is None or content["status"] != "ok":
        return NOT_RUN
    seeds = content["per_seed"]
    raised = Counter(flag for seed in seeds for flag in flags(content, seed, printed={}) if flag != "collapsed")
    return ", ".join(f"{n} of {len(seeds)} {flag.replace('_', '-')}" for flag, n in raised.items()) or "ran"


def ablations(metrics: Metrics, study: Kwta) -> Table:
    """A row per ablation: what was changed, accuracy clean and attacked, and how many of its trainings collapsed."""
    rows: list[dict[str, Value]] = []
    trained: dict[str, None] = {}
    attacked: dict[str, dict[str, Any]] = {}
    contents = {name: metrics.get(f"ablations/{name}") for name in study.ablations}
    for name, question in study.ablations.items():
        content = contents[name]
        if left_out(content):
            continue
        row: dict[str, Value] = {"question": QUESTIONS.get(question, question), "name": name, "state": _state(content)}
        if content:
            settings = content["settings"]
            network = NETWORKS.get(settings["network"], "small ResNet18")
            row |= {"network": f"{network}, {DATASETS[settings['dataset']]}", "activation": row_name(settings["gamma"])}
            row |= {
                "changed": setting(content, content["changed"]["key"]),
                "epochs": settings["epochs"],
                "n_train": settings["n_train"],
            }
            batches = -(-settings["n_train"] // settings["batch_size"])
            trained[f"{settings['epochs']} epochs of {count(batches)} steps ({count(settings['n_train'])} images)"] = (
                None
            )
        if content and ran(content):
            broken = content["collapses"]
            row |= estimate("clean", clean_accuracy(content)) | estimate("robust", robust_accuracy(content))
            row |= {"collapsed": f"{broken['collapsed']} of {broken['n_seeds']}"}
            attacked[name] = {"attacks": {content["robust"]["attack"]: content["robust"]}}
        rows.append(row)
    return Table(
        id="kwta-ablations",
        title="One setting changed at a time",
        caption=f"Trainings of {listed(trained) if trained else 'few epochs'}, to compare with one another and not "
        "with the tables above. Accuracy in percent on clean images and under PGD with the original paper's step, best "
        "iterate, on the 32-pixel image; 95 % intervals over images, and over seeds where there are several. "
        "Collapsed: trainings that end with one class for all images; with more steps some might have begun to learn. "
        "Where gamma is lowered the learning rate falls with it, as in "
        f"the original.{omitted(contents)}" + kept_from(contents.values()) + nonfinite(attacked),
        columns=(
            Column("question", "question"),
            Column("network", "network, data", "label"),
            Column("activation", "activation", "label"),
            Column("changed", "setting", "label"),
            Column("clean", "clean [95 %]", "estimate"),
            Column("robust", "attacked [95 %]", "estimate"),
            Column("collapsed", "collapsed", "label"),
            Column("state", "state"),
        ),
        rows=tuple(rows),
    )
