"""The answer of the Hebbian study: do the units survive attacks that adapt, and what is the published curve?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from biorobust.hebbian.report.study import Hebbian
from biorobust.reporting import reported
from biorobust.reporting.claims import Judged
from biorobust.reporting.estimates import curve
from biorobust.reporting.headline import Headline, headline_of
from biorobust.reporting.labels import REPORT_LOSS
from biorobust.reporting.measurements import Measurements
from biorobust.statistics import THRESHOLDS

CLAIM = "H9"  # do the units keep more than a network of the same size, once the attacks adapt?
STARTS = ("report-normal", "report-uniform")


def headline(judged: Sequence[Judged], m: Measurements, study: Hebbian) -> Headline | None:
    # Under the run with normal weights the printed curve is judged.
    printed = reported.curves(item.claim for item in judged if item.counted).get(STARTS[0], {})
    return headline_of(
        CLAIM,
        judged,
        m,
        smallest=THRESHOLDS.smallest_effect,
        study=study.name,
        gaps=gaps(m, printed),
        largest=max(printed, default=0.0),
        adapted=study.adaptive.get("eps"),
    )


def gaps(m: Measurements, printed: Mapping[float, float]) -> Mapping[str, Any]:
    """Largest distance of each start's curve from the printed one, at epsilons that both have; empty without both."""
    found = {}
    for run in STARTS:
        measured = curve(m, run, REPORT_LOSS)
        away = [abs(at.value - value) for eps, value in printed.items() if measured and (at := measured.at(eps))]
        if not away:
            return {}
        found[run] = max(away)
    return found
