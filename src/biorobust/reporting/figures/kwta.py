"""The figures of the k-WTA study, in the order of the report. The notebook and the tests walk FIGURES."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from biorobust.reporting import claim_file
from biorobust.reporting.cells import Key, printed
from biorobust.reporting.estimates import Estimate
from biorobust.reporting.figures import kwta_jumps, kwta_steps, kwta_training
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.studies.kwta import Kwta, kwta
from biorobust.reporting.study import read_params


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
    "steps": lambda given: kwta_steps.steps(given.metrics, given.study, reported=given.reported),
    "jumps": lambda given: kwta_jumps.jumps(given.metrics, given.study),
    "patterns": lambda given: kwta_jumps.patterns(given.metrics, given.study),
    "active": lambda given: kwta_training.active(given.metrics, given.study),
    "collapses": lambda given: kwta_training.collapses(given.metrics, given.study),
    "curves-scratch": lambda given: kwta_training.curves(given.metrics, given.study, init="scratch"),
    "curves-pretrained": lambda given: kwta_training.curves(given.metrics, given.study, init="pretrained"),
}


def draw(given: Inputs) -> list[Figure]:
    """Every figure that has metrics."""
    return [figure for drawing in FIGURES.values() if (figure := drawing(given)) is not None]
