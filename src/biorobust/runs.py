"""Trained runs: of this checkout, or of a recorded one. The code behind is in biorobust.core.runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biorobust.core import runs
from biorobust.core.runs import attack_views, save, seeds

if TYPE_CHECKING:
    from torch import nn

    from biorobust.recorded import Adversarial

__all__ = ["adversarial", "attack_views", "load", "save", "seeds"]


def load(run: str, *, seed: int = 0, device: str = "cpu", recorded: str | None = None) -> nn.Module:
    """The model of one seed, in eval mode with frozen parameters: `load("report-normal", recorded="hebbian-paper-3")`.

    recorded: a folder of reports/recorded that keeps networks; by default the checkpoints of the last run.
    Raises BiorobustError when there is no such network, or when it does not fit its configuration.
    """
    if recorded is None:
        return runs.load(run, seed=seed, device=device)
    from biorobust import recorded as of_recorded_runs
    from biorobust.checkout import checkout

    return of_recorded_runs.load(run, recorded=recorded, seed=seed, device=device, root=checkout())


def adversarial(run: str, *, recorded: str) -> Adversarial:
    """Test images (clean), what the attacks of a recorded run made of them (images), and labels; of the first training.

    Raises BiorobustError where the run kept none, or its data set is not in this checkout (`dvc repro download@mnist`).
    """
    from biorobust import recorded as of_recorded_runs
    from biorobust.checkout import checkout

    return of_recorded_runs.adversarial(run, recorded=recorded, root=checkout())
