"""Study "kwta": k-winners-take-all activations (Xiao et al. 2020) against ReLU, on CIFAR-10 and SVHN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biorobust.kwta.model.official import load_official
    from biorobust.kwta.model.operator import KWTA, kwta, replace_relu

__all__ = ["KWTA", "kwta", "load_official", "replace_relu"]


def __getattr__(name: str) -> Any:
    # Lazy, because params.yaml is checked (through biorobust.kwta.model.params) by stages that do without torch.
    if name in __all__:
        from biorobust.kwta.model import official, operator

        return getattr(official if name == "load_official" else operator, name)
    raise AttributeError(name)
