"""Headline effects of a study, and in words in how far two runs agree on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from biorobust.reporting.estimates import Share

SAME, OTHER, SMALL, MISSING = "same direction", "other direction", "too small to see", "not run"


def tally(words: Sequence[str]) -> str:
    """Of words of agreement: "same direction: 7 of 11; too small to see: 3"."""
    counts = Counter(words)
    said = [f"{word}: {counts[word]}" for word in (OTHER, SMALL, MISSING) if counts[word]]
    return "; ".join([f"{SAME}: {counts[SAME]} of {len(words)}", *said])


@dataclass(frozen=True)
class Effect:
    """The first accuracy minus the second. `pairs`: the first of them that a run holds stands for it."""

    words: str
    pairs: tuple[tuple[Share, Share], ...]


def effect(words: str, *pairs: tuple[Share, Share]) -> Effect:
    """An effect in words, and the accuracies whose difference it is."""
    return Effect(words, pairs)


def on(run: str, *, images: str = "clean") -> Share:
    """Accuracy without an attack."""
    return Share(run, images=images, eps=0.0)


def under(attack: str, run: str, eps: float) -> Share:
    """Accuracy under an attack."""
    return Share(run, attack=attack, eps=eps)
