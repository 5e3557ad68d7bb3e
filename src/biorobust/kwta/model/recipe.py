"""Which settings a cell or an ablation is trained with: blocks of params.yaml put together into one flat Recipe."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from biorobust.core.config import build
from biorobust.kwta.model.params import (
    FAST,
    FULL_WIDTH,
    SMALL_IMAGE,
    AblationRun,
    AblationSize,
    Epochs,
    Fast,
    FastSize,
    Incremental,
    Rate,
    Recipe,
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
    if network == FAST:
        return build(Recipe, _fast(settings, dataset=dataset, init=run.init, gamma=gamma), where=f"{network}-{dataset}")
    epochs = settings.size(f"kwta_{run.init}", Epochs).over(dataset)
    values = _values(settings, "kwta_training", network=network, dataset=dataset, init=run.init, gamma=gamma)
    return build(Recipe, values | {"epochs": epochs}, where=f"{network}-{dataset}")


def of_ablation(settings: Params, run: AblationRun, *, where: str = "kwta_ablations") -> tuple[Recipe, Recipe]:
    """An ablation's settings, and those with nothing changed. Raises ParamsError for what cannot be built.

    where: of the run in params.yaml, for the error.
    """
    size = settings.size("kwta_ablation", AblationSize)
    values = _values(settings, run.recipe, network=run.network, dataset=run.dataset, init=run.init, gamma=run.gamma) | {
        "epochs": size.epochs,
        "n_train": size.n_train if run.recipe == "kwta_training" else size.n_train_original,
    }
    changed = build(Recipe, values | {run.change: run.to}, where=f"{where}: {run.change} changed")
    return changed, build(Recipe, values, where=where)


def check(settings: Params) -> None:
    """Every ablation changes its setting to something that can be; raises ParamsError naming it."""
    for name in settings.runs["kwta_ablations"]:
        of_ablation(settings, settings.run("kwta_ablations", name, AblationRun), where=f"kwta_ablations.{name}")


def _fast(settings: Params, *, dataset: str, init: str, gamma: float | None) -> dict[str, Any]:
    block = settings.block("kwta_fast", Fast)
    return {
        "network": FAST,
        "dataset": dataset,
        "init": init,
        "activation": "relu" if gamma is None else "kwta",
        "gamma": gamma,
        "gamma_schedule": "linear" if gamma is not None and block.gamma_fall else "constant",
        "gamma_by_layer": "equal",
        "stem": "kwta",
        "logits": 10,
        "image_size": SMALL_IMAGE,
        "precision": "float32",
        "normalise": False,  # the first convolution whitens
        "schedule": "triangular",
        "drop_at": 1.0,
        "drop_factor": 1.0,
        "nesterov": True,
        "clip": None,
        "edges": "reflect",
        **block.model_dump(),
        **settings.size("kwta_fast", FastSize).model_dump(),
        "gamma_fall": 0.0 if gamma is None else block.gamma_fall,
    }


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
        "gamma_fall": 0.0,
        "gamma_by_layer": "equal",
        "width": FULL_WIDTH if init == "pretrained" else width,
        "image_size": SMALL_IMAGE if network == "resnet18-small" else size.image_size,
        "precision": size.precision,
        "n_train": size.n_train,
        "schedule": "steps",
        "warmup": 0.0,
        "nesterov": False,
        "label_smoothing": 0.0,
        "edges": "zeros",
        **settings.block(block, Training).model_dump(),
        **settings.block(f"kwta_{init}", Rate).model_dump(),
    }


def held(plan: Incremental, epochs: int) -> int:
    """How many epochs gamma stays at `plan.start`, and the learning rate as it is: a whole number."""
    return round(plan.hold * epochs)


def course(recipe: Recipe, plan: Incremental | None = None) -> Callable[[int], float] | None:
    """Epoch (from 0) -> gamma, None where it is the same in all of them. plan: how gamma falls where incremental."""
    if recipe.gamma is None or recipe.gamma_schedule == "constant":
        return None
    if recipe.gamma_schedule == "linear":
        return linear(gamma=recipe.gamma, epochs=recipe.epochs, fall=recipe.gamma_fall)
    return incremental(plan, gamma=recipe.gamma, epochs=recipe.epochs) if plan else None


def linear(*, gamma: float, epochs: int, fall: float) -> Callable[[int], float]:
    """Epoch (from 0) -> gamma: from 1, where all values pass, to `gamma` in equal steps over the share `fall` of the
    epochs. The last epoch has `gamma` in any case. Exact decimals where the number of steps allows.
    """
    steps, end = min(round(fall * epochs), epochs - 1), Fraction(str(gamma))
    return lambda epoch: float(1 - (1 - end) * Fraction(epoch, steps)) if epoch < steps else float(end)


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
