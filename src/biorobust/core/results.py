"""The metrics file of a run: what was run, one entry per seed, and the summary over seeds (docs/contracts.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biorobust.core import outcomes, places
from biorobust.core.files import read_json, write_csv, write_json
from biorobust.core.intervals import mean_interval, wilson

if TYPE_CHECKING:  # a stage that only says why it has no results loads neither torch nor pandas
    from torch import Tensor


def __getattr__(name: str) -> Path:
    """`METRICS`: the folder that the stage in this process writes to."""
    if name == "METRICS":
        return places.to_write(places.METRICS)
    raise AttributeError(name)


def dataset_entry(name: str, *, metrics: Path = places.METRICS) -> dict[str, Any]:
    """The part of a data set's provenance that every metrics file repeats."""
    provenance = read_json(metrics / "data" / f"{name}.json")
    return {key: provenance[key] for key in ("name", "source", "fidelity", "sha256")}


def seed_entry(seed: int, predictions: Tensor, labels: Tensor, *, diverged: bool) -> dict[str, Any]:
    """One seed's result on the test split. collapsed: all predictions are one class. right: which images, packed."""
    return {
        "seed": seed,
        **proportion(predictions, labels),
        "right": outcomes.as_text((predictions == labels).cpu().numpy()),
        "collapsed": len(predictions.unique()) == 1,
        "diverged": diverged,
    }


def proportion(predictions: Tensor, labels: Tensor) -> dict[str, Any]:
    """How many predictions are right, of how many, and the 95 % Wilson interval of the accuracy."""
    correct, n = int((predictions == labels).sum()), len(labels)
    return {"correct": correct, "n": n, "accuracy": correct / n, "wilson": list(wilson(correct, n))}


def over_seeds(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean, standard deviation and 95 % t half-width of accuracy; no mean when a seed collapsed or diverged."""
    broken = [entry["seed"] for entry in entries if entry["collapsed"] or entry["diverged"]]
    if broken:
        return {"mean": None, "sd": None, "half_width": None, "n_seeds": len(entries), "broken_seeds": broken}
    mean, sd, half_width = mean_interval([entry["accuracy"] for entry in entries])
    return {"mean": mean, "sd": sd, "half_width": half_width, "n_seeds": len(entries)}


def write_run(
    kind: str,
    run: str,
    *,
    study: str,
    scale: str,
    dataset: str,
    settings: Mapping[str, Any],
    status: Mapping[str, str] | None = None,
    **more: Any,
) -> None:
    """Write `reports/metrics/<kind>/<run>.json`: what every metrics file says, then `more` in the order given."""
    head = {"run": run, "study": study, "scale": scale, **(status or {"status": "ok"})}
    body = {"dataset": dataset_entry(dataset), "settings": dict(settings), **more}
    write_json(places.to_write(places.METRICS) / kind / f"{run}.json", head | body)


def write_unavailable(kind: str, run: str, *, reason: str, **head: Any) -> None:
    """`write_run` for a run that cannot be had here: status `unavailable`, and why."""
    write_run(kind, run, status={"status": "unavailable", "reason": reason}, **head)


def per_seed(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The two keys under which a metrics file lists its seeds."""
    return {"seeds": [entry["seed"] for entry in entries], "per_seed": list(entries)}


def write_curves(name: str, rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str] | None = None) -> None:
    """Write `reports/metrics/curves/<name>.csv`, one row per seed and epoch (or attack and epsilon).

    columns: by default those of the rows; named by who may have no rows.
    """
    import pandas as pd

    table = pd.DataFrame(list(rows), columns=None if columns is None else list(columns))
    write_csv(places.to_write(places.METRICS) / "curves" / f"{name}.csv", table)
