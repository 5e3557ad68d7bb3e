"""The one supervised training loop of all studies.

Data stay on the device as whole tensors and minibatches are index selections, so there is no loader to wait for. The
loop keeps its state after every epoch; started again with the same state file it goes on and ends with the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from biorobust.core import work
from biorobust.core.progress import progress

# (model, x, y) -> (loss, logits), or (loss, logits, parts): the loss and its named parts are summed over the minibatch.
Objective = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Mapping[str, Tensor]]]
Schedule = Callable[[float], float]
SCHEDULES: dict[str, Schedule] = {
    "constant": lambda _: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: 0.5 * (1.0 + math.cos(math.pi * progress)),
}


def polynomial(power: float) -> Schedule:
    return lambda progress: float((1.0 - progress) ** power)


def steps(factors: Mapping[float, float]) -> Schedule:
    """Piecewise constant: 1 at first, and from each share of the training on, the factor it maps to."""
    return lambda progress: [1.0, *(factors[at] for at in sorted(factors) if at <= progress)][-1]


def warmed_up(schedule: Schedule, share: float) -> Schedule:
    """`schedule`, rising in proportion to progress over the first `share` of the training (0: as it is)."""
    return lambda progress: schedule(progress) * (min(1.0, progress / share) if share else 1.0)


def triangular(peak: float) -> Schedule:
    """Rising in a straight line over the first `peak` (a share in (0, 1)) of the training, then falling to 0."""
    return lambda progress: min(progress / peak, (1.0 - progress) / (1.0 - peak))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train. `schedule` maps progress in [0, 1) (steps done / steps in all) to a factor on the learning rate."""

    epochs: int
    batch_size: int
    learning_rate: float
    optimiser: str = "adam"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    clip_norm: float | None = None
    schedule: Schedule = SCHEDULES["constant"]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What a training gave: a row per epoch, the mean loss of every step, and whether it stopped being a number."""

    history: list[dict[str, float]]
    diverged: bool
    steps: list[float]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One seed of a run. config: what `runs.new` builds the model from. entry: `results.seed_entry` and what a study
    adds to it. curve: one row per epoch.
    """

    model: nn.Module
    config: Mapping[str, Any]
    entry: dict[str, Any]
    curve: Sequence[Mapping[str, Any]]


