"""The answer at the top of the report, as a study gives it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Headline:
    """`lead` is chosen by the claim's verdict, `facts` are filled from metrics.

    `facts` are empty where nothing may be concluded; `reason` then says why. `provisional`: the verdict rests on one
    training.
    """

    claim: str
    statement: str
    verdict: str
    lead: str
    reason: str
    facts: tuple[str, ...]
    provisional: bool = False
