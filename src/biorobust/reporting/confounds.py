"""Two networks on the same test images, clean or noisy: who is ahead, by how much, and what a control leaves of it."""

from __future__ import annotations

from biorobust.analysis.paired import Difference, combine
from biorobust.reporting.metrics import Metrics


def paired_difference(metrics: Metrics, study: str, a: str, b: str, *, images: str) -> Difference | None:
    """Accuracy of run a minus that of run b on "clean" or "noisy" test images; None where they were not compared."""
    found = metrics.train(a)
    if not found or found["status"] != "ok":
        return None
    attack, eps = ("none", 0.0) if images == "clean" else ("noise", found["settings"]["evaluation_noise_level"])
    tables = metrics.pair(study, a, b, attack=attack, eps=eps)
    return combine(list(tables.values())) if tables else None
