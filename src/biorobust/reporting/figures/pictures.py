"""Pictures of the report modules that still draw them by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biorobust.reporting.metrics import Metrics


def arrays(metrics: Metrics, name: str) -> dict[str, Any] | None:
    """The arrays of a file below pictures, None where it is not there."""
    return metrics.pictures(name)
