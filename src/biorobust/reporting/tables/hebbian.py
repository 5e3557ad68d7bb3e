"""Tables of the Hebbian study: accuracy, accuracy under attack, zero gradients, convergence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from biorobust.reporting import reported
from biorobust.reporting.attacks import ATTACKS, WORST_CASE
from biorobust.reporting.claim import Claim
from biorobust.reporting.estimates import Estimate, attack_curve, clean_accuracy, per_seed, ran
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.studies.hebbian import Hebbian
from biorobust.reporting.style import look
from biorobust.reporting.tables.table import Column, Table, Value


def tables(metrics: Metrics, study: Hebbian, claims: Iterable[Claim]) -> list[Table]:
    """Every table of the study; runs without metrics are listed with what kept them."""
    claims = list(claims)
    return [
        _accuracy(metrics, study, reported.clean(claims)),
        _under_attack(metrics, study, reported.curves(claims)),
        _gradients(metrics, study),
        _convergence(metrics, study),
    ]


def _state(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "not run"
    if found["status"] != "ok":
        return f"unavailable: {found['reason']}"
    flags = {"collapsed": "collapsed", "diverged": "diverged", "under_trained": "under-trained"}
    raised = [
        f"seed {seed['seed']} {words}" for seed in found["per_seed"] for key, words in flags.items() if seed.get(key)
    ]
    return ", ".join(raised) or "ran"


def _estimate(key: str, value: Estimate | None) -> dict[str, Value]:
    if value is None:
        return {key: None}
    if value.low == value.high:  # one seed of a number that has no images to count
        return {key: value.value}
    return {key: value.value, f"{key}_low": value.low, f"{key}_high": value.high}


def _accuracy(metrics: Metrics, study: Hebbian, printed: Mapping[str, float]) -> Table:
    rows = []
    for run in study.networks:
        found, value = metrics.train(run), clean_accuracy(metrics, run)
        row: dict[str, Value] = {"run": run, "network": look(run).label}
        row["n_parameters"] = found["n_parameters"] if ran(found) and found else None
        row["reported"] = printed.get(run)
        row |= _estimate("ours", value)
        row["difference"] = value.value - printed[run] if value and run in printed else None
        row |= {"seeds": value.n_seeds if value else None, "images": value.n if value else None, "state": _state(found)}
        rows.append(row)
    return Table(
        id="hebbian-accuracy",
        title="Accuracy without an attack",
        caption="Share of test images classified correctly, in percent. Brackets: 95 % interval, t over seeds where "
        "there are several, else Wilson over images.",
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


def _under_attack(metrics: Metrics, study: Hebbian, printed: reported.Reported) -> Table:
    rows: list[dict[str, Value]] = []
    grid: dict[float, None] = {}
    for run in study.networks:
        label = look(run).label
        if run in printed:
            rows.append({"network": label, "loss": "as reported"} | {_eps(e): v for e, v in printed[run].items()})
            grid |= dict.fromkeys(printed[run])
        for attack, called in ATTACKS.items():
            curve = attack_curve(metrics, run, attack)
            if curve is None:
                continue
            grid |= dict.fromkeys(curve.eps)
            points = zip(curve.eps, curve.points, strict=True)
            rows.append({"network": label, "loss": called.label} | {_eps(eps): point.value for eps, point in points})
    return Table(
        id="hebbian-fgsm",
        title="Accuracy under attack",
        caption="Share of test images right before and after the attack, in percent, by ε (L-infinity, pixel intensity "
        "0 to 1); mean over seeds. Worst case: an image counts only if it survives every loss.",
        columns=(
            Column("network", "network"),
            Column("loss", "loss attacked"),
            *(Column(_eps(eps), f"ε {eps:g}", "percent") for eps in sorted(grid)),
        ),
        rows=tuple(rows),
    )


def _eps(eps: float) -> str:
    return f"{eps:g}"


def _gradients(metrics: Metrics, study: Hebbian) -> Table:
    rows: list[dict[str, Value]] = []
    for run in study.networks:
        found = ran(metrics.attack(run))
        for attack, called in ATTACKS.items():
            entry = found["attacks"].get(attack) if found else None
            if entry is None or attack == WORST_CASE:
                continue
            seeds = entry["per_seed"]
            n = sum(seed["n"] for seed in seeds)
            rows.append(
                {
                    "network": look(run).label,
                    "loss": called.label,
                    "zero": sum(seed["zero_gradient"] for seed in seeds) / n,
                    "zero_correct": sum(seed["zero_gradient_correct"] for seed in seeds) / n,
                    "unverified": sum(sum(seed["unverified"]) for seed in seeds),
                }
            )
    return Table(
        id="hebbian-gradients",
        title="Images without a gradient",
        caption="Share of attacked images whose loss gradient is exactly zero, and of those also classified correctly, "
        "in percent. Unverified: predictions that came out otherwise in a fresh forward pass.",
        columns=(
            Column("network", "network"),
            Column("loss", "loss attacked"),
            Column("zero", "gradient zero", "percent"),
            Column("zero_correct", "zero and right", "percent"),
            Column("unverified", "unverified", "count"),
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
            row |= _estimate(key, per_seed(found, key))
        rows.append(row | {"seeds": len(found["per_seed"]) if settings and found else None, "state": _state(found)})
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
