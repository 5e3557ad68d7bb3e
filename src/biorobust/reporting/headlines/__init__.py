"""The answer a study puts at the top of the report: one file per study that has one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from biorobust.reporting.claims import Judged
from biorobust.reporting.headline import Headline
from biorobust.statistics import rules

JUDGED = (*rules.DECIDED, rules.INCONCLUSIVE)


def answer(
    judged: Sequence[Judged], *, claim: str, leads: Mapping[str, str], facts: Callable[[Judged], Iterable[str]]
) -> Headline | None:
    """The headline that one claim decides; None where `judged`, a study's claims, are without it.

    leads: verdict -> first sentence. facts: the sentences of a judged claim, empty ones where a number is missing; they
    are asked for only where something may be concluded.
    """
    found = next((item for item in judged if item.claim.id == claim and item.counted), None)
    if found is None:
        return None
    return Headline(
        claim=found.claim.id,
        statement=found.claim.statement,
        verdict=found.verdict,
        lead=leads[found.verdict],
        reason=found.reason,
        facts=tuple(sentence for sentence in facts(found) if sentence) if found.verdict in JUDGED else (),
        provisional=found.provisional,
    )
