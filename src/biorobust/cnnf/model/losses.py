"""What the losses of a training say afterwards: its curve, how far it fell, and the learning rate it ran at."""

from __future__ import annotations

from collections.abc import Sequence

from biorobust.core import training

N_POINTS = 500  # at most, of a seed's loss curve
SMOOTHING = 0.98  # weight of the past in the running mean of the loss


def step_curve(losses: Sequence[float], *, learning_rate: float, power: float, n_steps: int) -> list[dict[str, float]]:
    """Every k-th step's loss, its running mean over all steps so far, and the learning rate: at most N_POINTS rows.

    n_steps: of the whole training, which a divergence may have cut short.
    """
    every = -(-len(losses) // N_POINTS)
    schedule = training.polynomial(power)
    rows, mean = [], 0.0
    for step, loss in enumerate(losses):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        if step % every == 0:
            smoothed = mean / (1 - SMOOTHING ** (step + 1))  # without the bias towards the start at 0
            rate = learning_rate * schedule(step / n_steps)
            rows.append({"step": step, "loss": loss, "smoothed": smoothed, "learning_rate": rate})
    return rows


def loss_numbers(
    fitted: training.Fit, *, learning_rate: float, power: float, n_steps: int, epochs: int
) -> dict[str, float | None]:
    """How far the loss fell, and how far the optimiser's learning rate was from the polynomial it should follow."""
    history, losses = fitted.history, fitted.steps
    tail = max(1, len(losses) // 20)
    start, end = sum(losses[:tail]) / tail, sum(losses[-tail:]) / tail
    wanted = [learning_rate * (1 - (row["epoch"] * n_steps / epochs - 1) / n_steps) ** power for row in history]
    apart = [abs(row["learning_rate"] - rate) for row, rate in zip(history, wanted, strict=True)]
    return {
        "loss_first_epoch": history[0]["loss"],
        "loss_last_epoch": history[-1]["loss"],
        "loss_ratio": history[-1]["loss"] / history[0]["loss"] if len(history) > 1 else None,
        "loss_start": start,
        "loss_end": end,
        "loss_fall": 1 - end / start,
        "learning_rate_error": max(apart) / learning_rate,
    }
