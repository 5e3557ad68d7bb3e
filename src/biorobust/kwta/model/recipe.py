"""The cells of a row of the k-WTA tables, and what a cell or an ablation is trained with: blocks of params.yaml put
together into one flat Recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from biorobust.core.config import build
from biorobust.core.errors import ParamsError
from biorobust.core.left_out import has_run, not_at_this_scale
from biorobust.kwta.model.params import (
    FAST,
    FULL_WIDTH,
    OTHER,
    SMALL_IMAGE,
    TRANSFERRED,
    AblationRun,
    AblationSize,
    Cells,
    Epochs,
    Fast,
    FastSize,
    Incremental,
    Rate,
    Recipe,
    Run,
    Start,
    Training,
    TrainingSize,
    Winners,
    cells,
    stage_key,
    transferred,
)

if TYPE_CHECKING:
    from biorobust.params import Params


class Cell(NamedTuple):
    """A network trained on a data set from one start."""

    run: Run
    network: str
    dataset: str

    @property
    def source(self) -> str | None:
        """The cell with whose weights it starts, where it does."""
        return f"{self.network}-{OTHER[self.dataset]}-scratch-relu" if self.run.init == TRANSFERRED else None

    def recipe(self, settings: Params) -> Recipe:
        gamma = None if self.run.method == "relu" else settings.block(self.run.method, Winners).gamma
        values = {"network": self.network, "dataset": self.dataset, "init": self.run.init, "gamma": gamma}
        values |= {"source": self.source}
        if self.network == FAST:
            values |= _fast(settings, gamma)
        else:
            values |= _report(settings, "kwta_training", network=self.network, init=self.run.init)
            values |= {"epochs": settings.size(_block(self.run.init), Epochs).over(self.dataset)}
        return _built(values, where=f"{self.network}-{self.dataset}")

    def left_out(self, settings: Params) -> str:
        if not has_run(settings.size("kwta_cells", Cells).trained, f"{self.network}-{self.dataset}"):
            return not_at_this_scale(settings.scale, "kwta_cells")
        never = (self.network, self.run.init) == (FAST, "pretrained")
        return "the small fast network starts from random weights alone" if never else ""


def cells_of(row: str, settings: Params) -> Mapping[str, Cell]:
    """The cells by name of a key of the stages (`stage_key`), or of one run. Raises ParamsError for other names."""
    names = [name for name in settings.runs["kwta_runs"] if row in (name, stage_key(name))]
    if not names:
        settings.run("kwta_runs", row, Run)  # which names those that there are
    return {
        cell: Cell(settings.run("kwta_runs", name, Run), *place)
        for name in names
        for cell, place in cells(name).items()
    }


def group(row: str) -> str:
    return f"kwta-{stage_key(row) if row.partition('-')[0] in get_args(Start) else row}"


def of_ablation(settings: Params, run: AblationRun, *, where: str = "kwta_ablations") -> tuple[Recipe, Recipe]:
    """An ablation's settings, and those with nothing changed. Raises ParamsError for what cannot be built.

    where: of the run in params.yaml, for the error.
    """
    size = settings.size("kwta_ablation", AblationSize)
    values = run.model_dump(include={"network", "dataset", "init", "gamma"})
    values |= _report(settings, run.recipe, network=run.network, init=run.init) | {"epochs": size.epochs}
    values["n_train"] = size.n_train if run.recipe == "kwta_training" else size.n_train_original
    values |= run.besides
    changed = _built(values | {run.change: run.to}, where=f"{where}: {run.change} changed")
    return changed, _built(values, where=where)


def check(settings: Params) -> None:
    """Every ablation changes its setting to something that can be, and a run's name says whether it is transferred;
    raises ParamsError naming what does not."""
    for name in settings.runs["kwta_runs"]:
        init = settings.run("kwta_runs", name, Run).init
        if transferred(name) != (init == TRANSFERRED):
            other = "transferred" if transferred(name) else "scratch or pretrained"
            raise ParamsError(f"kwta_runs.{name}.init = {init!r}: must be {other} in a run of that name (params.yaml)")
    for name in settings.runs["kwta_ablations"]:
        of_ablation(settings, settings.run("kwta_ablations", name, AblationRun), where=f"kwta_ablations.{name}")


def _built(values: Mapping[str, Any], *, where: str) -> Recipe:
    return build(Recipe, {**values, "activation": "relu" if values["gamma"] is None else "kwta"}, where=where)


def _fast(settings: Params, gamma: float | None) -> dict[str, Any]:
    """What the small fast network is trained with, by the fields of Recipe."""
    block = settings.block("kwta_fast", Fast)
    falls = {"gamma_schedule": "linear"} if gamma is not None and block.gamma_fall else {"gamma_fall": 0.0}
    return {
        "stem": "kwta",
        "logits": 10,
        "image_size": SMALL_IMAGE,
        "normalise": False,  # the first convolution whitens
        "schedule": "triangular",
        "drop_at": 1.0,
        "drop_factor": 1.0,
        "nesterov": True,
        "clip": None,
        "edges": "reflect",
        **block.model_dump(),
        **settings.size("kwta_fast", FastSize).model_dump(),
        **falls,
    }


def _report(settings: Params, block: str, *, network: str, init: str) -> dict[str, Any]:
    """The same of the report's networks, and of the original's."""
    size = settings.size("kwta_training", TrainingSize)
    width: int = getattr(size, f"{network.replace('-', '_')}_width")
    return {
        "width": FULL_WIDTH if init == "pretrained" else width,
        "image_size": SMALL_IMAGE if network == "resnet18-small" else size.image_size,
        "precision": size.precision,
        "n_train": size.n_train,
        **settings.block(block, Training).model_dump(),
        **settings.block(_block(init), Rate).model_dump(),
    }


def _block(init: str) -> str:
    """The block of params.yaml for a start: networks that begin with trained weights are all trained alike."""
    return "kwta_scratch" if init == "scratch" else "kwta_pretrained"


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
    n_steps = max(0, math.ceil((start - end) / step))
    hold = held(plan, epochs)

    def at(epoch: int) -> float:
        taken = math.ceil(Fraction((epoch - hold + 1) * n_steps, epochs - hold)) if epoch >= hold else 0
        return float(max(end, start - taken * step))

    return at
