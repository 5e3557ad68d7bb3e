"""What params.yaml says about one run of the CNN-F study, whichever list it stands in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from biorobust.cnnf.params import EVALUATED, Feedback, NetworkRun, Noise, RunSize, VariantRun
from biorobust.core.errors import ParamsError

if TYPE_CHECKING:
    from biorobust.params import Params


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one run is, with the lists of params.yaml resolved. images: which halves of a minibatch are trained on."""

    cycles: int
    residual: float
    images: str
    cycle_clean: bool
    noise_level: float
    epochs: int
    seeds: int


def plan(name: str, settings: Params) -> Plan:
    """The run of that name in any list. Raises ParamsError naming the runs there are."""
    level = settings.block("cnnf_noise", Noise).level
    images, cycle_clean, method = "both", True, "cnnf_grid"
    if name in settings.runs["cnnf_grid"]:
        feedback = settings.run("cnnf_grid", name, Feedback)
    elif name in settings.runs["cnnf_variants"]:
        variant = settings.run("cnnf_variants", name, VariantRun)
        images, cycle_clean, level = variant.images, variant.cycle_clean, variant.noise_level
        method = variant.method
        feedback = settings.block(method, Feedback)
    elif name in settings.runs["cnnf_runs"]:
        run = settings.run("cnnf_runs", name, NetworkRun)
        images, method = run.images, run.method
        feedback = Feedback(cycles=0, residual=0.0) if method == "cnn" else settings.block(method, Feedback)
    else:
        known = ", ".join(run for group in EVALUATED for run in settings.runs[group])
        raise ParamsError(f"run {name!r}: unknown; known are {known}")
    size = settings.size(method, RunSize)
    return Plan(
        cycles=feedback.cycles,
        residual=feedback.residual,
        images=images,
        cycle_clean=cycle_clean,
        noise_level=level,
        epochs=size.epochs,
        seeds=size.seeds,
    )
