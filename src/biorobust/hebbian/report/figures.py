"""The figures of the Hebbian study, in the order of the report. The notebook and the tests walk FIGURES."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from biorobust.hebbian.report.learning import learning_curves
from biorobust.hebbian.report.study import Hebbian, hebbian
from biorobust.reporting import claim_file, reported
from biorobust.reporting.figures.curves import accuracy_against_epsilon, clean_accuracies, losses_compared
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.figures.pictures import adversarial_images, prototypes
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.registry import read_params
from biorobust.reporting.reported import Reported

# The three curves the report's argument is about.
HEADLINE = ("report-uniform", "report-normal", "simple-conv")
PICTURED = ("report-uniform", "simple-conv")


@dataclass(frozen=True)
class Inputs:
    """What the figures are drawn from: metrics, the runs of params.yaml, and the reported values of the claims."""

    metrics: Metrics
    study: Hebbian
    reported_curves: Reported
    reported_clean: Mapping[str, float]

    def named(self, runs: Iterable[str]) -> tuple[str, ...]:
        """Those of `runs` that params.yaml still lists."""
        return tuple(run for run in runs if run in self.study.networks)


def inputs(*, metrics: str | Path, params: str | Path, claims: str | Path) -> Inputs:
    """Read what the figures need. Raises BiorobustError naming a damaged file."""
    study = hebbian(read_params(params))
    loaded = [claim for claim in claim_file.load(claims) if claim.study == study.name]
    return Inputs(
        metrics=Metrics(Path(metrics)),
        study=study,
        reported_curves=reported.curves(loaded),
        reported_clean=reported.clean(loaded),
    )


FIGURES: Mapping[str, Callable[[Inputs], Figure | None]] = {
    "accuracy-epsilon": lambda given: accuracy_against_epsilon(
        given.metrics, given.study, runs=given.named(HEADLINE), reported=given.reported_curves
    ),
    "losses": lambda given: losses_compared(given.metrics, given.study),
    "prototypes": lambda given: prototypes(given.metrics, given.study),
    "learning": lambda given: learning_curves(given.metrics, given.study),
    "adversarial-images": lambda given: adversarial_images(given.metrics, given.study, runs=given.named(PICTURED)),
    "clean-accuracy": lambda given: clean_accuracies(given.metrics, given.study, reported=given.reported_clean),
}


def draw(given: Inputs) -> list[Figure]:
    """Every figure that has metrics."""
    return [figure for drawing in FIGURES.values() if (figure := drawing(given)) is not None]
