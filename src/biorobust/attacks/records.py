"""Per-image attack records: one row per attack, epsilon and image, and what can be computed from them alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from biorobust.attacks.scoring import NO_CLASS

WORST_CASE = "worst-case"
COLUMNS = (
    "attack",
    "eps",
    "index",
    "label",
    "clean_prediction",
    "adversarial_prediction",
    "broken",
    "distance",
    "step",
    "zero_gradient",
    "nonfinite_gradient",
    "verified",
)
# Columns that only some attacks need, present when one of a run's does, and what stands there for the others.
EXTRA_COLUMNS = {
    "target": -1,  # class a targeted attack aims at
    "raw_distance": np.float32("nan"),  # L-infinity size of a minimising attack's perturbation before clipping
    "raw_fools": False,  # whether that one is misclassified
    "fooled_share": float("nan"),  # share of the forward passes in which a noisy model misclassifies
}


def worst_case(records: pd.DataFrame) -> pd.DataFrame:
    """Rows `eps, index, broken`, an image being broken if any attack broke it at this epsilon or a smaller one.

    A perturbation of a smaller size lies within the larger ball too, so accuracy can only fall with epsilon here.
    records: of one run and one seed. Attacks may have epsilons of their own; they need the same images.
    """
    table = records.pivot_table(index="index", columns="eps", values="broken", aggfunc="max", sort=True)
    if table.isna().any(axis=None):
        raise ValueError("some images were attacked at fewer epsilons than others")
    broken = np.maximum.accumulate(table.to_numpy(dtype=bool), axis=1)
    n, eps = len(table), table.columns.to_numpy()
    return pd.DataFrame(
        {"eps": np.tile(eps, n), "index": np.repeat(table.index.to_numpy(), len(eps)), "broken": broken.ravel()}
    )


def counts(records: pd.DataFrame, *, eps: Sequence[float]) -> dict[str, dict[str, Any]]:
    """Per attack (and for the worst case) the counts that go into the metrics, for one run and one seed.

    `correct` and `unverified` have one count per epsilon, None where the attack was not run; `zero_gradient` counts
    images at the attack's first epsilon. Only where there is something to count: `reached` (images that a targeted
    attack brought to its target), `no_prediction` (outputs that are not numbers), `nonfinite_gradient` (gradients that
    are not: to survive them proves nothing), and for a minimising attack `correct_raw` (images whose perturbation
    before clipping is too large or does not fool), `raw_fooled` and `raw_distance_median` (over images that were right
    and that it fools; None without any).
    """
    summary: dict[str, dict[str, Any]] = {}
    for attack, rows in records.groupby("attack", sort=False):
        at = [rows[rows["eps"] == value] for value in eps]
        first = next(part for part in at if len(part))
        flat = first["zero_gradient"]
        right = first["clean_prediction"] == first["label"]
        summary[str(attack)] = {
            "n": len(first),
            "correct": _per_eps(at, ~rows["broken"]),
            "zero_gradient": int(flat.sum()),
            "zero_gradient_correct": int((flat & right).sum()),
            "unverified": _per_eps(at, ~rows["verified"]),
            **_only_some(rows, first, at, right),
        }
    worst = worst_case(records)
    at = [worst[worst["eps"] == value] for value in eps]
    summary[WORST_CASE] = {"n": int(records["index"].nunique()), "correct": _per_eps(at, ~worst["broken"])}
    return summary


def by_attack(
    counted: Mapping[int, Mapping[str, Mapping[str, Any]]], *, about: Callable[[str], str]
) -> dict[str, dict[str, Any]]:
    """What the metrics say of every attack, from `counts` by seed. about: one line on an attack, by its name."""
    return {
        key: {"about": about(key), "per_seed": [{"seed": seed, **found[key]} for seed, found in counted.items()]}
        for key in next(iter(counted.values()), ())
    }


def _per_eps(at: Sequence[pd.DataFrame], holds: pd.Series) -> list[int | None]:
    """How many rows of each part satisfy `holds`, a column of the frame the parts were taken from."""
    return [int(holds[part.index].sum()) if len(part) else None for part in at]


def _only_some(rows: pd.DataFrame, first: pd.DataFrame, at: Sequence[pd.DataFrame], right: pd.Series) -> dict[str, Any]:
    found: dict[str, Any] = {}
    silent = rows["adversarial_prediction"] == NO_CLASS
    if silent.any():
        found["no_prediction"] = _per_eps(at, silent)
    if "nonfinite_gradient" in rows and rows["nonfinite_gradient"].any():
        found["nonfinite_gradient"] = _per_eps(at, rows["nonfinite_gradient"])
    if "target" in rows and (rows["target"] >= 0).any():
        found["reached"] = _per_eps(at, rows["adversarial_prediction"] == rows["target"])
    if "raw_distance" in rows and rows["raw_distance"].notna().any():
        within = rows["raw_fools"] & (rows["raw_distance"] <= rows["eps"])
        wrong = rows["clean_prediction"] != rows["label"]
        fooled = first[first["raw_fools"]]
        moved = fooled.loc[right[fooled.index], "raw_distance"]
        found["correct_raw"] = _per_eps(at, ~(within | wrong))
        found["raw_fooled"] = len(fooled)
        found["raw_distance_median"] = float(moved.median()) if len(moved) else None
    return found


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Records below each other; a column that only some attacks have is filled up for the others."""
    table = pd.concat(parts, ignore_index=True)
    for name in table.columns.intersection(list(EXTRA_COLUMNS)):
        none = EXTRA_COLUMNS[name]
        table[name] = table[name].where(table[name].notna(), none).astype(np.asarray(none).dtype)
    return table.astype(dict.fromkeys(("broken", "zero_gradient", "nonfinite_gradient", "verified"), bool))


def as_state(table: pd.DataFrame) -> dict[str, Any]:
    """Records as what a state file may hold: tensors, and text as lists."""
    import torch

    return {
        str(name): column.tolist() if name == "attack" else torch.tensor(column.to_numpy())
        for name, column in table.items()
    }


def from_state(columns: Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: np.array(values, dtype=object) if isinstance(values, list) else values.numpy()
            for name, values in columns.items()
        }
    )
