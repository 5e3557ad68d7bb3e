"""What it would take to decide a claim that is open, from what its stages took in the run that is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from biorobust.reporting.claim import Check
from biorobust.reporting.claims import Judged, Part, decide
from biorobust.reporting.measure import Measured
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.notes import cost
from biorobust.reporting.provenance import Provenance
from biorobust.reporting.requirements import AT_LEAST, REPORTED, files, learned
from biorobust.statistics import rules

SIZES = ("epochs", "n_train", "n_images")  # what a stage takes grows in proportion to each
MOST = 64  # times as many trainings and images: an interval an eighth as wide
GPU = 12.0  # core-hours from which two cores are the wrong machine


@dataclass(frozen=True)
class Price:
    """hours: core-hours of the stages behind the parts that are open, at the size these need. more: times as many
    trainings and images as the run has, None where not even MOST times as many would decide. learns: whether every
    training behind them has learned; where one has not, the hours are those of another attempt."""

    hours: float
    more: int | None
    learns: bool

    @property
    def gpu(self) -> bool:
        return self.hours > GPU


def price(item: Judged, *, metrics: Measurements, provenance: Provenance, printed: Mapping[str, float]) -> Price | None:
    """None for a claim that is decided, and where nobody knows what a stage takes, because it did not run here."""
    times: dict[str, float] = {}  # stage -> how much more of it
    more, learns = [1], True
    for part, check in zip(item.parts, item.claim.under(item.reading), strict=True):
        if not part.counts or part.verdict in rules.DECIDED:
            continue
        stages = [_stage(name, provenance) for name in files(check)]
        if not all(stages) or part.measured is None:
            return None
        learns &= all(learned(content, printed=printed) for content in map(metrics.get, files(check)))
        needed = _trainings(part, check)
        more.append(needed)
        factor = _larger(check, metrics) * (needed if needed <= MOST else 1)
        times |= {str(stage): max(factor, times.get(str(stage), 1.0)) for stage in stages}
    if not times:
        return None
    hours = sum(_hours(provenance.notes[stage]) * factor for stage, factor in times.items())
    return Price(hours, max(more) if max(more) <= MOST else None, learns)


def _stage(name: str, provenance: Provenance) -> str | None:
    """The stage that wrote a metrics file, where it noted what all its starts took."""
    path = PurePosixPath("reports/metrics", f"{name}.json")
    written = {str(path), *map(str, path.parents)}
    for stage, paths in provenance.outputs.items():
        if written & set(paths) and "total_seconds" in (provenance.notes.get(stage) or {}):
            return stage
    return None


def _hours(note: Mapping[str, Any] | None) -> float:
    assert note is not None
    return cost(note) * note.get("threads", 1) / 3600


def _larger(check: Check, metrics: Measurements) -> float:
    """How many times as large the run has to be where it is smaller than the claim asks for, or than the report's."""
    factors = [1.0]
    for name, settings in check.requires:
        content = metrics.get(name) or {}
        ratios = [_ratio(content.get("settings", {}).get(key), settings.get(key)) for key in SIZES]
        factors.append(math.prod(ratios))
    return max(factors)


def _ratio(found: Any, wanted: Any) -> float:
    if isinstance(wanted, Mapping):
        wanted = wanted.get(REPORTED, wanted.get(AT_LEAST))
    numbers = isinstance(found, int | float) and isinstance(wanted, int | float)
    return max(1.0, wanted / found) if numbers and found else 1.0


def _trainings(part: Part, check: Check) -> int:
    """How many times as many trainings and images decide the part, should its middle stay where it is."""
    if part.verdict != rules.INCONCLUSIVE or (part.low is None and part.high is None):
        return 1
    tried = (2**k for k in range(MOST.bit_length()))
    return next((n for n in tried if decide(check, _narrower(part, n)).verdict in rules.DECIDED), MOST + 1)


def _narrower(part: Part, n: int) -> Measured:
    """The part with the interval that n times as many trainings and images would have."""
    assert part.measured is not None
    difference = None if part.rule == "number" else part.difference
    middle, root = part.measured if difference is None else difference, math.sqrt(n)
    low, high = (None if end is None else middle + (end - middle) / root for end in (part.low, part.high))
    ratio = part.ratio
    if ratio:
        ratio = (ratio[0], *(ratio[0] * (end / ratio[0]) ** (1 / root) for end in ratio[1:]))  # type: ignore[assignment]
    return Measured(part.measured, part.n_seeds or 1, part.path, difference=difference, low=low, high=high, ratio=ratio)
