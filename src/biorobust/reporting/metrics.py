"""Measurements under the names of the report modules that still read whole files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biorobust.reporting.measurements import Measurements, eps_key
from biorobust.reporting.metrics_file import Curve, Pairs

__all__ = ["Curve", "Metrics", "Pairs", "eps_key"]


class Metrics(Measurements):
    """The metrics below `root`, with a method for each kind of file."""

    def data(self, dataset: str) -> Mapping[str, Any] | None:
        """Provenance and sizes of a data set."""
        return self.get(f"data/{dataset}")

    def pretrain(self, weights: str) -> Mapping[str, Any] | None:
        """Diagnostics of weights learned without labels."""
        return self.get(f"pretrain/{weights}")

    def train(self, run: str) -> Mapping[str, Any] | None:
        """Clean accuracy and flags of a trained run."""
        return self.get(f"train/{run}")

    def attack(self, run: str) -> Mapping[str, Any] | None:
        """Counts of images a run still gets right, per attack, seed and eps."""
        return self.get(f"attack/{run}")
