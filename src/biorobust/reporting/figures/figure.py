"""Figures of the report modules that still draw them by hand."""

from biorobust.reporting.figure import Drawn as Figure
from biorobust.reporting.figure import read_index, save

__all__ = ["Figure", "read_index", "save"]
