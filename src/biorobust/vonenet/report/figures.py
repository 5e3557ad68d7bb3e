"""The figures of the VOneNet study, in the order of the report. The notebook and the tests walk FIGURES."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.registry import read_params
from biorobust.vonenet.report import cortex, layers, twins
from biorobust.vonenet.report.study import Vonenet, vonenet


@dataclass(frozen=True)
class Inputs:
    """What the figures are drawn from: metrics, and the runs of params.yaml. The report prints no curve as numbers."""

    metrics: Metrics
    study: Vonenet


def inputs(*, metrics: str | Path, params: str | Path, claims: str | Path) -> Inputs:
    """Read what the figures need. Raises BiorobustError naming a damaged file."""
    return Inputs(metrics=Metrics(Path(metrics)), study=vonenet(read_params(params)))


FIGURES: Mapping[str, Callable[[Inputs], Figure | None]] = {
    "deviations": lambda given: layers.deviations(given.metrics, given.study),
    "one-image": lambda given: twins.one_image(given.metrics, given.study),
    "dips": lambda given: layers.dips(given.metrics, given.study),
    "controls": lambda given: layers.controls(given.metrics, given.study),
    "ratios": lambda given: twins.ratios(given.metrics, given.study),
    "matrices": lambda given: twins.matrices(given.metrics, given.study),
    "accuracy-perturbed": lambda given: cortex.accuracy(given.metrics, given.study),
    "perturbed-images": lambda given: cortex.perturbed(given.metrics, given.study),
    "components": lambda given: cortex.components(given.metrics, given.study),
    "v1-filters": lambda given: cortex.bank(given.metrics, given.study),
    "v1-responses": lambda given: cortex.responses(given.metrics, given.study),
}


def draw(given: Inputs) -> list[Figure]:
    """Every figure that has metrics."""
    return [figure for drawing in FIGURES.values() if (figure := drawing(given)) is not None]
