"""Tables of the Hebbian study: accuracy, accuracy under attack, zero gradients, convergence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from biorobust.hebbian.report.study import Hebbian
from biorobust.reporting import columns, reported
from biorobust.reporting.claim import Claim
from biorobust.reporting.estimates import Estimate, accuracy, value
from biorobust.reporting.labels import attack_looks
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.table import Column, Table, table
from biorobust.reporting.words import paragraphs


def tables(m: Measurements, study: Hebbian, claims: Sequence[Claim]) -> list[Table]:
    printed = reported.clean(claims)
    ours = cache(lambda run: accuracy(m, run))
    accuracies = table(
        "hebbian-accuracy",
        paragraphs(study.name, "accuracy_table", m),
        study.networks,
        (
            columns.network(),
            columns.parameters(m),
            columns.reported(printed),
            columns.estimate("ours", ours),
            columns.difference(ours, printed),
            *columns.trainings(ours),
            columns.run_state(m),
        ),
    )
    options = {"id": "hebbian-fgsm", "column": "loss attacked", "printed": reported.curves(claims)}
    attacks = attack_looks(study.attacks)
    attacked = columns.under_attack(m, study.networks, attacks, **options)  # type: ignore[arg-type]
    gradients = columns.gradients(m, study.networks, attacks, id="hebbian-gradients", column="loss attacked")
    return [accuracies, attacked, gradients, _convergence(m, study)]


def _convergence(m: Measurements, study: Hebbian) -> Table:
    found = {weights: m.ran(f"pretrain/{weights}") or {"settings": {}} for weights in study.weights}

    def setting(key: str) -> Callable[[str], Any]:
        return lambda weights: found[weights]["settings"].get(key)

    def logged(quantity: str) -> Callable[[str], Estimate | None]:
        return lambda weights: value(m, f"pretrain/{weights}", quantity)

    return table(
        "hebbian-learning",
        paragraphs(study.name, "learning_table", m),
        study.weights,
        (
            Column("weights", "text", str),
            Column("start", "text", setting("init"), "init"),
            Column("p", "plain", setting("p")),
            Column("k", "plain", setting("k")),
            Column("units", "count", setting("n_hidden"), "n_hidden"),
            Column("epochs", "count", setting("epochs")),
            Column("updates", "count", lambda weights: found[weights].get("n_updates"), "n_updates"),
            columns.estimate("converged", logged("converged_share"), key="converged_share"),
            Column("negative", "percent", logged("negative_share"), "negative_share"),
            Column("autocorrelation", "plain", logged("autocorrelation")),
            Column("seeds", "count", lambda weights: len(found[weights].get("per_seed", ())) or None),
            columns.run_state(m, "pretrain"),
        ),
    )
