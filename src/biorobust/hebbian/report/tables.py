"""Tables of the Hebbian study: accuracy, accuracy under attack, zero gradients, convergence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from biorobust.hebbian.report.study import Hebbian
from biorobust.reporting import reported
from biorobust.reporting.attacks import ATTACKS
from biorobust.reporting.claim import Claim
from biorobust.reporting.estimates import clean_accuracy, per_seed, ran
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.style import look
from biorobust.reporting.tables.rows import estimate, gradients, state, under_attack
from biorobust.reporting.tables.table import Column, Table, Value


def tables(metrics: Metrics, study: Hebbian, claims: Iterable[Claim]) -> list[Table]:
    """Every table of the study; runs without metrics are listed with what kept them."""
    claims = list(claims)
    return [
        _accuracy(metrics, study, reported.clean(claims)),
        under_attack(
            metrics,
            study.networks,
            ATTACKS,
            id="hebbian-fgsm",
            column="loss attacked",
            printed=reported.curves(claims),
        ),
        gradients(metrics, study.networks, ATTACKS, id="hebbian-gradients", column="loss attacked"),
        _convergence(metrics, study),
    ]


def _accuracy(metrics: Metrics, study: Hebbian, printed: Mapping[str, float]) -> Table:
    rows = []
    for run in study.networks:
        found, value = metrics.train(run), clean_accuracy(metrics, run)
        row: dict[str, Value] = {"run": run, "network": look(run).label}
        row["n_parameters"] = found["n_parameters"] if ran(found) and found else None
        row["reported"] = printed.get(run)
        row |= estimate("ours", value)
        row["difference"] = value.value - printed[run] if value and run in printed else None
        row |= {"seeds": value.n_seeds if value else None, "images": value.n if value else None, "state": state(found)}
        rows.append(row)
    return Table(
        id="hebbian-accuracy",
        title="Accuracy without an attack",
        caption="Share of test images classified correctly, in percent. Brackets: 95 % interval over images, and "
        "over seeds where there are several.",
        columns=(
            Column("network", "network"),
            Column("run", "run"),
            Column("n_parameters", "parameters", "count"),
            Column("reported", "reported", "percent"),
            Column("ours", "ours [95 %]", "estimate"),
            Column("difference", "difference", "points"),
            Column("seeds", "seeds", "count"),
            Column("images", "images", "count"),
            Column("state", "state"),
        ),
        rows=tuple(rows),
    )


def _convergence(metrics: Metrics, study: Hebbian) -> Table:
    rows = []
    for weights in study.weights:
        found = metrics.pretrain(weights)
        settings = found["settings"] if ran(found) and found else {}
        row: dict[str, Value] = {"weights": weights, "init": settings.get("init"), "p": settings.get("p")}
        row |= {"k": settings.get("k"), "n_hidden": settings.get("n_hidden"), "epochs": settings.get("epochs")}
        row["n_updates"] = found["n_updates"] if settings and found else None
        for key in ("converged_share", "negative_share", "autocorrelation"):
            row |= estimate(key, per_seed(found, key))
        rows.append(row | {"seeds": len(found["per_seed"]) if settings and found else None, "state": state(found)})
    return Table(
        id="hebbian-learning",
        title="Units that converged",
        caption="Hidden units after learning without labels, in percent. Converged: on the unit sphere; negative: mean "
        "weight below zero. Brackets: 95 % t interval over seeds. Autocorrelation: of neighbouring weights, 0 to 1.",
        columns=(
            Column("weights", "weights"),
            Column("init", "start"),
            Column("p", "p", "plain"),
            Column("k", "k", "plain"),
            Column("n_hidden", "units", "count"),
            Column("epochs", "epochs", "count"),
            Column("n_updates", "updates", "count"),
            Column("converged_share", "converged [95 %]", "estimate"),
            Column("negative_share", "negative", "percent"),
            Column("autocorrelation", "autocorrelation", "plain"),
            Column("seeds", "seeds", "count"),
            Column("state", "state"),
        ),
        rows=tuple(rows),
    )
