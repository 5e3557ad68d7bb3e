"""Columns and tables that several studies have: networks, estimates, the state of a run; attacks and gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from biorobust.core.left_out import LEFT_OUT
from biorobust.reporting.estimates import Estimate, curve
from biorobust.reporting.labels import WORST_CASE, Look, full_name, label
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.numbers import listed
from biorobust.reporting.reported import Reported
from biorobust.reporting.requirements import FLAGS, Levels, flags
from biorobust.reporting.table import Column, Table, table
from biorobust.reporting.words import SHARED, paragraphs


def network(named: Callable[[str], str] = label) -> Column:
    """The run of a row in words."""
    return Column("network", "text", named)


def run_state(m: Measurements, kind: str = "train") -> Column:
    """Whether the run of a row ran, or what kept it from it."""
    return Column("state", "text", lambda run: state(m.get(f"{kind}/{run}")))


def parameters(m: Measurements) -> Column:
    """How many parameters the network of a row trains."""
    key = "n_parameters"
    return Column("parameters", "count", lambda run: (m.ran(f"train/{run}") or {}).get(key), key)


def estimate(title: str, found: Callable[[Any], Estimate | None], *, key: str = "") -> Column:
    """A share in percent with its 95 % interval behind it."""
    return Column(f"{title} [95 %]", "estimate", found, key or title)


def reported(values: Mapping[str, float]) -> Column:
    """What the report prints for the run of a row."""
    return Column("reported", "percent", values.get)  # type: ignore[arg-type]


def difference(found: Callable[[str], Estimate | None], values: Mapping[str, float], *, key: str = "") -> Column:
    """Ours minus what the report prints, in points."""

    def of(run: str) -> float | None:
        return ours.value - values[run] if (ours := found(run)) and run in values else None

    return Column("difference", "points", of, key)


def trainings(found: Callable[[str], Estimate | None]) -> tuple[Column, Column]:
    """How many seeds and test images an estimate is of."""
    return (
        Column("seeds", "count", lambda run: ours.n_seeds if (ours := found(run)) else None),
        Column("images", "count", lambda run: ours.n if (ours := found(run)) else None),
    )


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
    """The sentence for the caption of a table without rows for some runs, or "". labels: run in words -> metrics."""
    missing = {name: str(found["reason"]) for name, found in labels.items() if found and left_out(found)}
    if not missing:
        return ""
    reason, *_ = missing.values()
    return f" {reason.partition(': ')[0].capitalize()}: {'all' if len(missing) == len(labels) else listed(missing)}."


def nonfinite(attacked: Mapping[str, Mapping[str, Any] | None]) -> str:
    """A sentence for a caption: where gradients of an attack were not numbers, and for how many images; or "".

    attacked: a network in words -> the metrics of its attacks.
    """
    found = []
    for name, content in attacked.items():
        for attack, entry in content["attacks"].items() if content else ():
            seeds = entry["per_seed"]
            # At the epsilon with the most of them.
            n = sum(max((count or 0 for count in seed.get("nonfinite_gradient", ())), default=0) for seed in seeds)
            if n:
                found.append(f"{name}, {full_name(attack)}: {n} of {sum(seed['n'] for seed in seeds)} images")
    note = " Some gradients were NaN or infinite, and an image that survived them has shown nothing: "
    return f"{note}{'; '.join(found)}." if found else ""


def under_attack(
    m: Measurements,
    runs: Sequence[str],
    attacks: Mapping[str, Look],
    *,
    id: str,
    column: str,
    printed: Reported,
    note: str = "",
) -> Table:
    """Accuracy of every run under every attack, epsilon by column, what the report printed above.

    column: the title of the attacks' column, whose first word is what an image has to survive. note: ends the caption.
    """
    rows: list[tuple[str, str, Mapping[float, float]]] = []  # run, attack in words, accuracy by epsilon
    for run in runs:
        if run in printed:
            rows.append((run, "as reported", printed[run]))
        for attack, look in attacks.items():
            if found := curve(m, run, attack):
                by_eps = {eps: point.value for eps, point in zip(found.eps, found.points, strict=True)}
                rows.append((run, look.label, by_eps))

    def at(eps: float) -> Column:
        return Column(f"ε {eps:g}", "percent", lambda row: row[2].get(eps), f"{eps:g}")

    note += nonfinite({label(run): m.ran(f"attack/{run}") for run in runs})
    return table(
        id,
        paragraphs(SHARED, "under_attack_table", m, column=column, note=note),
        rows,
        (
            Column("network", "text", lambda row: label(row[0])),
            Column(column, "text", lambda row: row[1], "attack"),
            *map(at, sorted({eps for _, _, by_eps in rows for eps in by_eps})),
        ),
    )


def gradients(m: Measurements, runs: Iterable[str], attacks: Mapping[str, Look], *, id: str, column: str) -> Table:
    """For runs and attacks: images whose gradient is exactly zero, and predictions that were not confirmed.

    Runs without any are named in the caption alone.
    """

    def total(row: tuple[str, str], quantity: str) -> tuple[int, int]:
        found = m.rows(f"attack/{row[0]}", quantity, attack=row[1])
        return sum(of_seed.k or 0 for of_seed in found), sum(of_seed.n or 0 for of_seed in found)

    def share(quantity: str) -> Callable[[tuple[str, str]], float]:
        return lambda row: total(row, quantity)[0] / total(row, quantity)[1]

    def unverified(row: tuple[str, str]) -> int:
        seeds = (m.ran(f"attack/{row[0]}") or {})["attacks"][row[1]]["per_seed"]
        return sum(sum(filter(None, seed["unverified"])) for seed in seeds)

    rows = [
        (run, attack)
        for run in runs
        for attack in attacks
        if attack != WORST_CASE and m.rows(f"attack/{run}", "zero_gradient", attack=attack)
    ]
    stuck = {row[0] for row in rows if total(row, "zero_gradient")[0] or unverified(row)}
    return table(
        id,
        paragraphs(SHARED, "gradients_table", m, without=[run for run in dict(rows) if run not in stuck]),
        [row for row in rows if row[0] in stuck],
        (
            Column("network", "text", lambda row: label(row[0])),
            Column(column, "text", lambda row: attacks[row[1]].label, "attack"),
            Column("gradient zero", "percent", share("zero_gradient"), "zero"),
            Column("zero and right", "percent", share("zero_gradient_correct"), "zero_correct"),
            Column("unverified", "count", unverified),
        ),
    )
