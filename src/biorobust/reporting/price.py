"""What it would take to decide a claim that is open, from what its stages took in the run that is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from biorobust.core import places
from biorobust.reporting.claim import Check
from biorobust.reporting.claims import Judged, Part, decide
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.notes import cost
from biorobust.reporting.provenance import Provenance
from biorobust.reporting.requirements import AT_LEAST, REPORTED, files, learned
from biorobust.statistics import rules

SIZES = ("epochs", "n_train", "n_images")  # what a stage takes grows in proportion to each
Stage = tuple[Path, str]  # folder of the metrics that it wrote, and its name
MOST = 64  # times as many trainings and images: an interval an eighth as wide
GPU = 12.0  # core-hours from which two cores are the wrong machine


@dataclass(frozen=True)
class Price:
    """hours: core-hours of the stages behind the open parts, at the size these need; 0 where no stage noted its.
    more: times as many trainings and images as the run has, None where not even MOST times as many would
    decide. learns: whether every training has learned; where one has not, the hours are those of another attempt.
    complete: whether the hours are of all open parts.
    """

    hours: float
    more: int | None
    learns: bool
    complete: bool = True

    @property
    def gpu(self) -> bool:
        return self.hours > GPU


def price(
    item: Judged, *, metrics: Measurements, runs: Mapping[Path, Provenance], printed: Mapping[str, float]
) -> Price | None:
    """None for a claim that is decided, and for one of which no open part was measured.

    runs: by the folder of metrics that came of each.
    """
    times: dict[Stage, float] = {}  # how much more of it
    more, learns, complete = [], True, True
    for part, check in zip(item.parts, item.claim.under(item.reading), strict=True):
        if not part.counts or part.verdict in rules.DECIDED:
            continue
        if part.measured is None:
            complete = False
            continue
        stages = [_stage(name, metrics.folder(f"{name}.json"), runs) for name in files(check)]
        complete &= all(stages)
        learns &= all(learned(content, printed=printed) for content in map(metrics.get, files(check)))
        needed = _trainings(part, check)
        more.append(needed)
        factor = _larger(check, metrics) * (needed if needed <= MOST else 1)
        times |= {stage: max(factor, times.get(stage, 1.0)) for stage in stages if stage}
    if not more:
        return None
    notes = ((runs[folder].notes[stage] or {}, factor) for (folder, stage), factor in times.items())
    hours = sum(cost(note) * note.get("threads", 1) / 3600 * factor for note, factor in notes)
    return Price(hours, max(more) if max(more) <= MOST else None, learns, complete)


def _stage(name: str, folder: Path, runs: Mapping[Path, Provenance]) -> Stage | None:
    """The stage that wrote a metrics file, where it noted what all its starts took."""
    provenance = runs[folder]
    path = PurePosixPath("reports/metrics", places.find(folder, f"{name}.json").relative_to(folder))
    written = {str(path), *map(str, path.parents)}
    for stage, paths in provenance.outputs.items():
        if written & set(paths) and "total_seconds" in (provenance.notes.get(stage) or {}):
            return folder, stage
    return None


def _larger(check: Check, metrics: Measurements) -> float:
    """How many times as large the run has to be where it is smaller than the claim asks for, or than the report's."""
    factors = [1.0]
    for name, settings in check.requires:
        made = metrics.settings(name)
        factors.append(math.prod(_ratio(made.get(key), settings.get(key)) for key in SIZES))
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


def _narrower(part: Part, n: int) -> Part:
    """The part with the interval that n times as many trainings and images would have."""
    if part.rule == "number":  # whose difference is that to the printed number
        part = replace(part, difference=None)
    root = math.sqrt(n)
    low, high = (None if end is None else part.middle + (end - part.middle) / root for end in (part.low, part.high))
    ratio = part.ratio
    if ratio:
        ratio = (ratio[0], *(ratio[0] * (end / ratio[0]) ** (1 / root) for end in ratio[1:]))  # type: ignore[assignment]
    return replace(part, low=low, high=high, ratio=ratio)
