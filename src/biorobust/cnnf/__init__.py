"""Study "cnnf": recurrent generative feedback (Huang et al. 2020) on EMNIST Letters, and its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biorobust.cnnf.model.network import CNNF, TwoBlock
    from biorobust.cnnf.model.official import load_official

__all__ = ["CNNF", "TwoBlock", "load_official"]


def __getattr__(name: str) -> Any:
    # Lazy, because params.yaml is checked (through biorobust.cnnf.model.params) by stages that do without torch.
    if name in __all__:
        from biorobust.cnnf.model import network, official

        return getattr(official if name == "load_official" else network, name)
    raise AttributeError(name)
