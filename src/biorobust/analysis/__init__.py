"""Statistics on counts: intervals, and paired comparison of networks on the same images."""

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

__all__ = [
    "Counts",
    "Difference",
    "Mean",
    "combine",
    "difference_interval",
    "holm",
    "mcnemar",
    "mean_interval",
    "paired_counts",
    "paired_interval",
    "wilson",
]
