"""Rows that tables of several studies have: estimates as cells, the state of a run, attacks by epsilon, gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from biorobust.core.left_out import LEFT_OUT
from biorobust.reporting.attacks import WORST_CASE, AttackLook, full_name
from biorobust.reporting.estimates import Estimate, attack_curve, ran
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.numbers import listed
from biorobust.reporting.reported import Reported
from biorobust.reporting.requirements import FLAGS, Levels, flags
from biorobust.reporting.style import look
from biorobust.reporting.tables.table import Column, Table, Value


def state(found: Mapping[str, Any] | None, *, printed: Levels | None = None) -> str:
    """Whether a run ran, or what kept it from it; seeds that decide nothing are named.

    printed: accuracies that the report prints, by run, for the level from which a network counts as trained.
    """
    if found is None:
        return "not run"
    if found["status"] != "ok":
        return f"unavailable: {found['reason']}"
    raised = [
        f"seed {seed['seed']} {FLAGS[flag].removeprefix('is ')}"
        for seed in found["per_seed"]
        for flag in flags(found, seed, printed=printed or {})
    ]
    return ", ".join(raised) or "ran"


def left_out(found: Mapping[str, Any] | None) -> bool:
    """Whether the scale does not have a run, so that a table has no row for it."""
    return found is not None and found["status"] != "ok" and found["reason"].startswith(LEFT_OUT)


def omitted(labels: Mapping[str, Mapping[str, Any] | None]) -> str:
    """The sentence for the caption of a table that has no rows for some runs; "" where it has all of them.

    labels: how each run is called -> its metrics.
    """
    missing = {label: str(found["reason"]) for label, found in labels.items() if found and left_out(found)}
    if not missing:
        return ""
    reason = next(iter(missing.values())).partition(": ")[0]
    return f" {reason.capitalize()}: {'all' if len(missing) == len(labels) else listed(missing)}."


def estimate(key: str, value: Estimate | None) -> dict[str, Value]:
    """The cells of an estimate column; without an interval where it has no width."""
    if value is None:
        return {key: None}
    if value.low == value.high:  # one seed of a number that has no images to count
        return {key: value.value}
    return {key: value.value, f"{key}_low": value.low, f"{key}_high": value.high}


def nonfinite(attacked: Mapping[str, Mapping[str, Any] | None]) -> str:
    """A sentence for a caption: where gradients of an attack were not numbers, and how many images had them; else "".

    attacked: a network in words -> the metrics of its attacks.
    """
    found = []
    for network, content in attacked.items():
        for attack, entry in content["attacks"].items() if content else ():
            seeds = entry["per_seed"]
            # At the epsilon with the most of them.
            n = sum(max((count or 0 for count in seed.get("nonfinite_gradient", ())), default=0) for seed in seeds)
            if n:
                found.append(f"{network}, {full_name(attack)}: {n} of {sum(seed['n'] for seed in seeds)} images")
    note = " Some gradients were NaN or infinite, and an image that survived them has shown nothing: "
    return f"{note}{'; '.join(found)}." if found else ""


def under_attack(
    metrics: Metrics,
    runs: Sequence[str],
    attacks: Mapping[str, AttackLook],
    *,
    id: str,
    column: str,
    printed: Reported,
    note: str = "",
) -> Table:
    """Accuracy of every run under every attack, epsilon by column, what the report printed above.

    column: the title of the attacks' column, whose first word is what an image has to survive. note: ends the caption.
    """
    rows: list[dict[str, Value]] = []
    grid: dict[float, None] = {}
    note += nonfinite({look(run).label: ran(metrics.attack(run)) for run in runs})
    for run in runs:
        label = look(run).label
        if run in printed:
            rows.append({"network": label, "attack": "as reported"} | {_eps(e): v for e, v in printed[run].items()})
            grid |= dict.fromkeys(printed[run])
        for attack, called in attacks.items():
            curve = attack_curve(metrics, run, attack)
            if curve is None:
                continue
            grid |= dict.fromkeys(curve.eps)
            points = zip(curve.eps, curve.points, strict=True)
            rows.append({"network": label, "attack": called.label} | {_eps(eps): point.value for eps, point in points})
    return Table(
        id=id,
        title="Accuracy under attack",
        caption="Share of test images right before and after the attack, in percent, by ε (L-infinity, pixel intensity "
        f"0 to 1); mean over seeds. Worst case: an image counts only if it survives every {column.split()[0]}.{note}",
        columns=(
            Column("network", "network"),
            Column("attack", column),
            *(Column(_eps(eps), f"ε {eps:g}", "percent") for eps in sorted(grid)),
        ),
        rows=tuple(rows),
    )


def _eps(eps: float) -> str:
    return f"{eps:g}"


def gradients(
    metrics: Metrics, runs: Sequence[str], attacks: Mapping[str, AttackLook], *, id: str, column: str
) -> Table:
    """For every run and attack: images whose gradient is exactly zero, and predictions that were not confirmed."""
    rows: list[dict[str, Value]] = []
    for run in runs:
        found = ran(metrics.attack(run))
        for attack, called in attacks.items():
            entry = found["attacks"].get(attack) if found else None
            if entry is None or attack == WORST_CASE:
                continue
            seeds = entry["per_seed"]
            n = sum(seed["n"] for seed in seeds)
            rows.append(
                {
                    "network": look(run).label,
                    "attack": called.label,
                    "zero": sum(seed["zero_gradient"] for seed in seeds) / n,
                    "zero_correct": sum(seed["zero_gradient_correct"] for seed in seeds) / n,
                    "unverified": sum(sum(seed["unverified"]) for seed in seeds),
                }
            )
    return Table(
        id=id,
        title="Images without a gradient",
        caption="Share of attacked images whose loss gradient is exactly zero, and of those also classified correctly, "
        "in percent. Unverified: predictions that came out otherwise in a fresh forward pass.",
        columns=(
            Column("network", "network"),
            Column("attack", column),
            Column("zero", "gradient zero", "percent"),
            Column("zero_correct", "zero and right", "percent"),
            Column("unverified", "unverified", "count"),
        ),
        rows=tuple(rows),
    )
