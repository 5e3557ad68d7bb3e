"""From claims and metrics to verdicts: one `Judged` per claim and reading, one `Part` per row of its table.

Nothing is typed in: measured values come from a metrics folder, reported values and rules from claims.yaml, and the
verdict from `biorobust.reporting.rules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from biorobust.analysis.paired import holm
from biorobust.reporting import rules
from biorobust.reporting.claim import PAIRED, Check, Claim, Reading
from biorobust.reporting.claim_file import load
from biorobust.reporting.measure import Measured, NotMeasured, measure
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.requirements import limits, obstacle
from biorobust.reporting.rules import Decision

__all__ = ["Claim", "Judged", "Part", "Reading", "judge", "load", "verdict_counts"]


@dataclass(frozen=True)
class Part:
    """One row: a quantity, what the report says, what was measured, and the verdict. All numbers are proportions.

    `low`, `high`: 95 % interval of `measured` (number, figure) or of `difference` (order, no difference), over what
    `interval` says: "seeds", "images", "images and seeds", or "" where there is none. `difference` is measured minus
    reported for a number, and first minus second network for order and no difference. A part that was not run at the
    size the claim needs still carries what was measured. `counts`: whether it takes part in the claim's verdict.
    """

    label: str
    rule: str
    reported: float | None
    reported_against: float | None
    measured: float | None
    against: float | None
    low: float | None
    high: float | None
    interval: str
    half_width: float | None
    n_images: int | None
    n_seeds: int | None
    difference: float | None
    verdict: str
    reason: str
    own_numbers: str | None
    path: str
    counts: bool
    eps: float | None

    @property
    def words(self) -> str:
        """The verdict as printed; why nothing was tested stands behind it."""
        return _words(self.verdict, self.reason)


@dataclass(frozen=True)
class Judged:
    """A claim under one reading, with its verdict. `counted`: the first reading; later ones are only shown beside it.

    `note` names what limits the verdict, such as data that is not in its official encoding; "" if nothing does.
    """

    claim: Claim
    reading: Reading | None
    counted: bool
    verdict: str
    reason: str
    note: str
    parts: tuple[Part, ...]

    @property
    def words(self) -> str:
        """The verdict as printed; why nothing was tested stands behind it."""
        return _words(self.verdict, self.reason)


@dataclass(frozen=True)
class _Draft:
    """A check that has been measured (or not) and waits for its study's other tests."""

    check: Check
    measured: Measured | None
    obstacle: Decision | None

    @property
    def tested(self) -> bool:
        """Whether it is one of the order tests among which Holm corrects."""
        return self.check.rule == "order" and self.obstacle is None


def judge(claims: Sequence[Claim], metrics: Metrics) -> list[Judged]:
    """Every claim under every reading, in the order of the file.

    Holm's correction is over all order tests of a study that could be made, those of later readings included.
    """
    drafts = [
        (claim, reading, [_draft(check, metrics, study=claim.study) for check in claim.under(reading)])
        for claim in claims
        for reading in claim.readings or (None,)
    ]
    adjusted: dict[int, float] = {}
    for study in dict.fromkeys(claim.study for claim in claims):
        tested = [draft for claim, _, rows in drafts if claim.study == study for draft in rows if draft.tested]
        p_values = [draft.measured.p for draft in tested if draft.measured and draft.measured.p is not None]
        adjusted |= {id(draft): p for draft, p in zip(tested, holm(p_values), strict=True)}
    judged = []
    for claim, reading, rows in drafts:
        parts = tuple(_part(draft, p=adjusted.get(id(draft))) for draft in rows)
        verdict = rules.aggregate(_counted(parts, [draft.check.any_of for draft in rows]))
        judged.append(
            Judged(
                claim=claim,
                reading=reading,
                counted=not claim.readings or reading is claim.readings[0],
                verdict=verdict.verdict,
                reason=verdict.reason,
                note=limits([draft.check for draft in rows if draft.check.counts and draft.measured], metrics),
                parts=parts,
            )
        )
    return judged


