"""The figures of the k-WTA study, in the order of the report. The notebook and the tests walk FIGURES."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from biorobust.kwta.report import jumps, steps, training
from biorobust.kwta.report.cells import Key, printed
from biorobust.kwta.report.study import Kwta, kwta
from biorobust.reporting import claim_file
from biorobust.reporting.estimates import Estimate
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.registry import read_params


@dataclass(frozen=True)
class Inputs:
    """What the figures are drawn from: metrics, the runs of params.yaml, and what the report's tables hold."""

    metrics: Metrics
    study: Kwta
    reported: Mapping[Key, Estimate]


def inputs(*, metrics: str | Path, params: str | Path, claims: str | Path) -> Inputs:
    """Read what the figures need. Raises BiorobustError naming a damaged file."""
    study = kwta(read_params(params))
    loaded = [claim for claim in claim_file.load(claims) if claim.study == study.name]
    return Inputs(metrics=Metrics(Path(metrics)), study=study, reported=printed(loaded))


FIGURES: Mapping[str, Callable[[Inputs], Figure | None]] = {
    "steps": lambda given: steps.steps(given.metrics, given.study, reported=given.reported),
    "jumps": lambda given: jumps.jumps(given.metrics, given.study),
    "patterns": lambda given: jumps.patterns(given.metrics, given.study),
    "active": lambda given: training.active(given.metrics, given.study),
    "collapses": lambda given: training.collapses(given.metrics, given.study),
    "curves-scratch": lambda given: training.curves(given.metrics, given.study, init="scratch"),
    "curves-pretrained": lambda given: training.curves(given.metrics, given.study, init="pretrained"),
}


def draw(given: Inputs) -> list[Figure]:
    """Every figure that has metrics."""
    return [figure for drawing in FIGURES.values() if (figure := drawing(given)) is not None]
