"""Study "cnnf": recurrent generative feedback (Huang et al. 2020) on EMNIST Letters, and its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biorobust.cnnf.network import CNNF, TwoBlock

__all__ = ["CNNF", "TwoBlock"]


def __getattr__(name: str) -> Any:
    # Lazy, because params.yaml is checked (through biorobust.cnnf.params) by stages that do without torch.
    if name in __all__:
        from biorobust.cnnf import network

        return getattr(network, name)
    raise AttributeError(name)
