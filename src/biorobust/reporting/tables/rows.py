"""Cells and tables for the report modules that still write rows and columns apart."""

from biorobust.reporting.columns import gradients, left_out, nonfinite, omitted, state, under_attack
from biorobust.reporting.measurements import Estimate
from biorobust.reporting.table import Value

__all__ = ["estimate", "gradients", "left_out", "nonfinite", "omitted", "state", "under_attack"]


def estimate(key: str, value: Estimate | None) -> dict[str, Value]:
    """The cells of an estimate column; without an interval where it has no width."""
    if value is None:
        return {key: None}
    if value.low == value.high:  # one seed of a number that has no images to count
        return {key: value.value}
    return {key: value.value, f"{key}_low": value.low, f"{key}_high": value.high}
