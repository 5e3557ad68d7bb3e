"""Tables of the VOneNet study: hypotheses, accuracy, perturbations, accuracy under them, layers compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

from biorobust.reporting import columns
from biorobust.reporting.claim import Claim
from biorobust.reporting.estimates import accuracy, curve, value
from biorobust.reporting.labels import ATTACKS, label
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.numbers import percent
from biorobust.reporting.table import Column, Table, table
from biorobust.reporting.words import paragraphs
from biorobust.vonenet.report.hypotheses import ENOUGH, FOUR, Tested, tested
from biorobust.vonenet.report.study import PLAIN, VONE, Vonenet

NOISES = ("none", "frozen", "live")
COMPARED = {
    "own": "each its own perturbation",
    "transferred": "the plain network's perturbation",
    "returned": "the other network's perturbation",
    "signs": "random signs",
    "own-eps": "each its own, one size",
    "transferred-eps": "the plain network's, one size",
    "other": "another image",
}


def tables(m: Measurements, study: Vonenet, claims: Sequence[Claim]) -> list[Table]:
    parts = {
        "hypotheses": _hypotheses(m),
        "accuracy": _accuracy(m, study),
        "perturbations": _perturbations(m, study),
        "attack": _under_attack(m, study),
        "deviations": _deviations(m, study),
    }
    said = {"enough": ENOUGH, "reported": FOUR, "nonfinite": _nonfinite(m, study)}
    return [
        table(f"vonenet-{name}", paragraphs(study.name, f"{name}_table", m, **said), rows, shown)
        for name, (rows, shown) in parts.items()
    ]


Part = tuple[Sequence[Any], Sequence[Column]]  # rows and columns of a table
_NETWORK = Column("network", "text", lambda row: label(row[0]))  # of rows that begin with a run


def _hypotheses(m: Measurements) -> Part:
    found = {run: {item.id: item for item in tested(m, run)} for run in (PLAIN, VONE)}

    def said(run: str) -> Callable[[Tested], str | None]:
        return lambda row: _verdict(found[run].get(row.id))

    return list((found[PLAIN] or found[VONE]).values()), (
        Column("no.", "text", lambda row: row.id, "id"),
        Column("hypothesis", "text", lambda row: row.hypothesis),
        Column("test", "text", lambda row: row.test),
        Column("finding, plain network", "text", lambda row: row.finding, "finding"),
        *(Column(label(run), "text", said(run), run) for run in found),
    )


def _verdict(item: Tested | None) -> str | None:
    if item is None or item.agreement is None:
        return item and item.verdict
    return f"{item.verdict} ({percent(item.agreement, digits=0)}\u00a0%)"


def _accuracy(m: Measurements, study: Vonenet) -> Part:
    ours = cache(lambda run: accuracy(m, run))

    def under(noise: str) -> Callable[[str], float | None]:
        return lambda run: _mean(m, f"train/{run}", f"under_noise.{noise}.accuracy")

    return study.networks, (
        columns.network(),
        Column("run", "", str),
        replace(columns.parameters(m), title="trained parameters"),
        columns.estimate("accuracy", ours, key="ours"),
        Column("no noise", "percent", under("none"), "none"),
        Column("neuronal noise", "percent", under("neuronal"), "neuronal"),
        *columns.trainings(ours),
        Column("state", "text", lambda run: _state(m, run)),
    )


def _state(m: Measurements, run: str) -> str:
    found = m.get(f"train/{run}")
    if found and found["status"] != "ok":
        return "unavailable"  # why stands above the tables, once
    return "random weights" if _untrained(m, run) else columns.state(found)


def _untrained(m: Measurements, run: str) -> bool:
    return m.settings(f"train/{run}").get("trained") is False


def _mean(m: Measurements, name: str, quantity: str, *, step: int | None = None) -> float | None:
    found = value(m, name, quantity, step=step)
    return found.value if found else None


def _crafted(m: Measurements, study: Vonenet) -> list[tuple[str, str, list[Any]]]:
    """Run, "own" or "live", and what each seed says of the perturbations made in this way."""
    found = {run: m.ran(f"perturb/{run}") for run in study.networks}
    return [
        (run, role, seeds)
        for run, content in found.items()
        for role in ("own", "live")
        if content and (seeds := [seed for seed in content["per_seed"] if role in seed])
    ]


def _perturbations(m: Measurements, study: Vonenet) -> Part:
    def mean(quantity: str, step: int | None = None) -> Callable[[Any], float | None]:
        return lambda row: _mean(m, f"perturb/{row[0]}", f"{row[1]}.{quantity}", step=step)

    def total(key: str) -> Callable[[Any], int]:
        return lambda row: sum(seed[row[1]][key] for seed in row[2])

    return _crafted(m, study), (
        _NETWORK,
        Column("crafted in noise", "text", lambda row: row[2][0][row[1]]["noise"], "noise"),
        Column("images", "count", lambda row: row[2][0]["n"], "shown"),
        Column("entered", "count", lambda row: round(mean("n")(row) or 0)),
        Column("fooled", "percent", mean("success"), "success"),
        Column("fresh noise", "percent", mean("fresh_success"), "fresh_success"),
        Column("in most passes", "percent", mean("fresh_majority"), "fresh_majority"),
        Column("size", "plain", lambda row: 255 * (mean("size", 2)(row) or 0.0)),
        Column("unmoved", "count", total("unmoved")),
        Column("erased", "count", total("erased")),
    )


def _nonfinite(m: Measurements, study: Vonenet) -> dict[str, str]:
    """Sentences on gradients that were not numbers, of the table of perturbations and of that of attacks."""
    crafted = {}
    for run, role, seeds in _crafted(m, study):
        made = [seed[role] for seed in seeds]
        counted = [{"n": seed["n"], "nonfinite_gradient": [seed.get("nonfinite_gradient")]} for seed in made]
        said = {"attacks": {"deepfool-report": {"per_seed": counted}}}
        crafted[f"{label(run)}, {made[0]['noise']} noise"] = said
    attacked = {label(run): m.ran(f"attack/{run}") for run in study.networks}
    return {"crafted": columns.nonfinite(crafted), "attacked": columns.nonfinite(attacked)}


def _under_attack(m: Measurements, study: Vonenet) -> Part:
    rows = [(run, name, found) for run in study.networks for name in _attacks(m, run) if (found := curve(m, run, name))]

    def at(eps: float) -> Column:
        return columns.estimate(f"ε {eps:g}", lambda row: row[2].at(eps), key=f"{eps:g}")

    def called(row: Any) -> str:
        known = ATTACKS.get(row[1])
        return known.label if known else f"DeepFool, from {label(row[1].removeprefix('deepfool-'))}"

    def largest(row: Any) -> Any:
        return row[2].points[-1]

    grid = sorted({eps for *_, found in rows for eps in found.eps})
    trainings = columns.trainings(largest)
    return rows, (_NETWORK, Column("perturbation", "text", called, "attack"), *map(at, grid), *trainings)


def _attacks(m: Measurements, run: str) -> list[str]:
    """The attacks whose row differs from another's; none for random weights, which are right about hardly any image."""
    content, made = m.ran(f"attack/{run}"), m.ran(f"perturb/{run}")
    if content is None or _untrained(m, run):
        return []
    noisy = made and any("live" in seed for seed in made["per_seed"])
    same = {f"deepfool-{run}"} | (set() if noisy else {"deepfool-live"})
    return [attack for attack in content["attacks"] if attack not in same]


def _deviations(m: Measurements, study: Vonenet) -> Part:
    def of(quantity: str, noise: str) -> Callable[[Any], float | None]:
        return lambda row: _mean(m, f"deviations/{row[0]}", f"{quantity}_{row[1]}_{noise}")

    def ratio(noise: str) -> Callable[[Any], float | None]:
        return lambda row: 10**log if (log := of("log_ratio", noise)(row)) is not None else None

    rows = product(study.baselines, COMPARED)
    return [row for row in rows if any(ratio(noise)(row) is not None for noise in NOISES)], (
        _NETWORK,
        Column("baseline", "", lambda row: label(study.baselines[row[0]])),
        Column("shown", "text", lambda row: COMPARED[row[1]], "compared"),
        *(
            column
            for noise in NOISES
            for column in (
                Column("no noise" if noise == "none" else noise, "plain", ratio(noise), noise),
                Column("lower", "percent", of("lower", noise), f"{noise}_lower"),
                Column("higher", "", of("higher", noise), f"{noise}_higher"),
            )
        ),
        Column("images", "count", lambda row: round(_mean(m, f"deviations/{row[0]}", "images") or 0)),
    )
