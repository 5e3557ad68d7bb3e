"""The figures of the CNN-F study, in the order of the report. The notebook and the tests walk FIGURES."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from biorobust.cnnf.report.accuracy import by_noise_level, clean_and_noisy, confusion, grid
from biorobust.cnnf.report.attacks import accuracy_against_epsilon, attacked_letters
from biorobust.cnnf.report.cycles import over_the_cycles, reconstructions
from biorobust.cnnf.report.study import CNN, CNN_NOISY, FEEDBACK, NOT_CYCLED, Cnnf, cnnf
from biorobust.cnnf.report.training import learning_rate, losses
from biorobust.reporting import claim_file, reported
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.registry import read_params


@dataclass(frozen=True)
class Inputs:
    """What the figures are drawn from: metrics, the runs of params.yaml, and what the report printed.

    `reported`: "clean" or "noisy" -> run -> accuracy.
    """

    metrics: Metrics
    study: Cnnf
    reported: Mapping[str, Mapping[str, float]]

    def named(self, *runs: str) -> tuple[str, ...]:
        """Those of `runs` that params.yaml still lists."""
        return tuple(run for run in runs if run in self.study.networks)


def inputs(*, metrics: str | Path, params: str | Path, claims: str | Path) -> Inputs:
    """Read what the figures need. Raises BiorobustError naming a damaged file."""
    study = cnnf(read_params(params))
    loaded: Iterable = [claim for claim in claim_file.load(claims) if claim.study == study.name]
    printed = {images: reported.clean(loaded, images=images) for images in ("clean", "noisy")}
    return Inputs(metrics=Metrics(Path(metrics)), study=study, reported=printed)


FIGURES: Mapping[str, Callable[[Inputs], Figure | None]] = {
    "accuracy-epsilon": lambda given: accuracy_against_epsilon(given.metrics, given.study),
    "reconstructions": lambda given: reconstructions(given.metrics, given.study, runs=given.named(FEEDBACK)),
    "clean-noisy": lambda given: clean_and_noisy(given.metrics, given.study, reported=given.reported),
    "grid": lambda given: grid(given.metrics, given.study, reported=given.reported["noisy"]),
    "noise-levels": lambda given: by_noise_level(given.metrics, given.study),
    "cycles": lambda given: over_the_cycles(given.metrics, given.study, runs=given.named(FEEDBACK, NOT_CYCLED)),
    "confusion": lambda given: confusion(given.metrics, given.study, runs=given.named(CNN, FEEDBACK)),
    "attacked-letters": lambda given: attacked_letters(given.metrics, given.study, runs=given.named(CNN, FEEDBACK)),
    "losses": lambda given: losses(given.metrics, given.study, runs=given.named(CNN, CNN_NOISY, FEEDBACK)),
    "learning-rate": lambda given: learning_rate(given.metrics, given.study, runs=given.named(CNN, FEEDBACK)),
}


def draw(given: Inputs) -> list[Figure]:
    """Every figure that has metrics."""
    return [figure for drawing in FIGURES.values() if (figure := drawing(given)) is not None]
