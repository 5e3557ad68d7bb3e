"""The answer of the VOneNet study, and what follows from it: numbers for the blocks of its words file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from biorobust.reporting.claims import Judged
from biorobust.reporting.estimates import curve
from biorobust.reporting.headline import JUDGED, Headline, headline_of
from biorobust.reporting.labels import WORST_CASE
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.requirements import trained_above
from biorobust.reporting.words import paragraphs
from biorobust.vonenet.model.params import ANALOGUE
from biorobust.vonenet.report.hypotheses import EXCLUDED, by_verdict, tested
from biorobust.vonenet.report.study import NOISELESS, PLAIN, VONE, Vonenet

CLAIMS = ("V8a", "V3a")  # the first that was judged leads: what attacks that adapt leave, else the report's zeros


def headline(judged: Sequence[Judged], m: Measurements, study: Vonenet) -> Headline | None:
    found = by_verdict(tested(m, PLAIN))
    given = {"hypotheses": found, "excluded": EXCLUDED, "kept": _kept(m), "level": trained_above(study.name, ANALOGUE)}
    given |= {"adapted": study.adaptive.get("eps")}
    known = {item.claim.id for item in judged if item.counted and item.verdict in JUDGED}
    claim = next((claim for claim in CLAIMS if claim in known), CLAIMS[-1])
    return headline_of(claim, judged, m, study=study.name, first=partial(_first, m), **given)


def conclusions(judged: Sequence[Judged], m: Measurements, study: Vonenet) -> tuple[str, ...]:
    """What noise does to the comparison, and last the limits."""
    said = paragraphs(study.name, "conclusions", m)
    return said if len(said) > 1 else ()


def _first(m: Measurements, name: str) -> Any:
    found = m.ran(name)
    return found["per_seed"][0] if found else None


def _kept(m: Measurements) -> dict[str, Any] | None:
    """The worst case at the largest size of the plain network, of the filters alone, and of filters and noise."""
    curves = {run: curve(m, run, WORST_CASE) for run in (PLAIN, NOISELESS, VONE)}
    sizes = set.intersection(*(set(found.eps) if found else set() for found in curves.values()))
    if not sizes:
        return None
    return {"size": max(sizes), **{run: found.at(max(sizes)) for run, found in curves.items() if found}}
