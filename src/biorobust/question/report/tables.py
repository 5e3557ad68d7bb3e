"""Tables of the comparison: what every network keeps step by step, advantages over twins, signs of masked gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from biorobust.question.report.study import CURVE, GIVEN, PGD, Question
from biorobust.reporting import columns
from biorobust.reporting.estimates import Estimate, accuracy, difference
from biorobust.reporting.labels import TASKS, WORST_CASE, full_name
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.table import Column, Table, table
from biorobust.reporting.words import paragraphs
from biorobust.statistics import Difference


def tables(m: Measurements, study: Question, claims: object) -> list[Table]:
    ran = [run for run in study.networks if m.ran(f"attack/{run}")]
    return [
        _robustness(m, study, ran),
        _steps(m, study, ran),
        _cost(m, study, ran),
        _masking(m, study, ran),
    ]


def named(study: Question, ran: Sequence[str]) -> Callable[[str], str]:
    """How a network of these is called: with its data set only where there are several."""
    single = len({run.partition("-")[0] for run in ran}) == 1
    return lambda run: study.called(run) + ("" if single else f" on {TASKS[run.partition('-')[0]]}")


def _omitted(m: Measurements, study: Question) -> str:
    """The sentence on networks that the scale leaves out: a data set by its name where it has none."""
    left = {run: columns.left_out(m.get(f"train/{run}")) for run in study.networks if not study.never(run)}
    whole = {d for d in study.datasets if all(left[run] for run in left if run.startswith(f"{d}-"))}

    def called(run: str) -> str:
        dataset = run.partition("-")[0]
        return f"all of {TASKS[dataset]}" if dataset in whole else f"{study.called(run)} on {TASKS[dataset]}"

    return columns.omitted({called(run): m.get(f"train/{run}") for run in left})


def _under(m: Measurements, study: Question, attack: str | Callable[[str], str | None]) -> Callable[[str], Any]:
    def of(run: str) -> Estimate | None:
        name = attack if isinstance(attack, str) else attack(run)
        return accuracy(m, run, attack=name, eps=study.at(run)) if name else None

    return of


def _robustness(m: Measurements, study: Question, ran: Sequence[str]) -> Table:
    sizes = {dataset: eps for dataset, eps in study.eps.items() if any(run.startswith(f"{dataset}-") for run in ran)}

    def ahead(run: str) -> Difference | None:
        return difference(m, run, study.twin(run) or "", attack=WORST_CASE, eps=study.at(run))

    return table(
        "question-robustness",
        paragraphs(
            study.name,
            "robustness_table",
            m,
            note=_omitted(m, study),
            eps=sizes or study.eps,
            draws=study.plan["draws"],
        ),
        ran,
        (
            columns.network(named(study, ran)),
            columns.estimate("clean", lambda run: accuracy(m, run), key="clean"),
            Column("report's attack", "text", lambda run: full_name(its) if (its := study.reports_attack(run)) else ""),
            columns.estimate("under it", _under(m, study, study.reports_attack), key="report"),
            columns.estimate("PGD", _under(m, study, PGD), key="pgd"),
            columns.estimate("all attacks", _under(m, study, WORST_CASE), key="worst"),
            Column("twin", "text", lambda run: study.called(twin) if (twin := study.twin(run)) else ""),
            Column("ahead of it [95 %]", "difference", ahead, "ahead"),
        ),
    )


def _steps(m: Measurements, study: Question, ran: Sequence[str]) -> Table:
    """What is left after each step: every step holds the attacks of all steps before it."""

    def after(*attacks: str | Callable[[str], str]) -> Callable[[str], float | None]:
        def of(run: str) -> float | None:
            kept = (_under(m, study, attack)(run) for attack in attacks)
            return min((found.value for found in kept if found), default=None)

        return of

    def turn(step: str) -> Callable[[str], float | None]:
        return after(lambda run: study.turns(run)[step])

    return table(
        "question-steps",
        paragraphs(study.name, "steps_table", m, plan=study.plan, given=GIVEN),
        ran,
        (
            columns.network(named(study, ran)),
            Column("strongest attack of a report", "percent", after(*study.plan["reports"]), "reports"),
            Column("+ APGD", "percent", after(CURVE), "apgd"),
            Column("+ all that adapt", "percent", turn("adaptive"), "adaptive"),
            Column("+ without gradients", "percent", turn("blind"), "blind"),
            Column("+ from other networks", "percent", turn("given"), "given"),
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
            columns.network(named(study, ran)),
            Column("parameters trained with labels", "count", known("n_parameters"), "n_parameters"),
            Column("operations per image, millions", "plain", known("inference_mflop"), "inference_mflop"),
            Column("passes per training image", "count", known("training_passes"), "training_passes"),
        ),
    )


class Examined(NamedTuple):
    run: str
    what: str  # "own", or how it is masked
    findings: Sequence[Mapping[str, Any]]

    @property
    def flagged(self) -> list[Mapping[str, Any]]:
        return [finding for finding in self.findings if finding["flagged"]]

    @property
    def signs(self) -> list[str]:
        return [f"{sign['check']} {sign['value']:.2g}, limit {sign['limit']:.2g}" for sign in self.flagged]


def examined(m: Measurements, runs: Sequence[str]) -> Iterator[Examined]:
    """Every network that was examined for masked gradients, controls behind the network they are made from."""
    for run in runs:
        for by_kind in ((m.ran(f"attack/{run}") or {}).get("diagnostics") or {}).values():
            for what, findings in by_kind.items():
                yield Examined(run, what, findings)


def _masking(m: Measurements, study: Question, ran: Sequence[str]) -> Table:
    first: dict[tuple[str, str], Examined] = {}
    for found in examined(m, ran):
        first.setdefault((found.run, found.what), found)
    n_checks = max((len(found.findings) for found in first.values()), default=0)
    called = named(study, ran)
    return table(
        "question-masking",
        paragraphs(study.name, "masking_table", m, n_checks=n_checks),
        first.values(),
        (
            Column("network", "text", lambda found: called(found.run)),
            Column("masked on purpose", "text", lambda found: "" if found.what == "own" else found.what, "masked"),
            Column("signs", "text", lambda found: "; ".join(found.signs) or "none"),
        ),
    )
