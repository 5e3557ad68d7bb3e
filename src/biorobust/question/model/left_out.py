"""What stands in the place of a network that a scale leaves out; without torch, so that such a stage ends at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from biorobust.core import results, runs
from biorobust.core.files import write_json
from biorobust.question.model.rows import Network

STUDY = "question"
ATTACKED = Path("data/question")  # what a family's attacks leave for the networks of others


def head(network: Network, *, scale: str, **settings: Any) -> dict[str, Any]:
    said = {"study": STUDY, "scale": scale, "dataset": network.dataset}
    return {**said, "settings": network.settings | settings}


def train(network: Network, *, scale: str) -> None:
    runs.save_unavailable(network.name, architecture="question-network", reason=network.left_out)
    results.write_curves(network.name, [], columns=("seed", "epoch", "loss"))
    results.write_unavailable("train", network.name, reason=network.left_out, **head(network, scale=scale))


def attack(network: Network, folder: Path) -> None:
    """No findings, and no records beside them."""
    write_json(folder / f"{network.name}.json", {})
