"""Per-image attack records: one row per attack, epsilon and image, and what can be computed from them alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

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
    "verified",
)


def worst_case(records: pd.DataFrame) -> pd.DataFrame:
    """Rows `eps, index, broken`, an image being broken if any attack broke it at this epsilon or a smaller one.

    A perturbation of a smaller size lies within the larger ball too, so accuracy can only fall with epsilon here.
    records: of one run and one seed.
    """
    table = records.pivot_table(index="index", columns="eps", values="broken", aggfunc="max", sort=True)
    broken = np.maximum.accumulate(table.to_numpy(dtype=bool), axis=1)
    n, eps = len(table), table.columns.to_numpy()
    return pd.DataFrame(
        {"eps": np.tile(eps, n), "index": np.repeat(table.index.to_numpy(), len(eps)), "broken": broken.ravel()}
    )


def counts(records: pd.DataFrame, *, eps: tuple[float, ...]) -> dict[str, dict[str, Any]]:
    """Per attack (and for the worst case) the counts that go into the metrics, for one run and one seed.

    `correct` and `unverified` have one count per epsilon; `zero_gradient` counts images, whatever the epsilon.
    """
    summary: dict[str, dict[str, Any]] = {}
    for attack, rows in records.groupby("attack", sort=False):
        at = [rows[rows["eps"] == value] for value in eps]
        flat = at[0]["zero_gradient"]
        right = at[0]["clean_prediction"] == at[0]["label"]
        summary[str(attack)] = {
            "n": len(at[0]),
            "correct": [int((~part["broken"]).sum()) for part in at],
            "zero_gradient": int(flat.sum()),
            "zero_gradient_correct": int((flat & right).sum()),
            "unverified": [int((~part["verified"]).sum()) for part in at],
        }
    worst = worst_case(records)
    summary[WORST_CASE] = {
        "n": int(records["index"].nunique()),
        "correct": [int((~worst.loc[worst["eps"] == value, "broken"]).sum()) for value in eps],
    }
    return summary
