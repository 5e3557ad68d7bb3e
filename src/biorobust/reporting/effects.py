"""In how far two runs agree, in words: what stands at the end of `make repro` and on the first screen of the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

SAME, OTHER, SMALL, MISSING = "same direction", "other direction", "too small to see", "not run"


def tally(words: Sequence[str]) -> str:
    """Of words of agreement: "same direction: 7 of 11; too small to see: 3"."""
    counts = Counter(words)
    said = [f"{word}: {counts[word]}" for word in (OTHER, SMALL, MISSING) if counts[word]]
    return "; ".join([f"{SAME}: {counts[SAME]} of {len(words)}", *said])
