"""Intervals over networks and images, the rules that turn them into verdicts, and every threshold of the repository."""

from biorobust.core.intervals import mean_interval, wilson
from biorobust.statistics.accuracy import Accuracy, Difference, Interval, difference, error_ratio, interval, pooled
from biorobust.statistics.paired import Counts, holm, paired_counts
from biorobust.statistics.thresholds import THRESHOLDS, Thresholds

__all__ = [
    "THRESHOLDS",
    "Accuracy",
    "Counts",
    "Difference",
    "Interval",
    "Thresholds",
    "difference",
    "error_ratio",
    "holm",
    "interval",
    "mean_interval",
    "paired_counts",
    "pooled",
    "wilson",
]