def objective(loss: Callable[[Tensor, Tensor], Tensor]) -> Objective:
    """One forward pass, `loss(logits, labels)` summed over the minibatch."""

    def compute(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(x)
        return loss(logits, y), logits

    return compute


def cross_entropy(
    *,
    label_smoothing: float = 0.0,
    bfloat16: bool = False,
    outputs: Callable[[nn.Module, Tensor], Tensor] = lambda model, x: model(x),
    n_classes: int | None = None,
) -> Objective:
    """Cross-entropy, in float32, over all `outputs` of a network, of which the first n_classes (None: all) are classes.

    bfloat16: products with weights, and what lies between them, in that precision (autocast).
    """

    def compute(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bfloat16):
            found = outputs(model, x).float()
        loss = functional.cross_entropy(found, y, reduction="sum", label_smoothing=label_smoothing)
        return loss, found[:, :n_classes]

    return compute


def as_float(images: Tensor) -> Tensor:
    """uint8 pixels to float32 in [0, 1]; floating point passes as it is."""
    return images.float() / 255 if images.dtype == torch.uint8 else images


def _optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if recipe.optimiser == "adam":
        return torch.optim.Adam(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
        )
    raise ValueError(f"optimiser = {recipe.optimiser!r}: must be adam or sgd")


def fit(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    recipe: Recipe,
    objective: Objective,
    seed: int,
    mean_loss: bool = True,
    prepare: Callable[[Tensor], Tensor] = as_float,
    before_epoch: Callable[[nn.Module, int], None] | None = None,
    measure: Callable[[nn.Module], dict[str, float]] | None = None,
    state: Path | None = None,
    label: str = "training",
) -> Fit:
    """Train `model` in place; `label` names it on stderr while it lasts.

    inputs: (N, ...) tensor on the model's device; `prepare` turns a minibatch of it into model inputs (scaling,
    augmentation). labels: (N,) int64. objective: (model, x, y) -> (loss summed over the minibatch, logits) and, if it
    likes, named parts of the loss, which become columns of the history (means over the images).
    mean_loss: descend the mean over the minibatch instead of the sum. before_epoch: called with the model and the epoch
    (from 0) before it starts. measure: extra columns of the history, called in eval mode after every epoch. state: file
    to keep the state in; finished trainings return at once from it.

    A loss that is not finite ends the training and is reported as `diverged`; nothing is averaged over it.
    """
    device = labels.device
    torch.manual_seed(seed)
    shuffle = torch.Generator().manual_seed(seed)
    optimiser = _optimiser(model, recipe)
    history: list[dict[str, float]] = []
    diverged = False
    losses: list[float] = []
    saved = work.load_state(state) if state else None
    if saved:
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        shuffle.set_state(saved["shuffle"])
        torch.set_rng_state(saved["rng"])
        if saved["cuda_rng"] is not None:
            torch.cuda.set_rng_state(saved["cuda_rng"])
        history, diverged, losses = saved["history"], saved["diverged"], saved["steps"]

    batches = -(-len(labels) // recipe.batch_size)
    todo = range(len(history), 0 if diverged else recipe.epochs)
    bar = progress(label=label, unit="steps", total=recipe.epochs * batches, initial=todo.start * batches)
    for epoch in todo:
        bar.now(f"{label}, epoch {epoch + 1} of {recipe.epochs}")
        if before_epoch:
            before_epoch(model, epoch)
        model.train()
        per_step = torch.zeros(batches, device=device)
        total, right = torch.zeros((), device=device), torch.zeros((), device=device, dtype=torch.int64)
        sums: dict[str, Tensor] = {}
        for index, chosen in enumerate(torch.randperm(len(labels), generator=shuffle).split(recipe.batch_size)):
            factor = recipe.schedule((epoch * batches + index) / (recipe.epochs * batches))
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate * factor
            chosen = chosen.to(device)
            y = labels[chosen]
            loss, logits, *extra = objective(model, prepare(inputs.index_select(0, chosen)), y)
            optimiser.zero_grad(set_to_none=True)
            (loss / len(chosen) if mean_loss else loss).backward()
            if recipe.clip_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimiser.step()
            per_step[index] = loss.detach() / len(chosen)
            for name, part in extra[0].items() if extra else ():
                sums[name] = sums.get(name, 0) + part.detach()
            total += loss.detach()
            right += (logits.detach().argmax(dim=1) == y).sum()
            bar.update()
        diverged = not bool(total.isfinite())
        losses += per_step.tolist()
        row: dict[str, Any] = {"epoch": epoch + 1, "loss": total.item() / len(labels)}
        row |= {name: value.item() / len(labels) for name, value in sums.items()}
        row |= {"accuracy": right.item() / len(labels), "learning_rate": optimiser.param_groups[0]["lr"]}
        model.eval()
        if measure:
            row |= measure(model)
        history.append(row)
        if state:
            work.save_state(
                state,
                {
                    "model": model.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "shuffle": shuffle.get_state(),
                    "rng": torch.get_rng_state(),
                    "cuda_rng": torch.cuda.get_rng_state() if device.type == "cuda" else None,
                    "history": history,
                    "steps": losses,
                    "diverged": diverged,
                },
            )
        if diverged:
            break
    bar.close()
    model.eval()
    return Fit(history=history, diverged=diverged, steps=losses)


@torch.no_grad()
def predict(
    model: nn.Module, inputs: Tensor, *, batch_size: int = 1000, prepare: Callable[[Tensor], Tensor] = as_float
) -> Tensor:
    """(N,) predicted classes, in eval mode, in minibatches."""
    training = model.training
    model.eval()
    classes = torch.cat([model(prepare(part)).argmax(dim=1) for part in inputs.split(batch_size)])
    model.train(training)
    return classes


def share(holds: Tensor) -> float:
    """Of how many it holds, (N,) bool."""
    return holds.double().mean().item()


def watched(
    inputs: Tensor, labels: Tensor, predict: Callable[..., Tensor] = predict
) -> Callable[[nn.Module], dict[str, float]]:
    """For `fit`: the accuracy on test inputs (N, ...) after every epoch."""
    return lambda model: {"test_accuracy": share(predict(model, inputs) == labels)}
