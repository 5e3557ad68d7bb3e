"""Study "hebbian": competing hidden units (Krotov & Hopfield 2019), a power classifier on them, and its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biorobust.hebbian.model.classifier import HebbianClassifier
    from biorobust.hebbian.model.rule import learn

__all__ = ["HebbianClassifier", "learn"]


def __getattr__(name: str) -> Any:
    # Lazy, because params.yaml is checked (through biorobust.hebbian.model.params) by stages that do without torch.
    if name in __all__:
        from biorobust.hebbian.model import classifier, rule

        return getattr(rule if name == "learn" else classifier, name)
    raise AttributeError(name)