def _counted(parts: Sequence[Part], any_of: Sequence[str | None]) -> list[Decision]:
    """What a claim's verdict is made from: every part that counts, those with the same `any_of` together as one."""
    single: list[Decision] = []
    groups: dict[str, list[Decision]] = {}
    for part, group in zip(parts, any_of, strict=True):
        if part.counts:
            (single if group is None else groups.setdefault(group, [])).append(Decision(part.verdict, part.reason))
    return single + [rules.any_of(group) for group in groups.values()]


def verdict_counts(judged: Iterable[Judged]) -> dict[str, int]:
    """How many counted claims have each verdict, in the order of `rules.VERDICTS`, zeros included: for the banner."""
    return rules.tally(entry.verdict for entry in judged if entry.counted)


def _draft(check: Check, metrics: Metrics, *, study: str) -> _Draft:
    stopped = obstacle(check, metrics)
    try:
        # Measured even if it may not be judged: a small run is shown, marked as such.
        return _Draft(check, measure(check, metrics, study=study), stopped)
    except NotMeasured as error:
        if check.missing:
            return _Draft(check, None, Decision(rules.NOT_RUN, check.missing))
        return _Draft(check, None, stopped or Decision(rules.NOT_RUN, str(error)))


def _decide(check: Check, measured: Measured, *, p: float | None) -> Decision:
    if measured.n_seeds < check.min_seeds:
        return Decision(rules.INCONCLUSIVE, rules.too_few_seeds(measured.n_seeds, check.min_seeds))
    if check.rule == "number":
        assert check.reported is not None
        return rules.number(
            measured.value, reported=check.reported, half_width=measured.half_width, n_seeds=measured.n_seeds
        )
    if check.rule == "share":
        assert check.reported is not None
        assert check.reported_n is not None
        if measured.low is None or measured.high is None:
            return Decision(rules.INCONCLUSIVE, "there is no interval")
        return rules.share(
            measured.value, low=measured.low, high=measured.high, reported=check.reported, n=check.reported_n
        )
    if check.rule == "figure":
        value = measured.value if measured.difference is None else measured.difference
        return rules.figure(value, low=measured.low, high=measured.high, at_least=check.at_least, at_most=check.at_most)
    assert measured.low is not None
    assert measured.high is not None
    if check.rule == "order":
        assert p is not None
        return rules.order(measured.low, measured.high, p=p)
    return rules.no_difference(measured.low, measured.high)


def _own_numbers(check: Check) -> str | None:
    if check.rule not in PAIRED or check.reported is None or check.reported_against is None or not check.reported_n:
        return None
    own = rules.own_order if check.rule == "order" else rules.own_no_difference
    return own(check.reported, check.reported_against, n=check.reported_n)


def _part(draft: _Draft, *, p: float | None) -> Part:
    check, measured = draft.check, draft.measured
    part = Part(
        label=check.label,
        rule=check.rule,
        reported=check.reported,
        reported_against=check.reported_against,
        measured=None,
        against=None,
        low=None,
        high=None,
        interval="",
        half_width=None,
        n_images=None,
        n_seeds=None,
        difference=None,
        verdict=rules.NOT_RUN,
        reason="",
        own_numbers=_own_numbers(check),
        path="",
        counts=check.counts,
        eps=check.eps,
    )
    if measured is not None:
        difference = measured.difference
        if check.rule in ("number", "share") and check.reported is not None:
            difference = measured.value - check.reported
        part = replace(
            part,
            measured=measured.value,
            against=measured.against,
            low=measured.low,
            high=measured.high,
            interval=measured.interval,
            half_width=measured.half_width,
            n_images=measured.n_images,
            n_seeds=measured.n_seeds,
            difference=difference,
            path=measured.path,
        )
    decision = draft.obstacle
    if decision is None:
        assert measured is not None
        decision = _decide(check, measured, p=p)
    return replace(part, verdict=decision.verdict, reason=decision.reason)


def _words(verdict: str, reason: str) -> str:
    return f"{verdict} ({reason})" if verdict in (rules.NOT_TESTABLE, rules.NOT_RUN) else verdict
