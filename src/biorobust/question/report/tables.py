"""Tables of the comparison: what every network keeps step by step, advantages over twins, signs of masked gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from biorobust.question.report.study import CURVE, GIVEN, PGD, Question
from biorobust.reporting import columns
from biorobust.reporting.estimates import Estimate, accuracy, value
from biorobust.reporting.labels import WORST_CASE, full_name, label, network
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.table import Column, Table, table
from biorobust.reporting.words import paragraphs


def tables(m: Measurements, study: Question, claims: object) -> list[Table]:
    ran = [run for run in study.networks if m.ran(f"attack/{run}")]
    return [
        _robustness(m, study, ran),
        _steps(m, study, ran),
        _advantages(m, study),
        _cost(m, study, ran),
        _masking(m, study, ran),
    ]


def _under(m: Measurements, study: Question, attack: str | Callable[[str], str | None]) -> Callable[[str], Any]:
    def of(run: str) -> Estimate | None:
        name = attack if isinstance(attack, str) else attack(run)
        return accuracy(m, run, attack=name, eps=study.at(run)) if name else None

    return of


def _robustness(m: Measurements, study: Question, ran: Sequence[str]) -> Table:
    left_out = {label(run): m.get(f"train/{run}") for run in study.networks}
    return table(
        "question-robustness",
        paragraphs(
            study.name, "robustness_table", m, note=columns.omitted(left_out), eps=study.eps, draws=study.plan["draws"]
        ),
        ran,
        (
            columns.network(),
            Column("twin", "text", lambda run: network(twin) if (twin := study.twin(run)) else ""),
            columns.estimate("clean", lambda run: accuracy(m, run), key="clean"),
            Column("report's attack", "text", lambda run: full_name(its) if (its := study.reports_attack(run)) else ""),
            columns.estimate("under it", _under(m, study, study.reports_attack), key="report"),
            columns.estimate("PGD", _under(m, study, PGD), key="pgd"),
            columns.estimate("worst case", _under(m, study, WORST_CASE), key="worst"),
        ),
    )


def _steps(m: Measurements, study: Question, ran: Sequence[str]) -> Table:
    """What is left after each step: every step holds the attacks of all steps before it."""

    def after(step: str) -> Callable[[str], float | None]:
        def of(run: str) -> float | None:
            found = _under(m, study, study.turns(run)[step])(run)
            return found.value if found else None

        return of

    def reports(run: str) -> float | None:
        kept = [_under(m, study, attack)(run) for attack in study.plan["reports"]]
        return min((found.value for found in kept if found), default=None)

    def by_curve(run: str) -> float | None:
        found = _under(m, study, CURVE)(run)
        return found.value if found else None

    return table(
        "question-steps",
        paragraphs(study.name, "steps_table", m, plan=study.plan, given=GIVEN),
        ran,
        (
            columns.network(),
            Column("strongest attack of a report", "percent", reports, "reports"),
            Column("+ APGD", "percent", by_curve, "apgd"),
            Column("+ all that adapt", "percent", after("adaptive"), "adaptive"),
            Column("+ without gradients", "percent", after("blind"), "blind"),
            Column("+ from other networks", "percent", after("given"), "given"),
        ),
    )


def _advantages(m: Measurements, study: Question) -> Table:
    runs = [run for run in study.networks if m.ran(f"advantage/{run}")]

    def of(key: str) -> Callable[[str], Estimate | None]:
        return lambda run: value(m, f"advantage/{run}", f"advantage_{key}")

    return table(
        "question-advantage",
        paragraphs(study.name, "advantage_table", m),
        runs,
        (
            columns.network(),
            Column("twin", "text", lambda run: network(study.twin(run) or "")),
            Column("report's attack", "text", lambda run: full_name(study.reports_attack(run) or "")),
            Column("advantage under it [95 %]", "difference", of("report"), "report"),
            Column("in the worst case [95 %]", "difference", of("worst"), "worst"),
            Column("lost [95 %]", "difference", of("lost"), "lost"),
        ),
    )


def _cost(m: Measurements, study: Question, ran: Sequence[str]) -> Table:
    def known(key: str) -> Callable[[str], Any]:
        return lambda run: (m.ran(f"train/{run}") or {}).get(key)

    return table(
        "question-cost",
        paragraphs(study.name, "cost_table", m),
        ran,
        (
            columns.network(),
            columns.parameters(m),
            Column("operations per image, millions", "plain", known("inference_mflop"), "inference_mflop"),
            Column("passes per training image", "count", known("training_passes"), "training_passes"),
            *columns.trainings(lambda run: accuracy(m, run)),
            columns.run_state(m),
        ),
    )


class Examined(NamedTuple):
    run: str
    seed: str
    what: str  # "own", or how it is masked
    findings: Sequence[Mapping[str, Any]]

    @property
    def flagged(self) -> list[Mapping[str, Any]]:
        return [finding for finding in self.findings if finding["flagged"]]


def examined(m: Measurements, runs: Sequence[str]) -> Iterator[Examined]:
    """Every network that was examined for masked gradients, controls behind the network they are made from."""
    for run in runs:
        for seed, by_kind in ((m.ran(f"attack/{run}") or {}).get("diagnostics") or {}).items():
            for what, findings in by_kind.items():
                yield Examined(run, seed.removeprefix("seed"), what, findings)


def _masking(m: Measurements, study: Question, ran: Sequence[str]) -> Table:
    def signs(found: Examined) -> str:
        return "; ".join(f"{sign['check']} {sign['value']:.2g} (limit {sign['limit']:.2g})" for sign in found.flagged)

    return table(
        "question-masking",
        paragraphs(study.name, "masking_table", m),
        list(examined(m, ran)),
        (
            Column("network", "text", lambda found: label(found.run)),
            Column("training", "text", lambda found: found.seed),
            Column("masked on purpose", "text", lambda found: "" if found.what == "own" else found.what, "masked"),
            Column("checks", "count", lambda found: len(found.findings)),
            Column("signs", "text", signs),
            Column("verdict", "text", lambda found: "masked" if found.flagged else "no sign"),
        ),
    )
