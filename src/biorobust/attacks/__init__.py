"""The registry of attacks and the one runner that applies them and writes down what happened to every image.

An attack takes its gradient from a view of the model (the model itself, or another module the study offers under a
name); success is always scored on the model, in a forward pass of its own, and checked again in minibatches of
another size.
"""

from biorobust.attacks.registry import ATTACKS, MODEL, Attack, about, get
from biorobust.attacks.runner import pictures, run
from biorobust.attacks.views import at_resized, averaged

__all__ = ["ATTACKS", "MODEL", "Attack", "about", "at_resized", "averaged", "get", "pictures", "run"]
