"""What a study's networks keep under attacks that adapt to them: a table, and a sentence for every defence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from biorobust.core.attack_plan import adaptive_name
from biorobust.reporting import columns
from biorobust.reporting.estimates import Estimate, accuracy, difference
from biorobust.reporting.labels import WORST_CASE, label
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.table import Column, Table, table
from biorobust.reporting.words import SHARED, paragraphs
from biorobust.statistics import THRESHOLDS

if TYPE_CHECKING:
    from biorobust.reporting.study import Study

STANDARD, STRONGER = "pgd-cross-entropy", "apgd-cross-entropy"


def tables(m: Measurements, study: Study) -> list[Table]:
    """One table, of the networks that were attacked so; none where no network was."""
    ran = [run for run in study.adapted if m.ran(f"attack/{adaptive_name(run)}")]
    if not ran:
        return []

    def under(attack: str) -> Callable[[str], Estimate | None]:
        return lambda run: accuracy(m, adaptive_name(run), attack=attack, eps=study.adaptive["eps"])

    twins = {run: label(twin) for run, twin in study.adaptive["twins"].items()}
    return [
        table(
            f"{study.name}-adaptive",
            paragraphs(SHARED, "adaptive_table", m, eps=study.adaptive["eps"]),
            ran,
            (
                columns.network(),
                Column("twin", "text", lambda run: twins.get(run, "")),
                columns.estimate("clean", lambda run: accuracy(m, run), key="clean"),
                columns.estimate("report's attack", under(study.adaptive["report"]), key="report"),
                columns.estimate("PGD", under(STANDARD), key="pgd"),
                columns.estimate("+ APGD", under(STRONGER), key="apgd"),
                columns.estimate("all that adapt", under(WORST_CASE), key="worst"),
                *columns.trainings(under(WORST_CASE)),
            ),
        )
    ]


def conclusions(m: Measurements, study: Study) -> tuple[str, ...]:
    """A paragraph for every defence that was attacked so beside its twin."""
    found = {run: kept for run, twin in study.adaptive.get("twins", {}).items() if (kept := _kept(m, study, run, twin))}
    given = {"eps": study.adaptive.get("eps"), "smallest": THRESHOLDS.smallest_effect}
    return paragraphs(SHARED, "adaptive_conclusions", m, defences=found, **given) if found else ()


def _kept(m: Measurements, study: Study, run: str, twin: str) -> dict[str, Any] | None:
    """What a defence keeps under its report's attack and in the worst case, and there beside its twin."""
    eps, its, other = study.adaptive["eps"], adaptive_name(run), adaptive_name(twin)
    report = accuracy(m, its, attack=study.adaptive["report"], eps=eps)
    worst, twins = (accuracy(m, name, attack=WORST_CASE, eps=eps) for name in (its, other))
    ahead = difference(m, its, other, attack=WORST_CASE, eps=eps)
    if not (report and worst and twins and ahead):
        return None
    return {"report": report.value, "worst": worst.value, "twin": twin, "twins": twins.value, "ahead": ahead}
