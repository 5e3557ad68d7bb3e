"""What params.yaml says about one run of the CNN-F study, whichever list it stands in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from biorobust.cnnf.model.params import EVALUATED, Feedback, NetworkRun, Noise, RunSize, VariantRun
from biorobust.core.errors import ParamsError

if TYPE_CHECKING:
    from biorobust.params import Params


NONE = Feedback(cycles=0, residual=0.0)  # the plain CNN


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one run is, with the lists of params.yaml resolved. images: which halves of a minibatch are trained on.

    feedback: `adaptive` gates ReLU and pooling, `masked` is gated by them alone, `none` for a plain CNN.
    """

    cycles: int
    residual: float
    feedback: str
    images: str
    cycle_clean: bool
    noise_level: float
    epochs: int
    seeds: int


def plan(name: str, settings: Params) -> Plan:
    """The run of that name in any list. Raises ParamsError naming the runs there are."""
    level = settings.block("cnnf_noise", Noise).level
    kind, images, cycle_clean, method = "adaptive", "both", True, "cnnf_grid"
    if name in settings.runs["cnnf_grid"]:
        feedback = settings.run("cnnf_grid", name, Feedback)
    elif name in settings.runs["cnnf_variants"]:
        variant = settings.run("cnnf_variants", name, VariantRun)
        images, cycle_clean, level = variant.images, variant.cycle_clean, variant.noise_level
        kind, method = variant.feedback, variant.method
        feedback = NONE if kind == "none" else settings.block(method, Feedback)
    elif name in settings.runs["cnnf_runs"]:
        run = settings.run("cnnf_runs", name, NetworkRun)
        images, method = run.images, run.method
        kind = "none" if method == "cnn" else "adaptive"
        feedback = NONE if kind == "none" else settings.block(method, Feedback)
    else:
        known = ", ".join(run for group in EVALUATED for run in settings.runs[group])
        raise ParamsError(f"run {name!r}: unknown; known are {known}")
    size = settings.size(method, RunSize)
    return Plan(
        cycles=feedback.cycles,
        residual=feedback.residual,
        feedback=kind,
        images=images,
        cycle_clean=cycle_clean,
        noise_level=level,
        epochs=size.epochs,
        seeds=size.seeds,
    )
