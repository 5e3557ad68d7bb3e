"""The one supervised training loop of all studies.

Data stay on the device as whole tensors and minibatches are index selections, so there is no loader to wait for. The
loop keeps its state after every epoch; started again with the same state file it goes on and ends with the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from biorobust import work

Objective = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda _: 1.0,
    "linear": lambda progress: 1.0 - progress,
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train. `schedule` maps progress in [0, 1) (steps done / steps in all) to a factor on the learning rate."""

    epochs: int
    batch_size: int
    learning_rate: float
    optimiser: str = "adam"
    momentum: float = 0.9
    clip_norm: float | None = None
    schedule: Callable[[float], float] = SCHEDULES["constant"]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What a training gave: one row per epoch, and whether the loss stopped being a number."""

    history: list[dict[str, float]]
    diverged: bool


def objective(loss: Callable[[Tensor, Tensor], Tensor]) -> Objective:
    """The usual objective: one forward pass, `loss(logits, labels)` summed over the minibatch."""

    def compute(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(x)
        return loss(logits, y), logits

    return compute


def as_float(images: Tensor) -> Tensor:
    """uint8 pixels to float32 in [0, 1]; floating point passes as it is."""
    return images.float() / 255 if images.dtype == torch.uint8 else images


def _optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if recipe.optimiser == "adam":
        return torch.optim.Adam(parameters, lr=recipe.learning_rate)
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=recipe.learning_rate, momentum=recipe.momentum)
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
    measure: Callable[[nn.Module], dict[str, float]] | None = None,
    state: Path | None = None,
    label: str = "training",
) -> Fit:
    """Train `model` in place, with a progress bar named `label` where stderr is a terminal.

    inputs: (N, ...) tensor on the model's device; `prepare` turns a minibatch of it into model inputs (scaling,
    augmentation). labels: (N,) int64. objective: (model, x, y) -> (loss summed over the minibatch, logits).
    mean_loss: descend the mean over the minibatch instead of the sum. measure: extra columns of the history, called in
    eval mode after every epoch. state: file to keep the state in; finished trainings return at once from it.

    A loss that is not finite ends the training and is reported as `diverged`; nothing is averaged over it.
    """
    device = labels.device
    torch.manual_seed(seed)
    shuffle = torch.Generator().manual_seed(seed)
    optimiser = _optimiser(model, recipe)
    history: list[dict[str, float]] = []
    diverged = False
    saved = work.load_state(state) if state else None
    if saved:
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        shuffle.set_state(saved["shuffle"])
        torch.set_rng_state(saved["rng"])
        if saved["cuda_rng"] is not None:
            torch.cuda.set_rng_state(saved["cuda_rng"])
        history, diverged = saved["history"], saved["diverged"]

    batches = -(-len(labels) // recipe.batch_size)
    todo = range(len(history), 0 if diverged else recipe.epochs)
    for epoch in tqdm(todo, desc=label, initial=todo.start, total=recipe.epochs, unit="epoch", disable=None):
        model.train()
        total, right = torch.zeros((), device=device), torch.zeros((), device=device, dtype=torch.int64)
        for index, chosen in enumerate(torch.randperm(len(labels), generator=shuffle).split(recipe.batch_size)):
            factor = recipe.schedule((epoch * batches + index) / (recipe.epochs * batches))
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate * factor
            chosen = chosen.to(device)
            y = labels[chosen]
            loss, logits = objective(model, prepare(inputs.index_select(0, chosen)), y)
            optimiser.zero_grad(set_to_none=True)
            (loss / len(chosen) if mean_loss else loss).backward()
            if recipe.clip_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimiser.step()
            total += loss.detach()
            right += (logits.detach().argmax(dim=1) == y).sum()
        diverged = not bool(total.isfinite())
        row: dict[str, Any] = {"epoch": epoch + 1, "loss": total.item() / len(labels)}
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
                    "diverged": diverged,
                },
            )
        if diverged:
            break
    model.eval()
    return Fit(history=history, diverged=diverged)


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
