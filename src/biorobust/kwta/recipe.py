"""Which settings a cell or an ablation is trained with: blocks of params.yaml put together into one flat Recipe."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from biorobust.core.schema import build
from biorobust.kwta.params import (
    FULL_WIDTH,
    SMALL_IMAGE,
    AblationRun,
    AblationSize,
    Epochs,
    Incremental,
    Rate,
    Recipe,
    Relu,
    Run,
    Training,
    TrainingSize,
    Winners,
)

if TYPE_CHECKING:
    from biorobust.params import Params


def of_cell(settings: Params, run: Run, *, network: str, dataset: str) -> Recipe:
    """The settings of one cell of a run at the chosen scale."""
    gamma = None if run.method == "relu" else settings.block(run.method, Winners).gamma
    if run.method == "relu":
        settings.block(run.method, Relu)
    epochs = settings.size(f"kwta_{run.init}", Epochs).over(dataset)
    values = _values(settings, "kwta_training", network=network, dataset=dataset, init=run.init, gamma=gamma)
    return build(Recipe, values | {"epochs": epochs}, where=f"{network}-{dataset}")


def of_ablation(settings: Params, run: AblationRun) -> tuple[Recipe, Recipe]:
    """An ablation's settings, and those with nothing changed. Raises ParamsError for what cannot be built."""
    size = settings.size("kwta_ablation", AblationSize)
    values = _values(settings, run.recipe, network=run.network, dataset=run.dataset, init=run.init, gamma=run.gamma) | {
        "epochs": size.epochs,
        "n_train": size.n_train,
    }
    changed = values | {run.change: run.to}
    return build(Recipe, changed, where=run.question), build(Recipe, values, where=run.question)


def _values(
    settings: Params, block: str, *, network: str, dataset: str, init: str, gamma: float | None
) -> dict[str, Any]:
    size = settings.size("kwta_training", TrainingSize)
    width: int = getattr(size, f"{network.replace('-', '_')}_width")
    return {
        "network": network,
        "dataset": dataset,
        "init": init,
        "activation": "relu" if gamma is None else "kwta",
        "gamma": gamma,
        "gamma_schedule": "constant",
        "width": FULL_WIDTH if init == "pretrained" else width,
        "image_size": SMALL_IMAGE if network == "resnet18-small" else size.image_size,
        "precision": size.precision,
        "n_train": size.n_train,
        **asdict(settings.block(block, Training)),
        **asdict(settings.block(f"kwta_{init}", Rate)),
    }


def held(plan: Incremental, epochs: int) -> int:
    """How many epochs gamma stays at `plan.start`, and the learning rate as it is: a whole number."""
    return round(plan.hold * epochs)


def incremental(plan: Incremental, *, gamma: float, epochs: int) -> Callable[[int], float]:
    """Epoch (from 0) -> gamma: `plan.start` at first, then down to `gamma` in steps of `plan.step`, spread evenly.

    As in the original's code, the first step comes at the beginning of the first epoch after the hold: with 50 epochs
    of hold in 90 and 20 steps of 0.005, gamma changes every second epoch and reaches 0.1 in the 89th. Gammas are exact
    decimals. With fewer epochs than steps several are taken at once.
    """
    start, end, step = (Fraction(str(value)) for value in (plan.start, gamma, plan.step))
    n_steps = math.ceil((start - end) / step) if start > end else 0
    hold = held(plan, epochs)

    def at(epoch: int) -> float:
        if epoch < hold or not n_steps:
            return float(start) if epoch < hold else float(end)
        taken = math.ceil(Fraction((epoch - hold + 1) * n_steps, epochs - hold))
        return float(max(end, start - taken * step))

    return at
