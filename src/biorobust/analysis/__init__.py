"""Intervals and paired comparison of counts; dissimilarity of activations, their geometry, and pictures of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from biorobust.analysis.intervals import Mean, difference_interval, mean_interval, wilson
from biorobust.analysis.paired import (
    Counts,
    Difference,
    combine,
    holm,
    mcnemar,
    paired_counts,
    paired_interval,
)

if TYPE_CHECKING:
    from biorobust.analysis.deviation import dissimilarity

__all__ = [
    "Counts",
    "Difference",
    "Mean",
    "combine",
    "difference_interval",
    "dissimilarity",
    "holm",
    "mcnemar",
    "mean_interval",
    "paired_counts",
    "paired_interval",
    "wilson",
]


def __getattr__(name: str) -> Any:
    # Lazy, because the report reads counts and intervals without torch.
    if name == "dissimilarity":
        from biorobust.analysis.deviation import dissimilarity

        return dissimilarity
    raise AttributeError(name)
