"""`biorobust.core.runs.load(name, seed=0)` gives a trained run in eval mode; the code is in biorobust.core.runs."""

from biorobust.core.runs import attack_views, load, save, seeds

__all__ = ["attack_views", "load", "save", "seeds"]
