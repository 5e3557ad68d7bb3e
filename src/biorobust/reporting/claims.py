"""From claims and metrics to verdicts: one `Judged` per claim and reading, one `Part` per row of its table.

Nothing is typed in: measured values come from a metrics folder, reported values and rules from the claims, and the
verdict from `biorobust.statistics.rules`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from biorobust.reporting.claim import CONTRASTS, Check, Claim, Reading
from biorobust.reporting.measure import Measured, NotMeasured, Scatter, measure
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.requirements import Levels, limits, obstacle, printed_accuracies
from biorobust.statistics import rules
from biorobust.statistics.accuracy import Interval
from biorobust.statistics.paired import holm
from biorobust.statistics.rules import Decision

__all__ = ["Claim", "Judged", "Part", "Reading", "decide", "judge"]


@dataclass(frozen=True)
class Part:
    """One row: a quantity, what the report says, what was measured, and the verdict. All numbers are proportions.

    `low`, `high`: 95 % interval of `measured` (number, threshold) or of `difference`, over what `interval` says.
    `ratio`: of the errors with its interval, where "no difference" asks for it. `difference` is measured minus reported
    for a number, and first minus second for the others. `p`: of an order, Holm-corrected; the interval decides.
    `provisional`: decided by one training. A part that was not run at the size the claim needs still carries what was
    measured. `counts`: whether it takes part in the claim's verdict.
    """

    label: str
    rule: str
    reported: float | None
    reported_against: float | None
    verdict: str
    reason: str
    own_numbers: str | None
    counts: bool
    eps: float | None
    measured: float | None = None
    against: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: tuple[float, float, float] | None = None
    interval: str = ""
    n_images: int | None = None
    n_seeds: int | None = None
    difference: float | None = None
    p: float | None = None
    provisional: bool = False
    path: str = ""

    @property
    def words(self) -> str:
        """The verdict as printed; why nothing was tested stands behind it."""
        return _words(self.verdict, self.reason, provisional=self.provisional)


@dataclass(frozen=True)
class Judged:
    """A claim under one reading, with its verdict. `counted`: the first reading; later ones are only shown beside it.

    `provisional`: a part that decides it rests on one training. `note` names what limits the verdict, such as data that
    are not in their official encoding; "" if nothing does.
    """

    claim: Claim
    reading: Reading | None
    counted: bool
    verdict: str
    reason: str
    note: str
    parts: tuple[Part, ...]

    @property
    def provisional(self) -> bool:
        decides = [part for part in self.parts if part.counts and part.verdict in rules.DECIDED]
        return self.verdict in rules.DECIDED and any(part.provisional for part in decides)

    @property
    def open_parts(self) -> tuple[int, int]:
        """How many of the parts that count are undecided, and how many count."""
        counted = [part for part in self.parts if part.counts]
        return sum(part.verdict not in rules.DECIDED for part in counted), len(counted)

    @property
    def mostly_open(self) -> str:
        """For a decided claim with most of its parts undecided: how many, in words; else ""."""
        n_open, n = self.open_parts
        return f"{n_open} of {n} parts open" if self.verdict in rules.DECIDED and 2 * n_open > n else ""

    @property
    def words(self) -> str:
        """The verdict as printed, with what a reader must know: most parts open, one training, why it was not run."""
        said = _words(self.verdict, self.reason, provisional=self.provisional)
        return f"{said} ({self.mostly_open})" if self.mostly_open else said


def _words(verdict: str, reason: str, *, provisional: bool) -> str:
    if verdict in (rules.NOT_TESTABLE, rules.NOT_RUN):
        return f"{verdict} ({reason})"
    return f"{verdict}, provisional: one training" if provisional and verdict in rules.DECIDED else verdict


@dataclass(frozen=True)
class _Draft:
    """A check that has been measured (or not) and waits for its study's other tests."""

    check: Check
    measured: Measured | None
    obstacle: Decision | None


def judge(claims: Sequence[Claim], metrics: Measurements) -> list[Judged]:
    """Every claim under every reading, in the order of the file.

    Holm's correction is over all distinct order tests of a study that could be made, those of later readings included.
    """
    scatters = {study: Scatter.of(study, claims, metrics) for study in dict.fromkeys(claim.study for claim in claims)}
    printed = printed_accuracies(claims)
    drafts = [
        (claim, reading, [_draft(check, metrics, scatter=scatters[claim.study], printed=printed) for check in checks])
        for claim in claims
        for reading in claim.readings or (None,)
        if (checks := claim.under(reading))
    ]
    corrected = {
        study: _corrected([draft for claim, _, rows in drafts if claim.study == study for draft in rows])
        for study in scatters
    }
    judged = []
    for claim, reading, rows in drafts:
        parts = tuple(_part(draft, p=corrected[claim.study].get(_test(draft.check))) for draft in rows)
        verdict = rules.aggregate(_counted(parts, [draft.check.any_of for draft in rows]), every=claim.every)
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


