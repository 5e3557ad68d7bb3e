"""The answer at the top of the report, as a study gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from biorobust.reporting import words
from biorobust.reporting.claims import Judged
from biorobust.reporting.measurements import Measurements
from biorobust.statistics import rules

JUDGED = (*rules.DECIDED, rules.INCONCLUSIVE)


class Headline(NamedTuple):
    """`lead` is chosen by the verdict, `facts` are filled from metrics: empty where nothing may be concluded.

    The first fact stands beside the lead.
    """

    judged: Judged
    lead: str
    facts: tuple[str, ...]


def headline_of(claim: str, judged: Sequence[Judged], m: Measurements, *, study: str, **given: Any) -> Headline | None:
    """The headline that one claim decides, from the block "headline" of the study's words: the lead, then the facts.

    The block sees the `verdict`, the judged `claim`, and what is `given`. None without the claim.
    """
    found = next((item for item in judged if item.claim.id == claim and item.counted), None)
    if found is None:
        return None
    lead, *facts = words.paragraphs(study, "headline", m, verdict=found.verdict, claim=found, **given)
    return Headline(found, lead, tuple(facts) if found.verdict in JUDGED else ())
