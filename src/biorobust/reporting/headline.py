"""The answer at the top of the report, as a study gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from biorobust.reporting import words
from biorobust.reporting.claims import Judged
from biorobust.reporting.measurements import Measurements
from biorobust.statistics import rules

JUDGED = (*rules.DECIDED, rules.INCONCLUSIVE)


@dataclass(frozen=True)
class Headline:
    """`lead` is chosen by the claim's verdict, `facts` are filled from metrics; the first stands beside the lead.

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


def headline_of(claim: str, judged: Sequence[Judged], m: Measurements, *, study: str, **given: Any) -> Headline | None:
    """The headline that one claim decides, from the block "headline" of the study's words: the lead, then the facts.

    The block sees the `verdict`, the judged `claim`, and what is `given`. None where `judged` are without the claim.
    """
    found = next((item for item in judged if item.claim.id == claim and item.counted), None)
    if found is None:
        return None
    lead, *facts = words.paragraphs(study, "headline", m, verdict=found.verdict, claim=found, **given)
    return Headline(
        claim=found.claim.id,
        statement=found.claim.statement,
        verdict=found.verdict,
        lead=lead,
        reason=found.reason,
        facts=tuple(facts) if found.verdict in JUDGED else (),
        provisional=found.provisional,
    )