_Test = tuple[object, object, float | None]


def _test(check: Check) -> _Test:
    """What makes two order tests the same one."""
    return check.quantity, check.against, check.eps


def _corrected(drafts: Sequence[_Draft]) -> dict[_Test, float]:
    found: dict[_Test, float] = {}
    for draft in drafts:
        measured = draft.measured
        if draft.check.rule == "order" and draft.obstacle is None and measured and measured.p is not None:
            found.setdefault(_test(draft.check), measured.p)
    return dict(zip(found, holm(list(found.values())), strict=True))


def _counted(parts: Sequence[Part], any_of: Sequence[str | None]) -> list[Decision]:
    """What a claim's verdict is made from: every part that counts, those with the same `any_of` together as one."""
    single: list[Decision] = []
    groups: dict[str, list[Decision]] = {}
    for part, group in zip(parts, any_of, strict=True):
        if part.counts:
            (single if group is None else groups.setdefault(group, [])).append(Decision(part.verdict, part.reason))
    return single + [rules.any_of(group) for group in groups.values()]


def _draft(check: Check, metrics: Measurements, *, scatter: Scatter, printed: Levels) -> _Draft:
    stopped = obstacle(check, metrics, printed=printed)
    try:
        # Measured even if it may not be judged: a small run is shown, marked as such.
        return _Draft(check, measure(check, metrics, scatter=scatter), stopped)
    except NotMeasured as error:
        if check.missing:
            return _Draft(check, None, Decision(rules.NOT_RUN, check.missing))
        return _Draft(check, None, stopped or Decision(rules.NOT_RUN, str(error)))


def decide(check: Check, measured: Measured) -> Decision:
    """The verdict of a check on what was measured, should nothing stand against judging it."""
    if check.rule == "threshold":
        value = measured.value if measured.difference is None else measured.difference
        ends = {"low": measured.low, "high": measured.high}
        return rules.threshold(
            value, **ends, at_least=check.at_least, at_most=check.at_most, unit=_unit(check, measured)
        )
    if check.rule == "no difference" and check.errors:
        return rules.same_errors(Interval(*measured.ratio[1:]) if measured.ratio else None)
    found = _interval(measured)
    if check.rule == "number":
        assert check.reported is not None
        return rules.number(found, reported=check.reported, n=check.reported_n)
    if check.rule == "order":
        if check.smallest is not None:
            return rules.order(found, smallest=check.smallest, unit=_unit(check, measured))
        known = check.reported is not None and check.reported_against is not None
        gap = check.reported - check.reported_against if known else None  # type: ignore[operator]
        return rules.order(found, smallest=rules.smallest_effect(gap))
    return rules.no_difference(found)


def _unit(check: Check, measured: Measured) -> str:
    """In which a reason gives a border, the same as the numbers beside it."""
    if check.quantity.unit is not None:
        return check.quantity.unit
    return "%" if measured.difference is None else "points"


def _interval(measured: Measured) -> Interval:
    """Open at an end that is not known; a single logged value without an interval is taken as it is."""
    if measured.low is None and measured.high is None:
        value = measured.value if measured.difference is None else measured.difference
        return Interval(value, value)
    return Interval(
        -math.inf if measured.low is None else measured.low, math.inf if measured.high is None else measured.high
    )


def _own_numbers(check: Check) -> str | None:
    if check.rule not in CONTRASTS or check.reported is None or check.reported_against is None or not check.reported_n:
        return None
    own = rules.own_order if check.rule == "order" else rules.own_no_difference
    return own(check.reported, check.reported_against, n=check.reported_n)


def _part(draft: _Draft, *, p: float | None) -> Part:
    check, measured = draft.check, draft.measured
    decision = draft.obstacle
    if decision is None:
        assert measured is not None
        decision = decide(check, measured)
    part = Part(
        label=check.label,
        rule=check.rule,
        reported=check.reported,
        reported_against=check.reported_against,
        verdict=decision.verdict,
        reason=decision.reason,
        own_numbers=_own_numbers(check),
        counts=check.counts,
        eps=check.eps,
    )
    if measured is None:
        return part
    off = check.rule == "number" and check.reported is not None
    return replace(
        part,
        measured=measured.value,
        against=measured.against,
        low=measured.low,
        high=measured.high,
        ratio=measured.ratio,
        interval=measured.interval,
        n_images=measured.n_images,
        n_seeds=measured.n_seeds,
        difference=measured.value - check.reported if off else measured.difference,  # type: ignore[operator]
        p=p if draft.obstacle is None and check.rule == "order" else None,
        provisional=measured.provisional,
        path=measured.path,
    )
