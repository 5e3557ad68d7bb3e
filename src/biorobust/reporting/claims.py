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


@dataclass(frozen=True, kw_only=True)
class Part(Measured):
    """One row: a quantity, what the report says, what was measured, and the verdict. All numbers are proportions.

    `difference` is measured minus reported for a number, whose low and high are of `measured`; first minus second for
    the others. `p`: of an order, Holm-corrected; the interval decides. A part that was not run at the size the claim
    needs still carries what was measured. `counts`: whether it takes part in the claim's verdict. `unit`: of a
    `Quantity`.
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
    unit: str | None


@dataclass(frozen=True)
class Judged:
    """A claim under one reading, with its verdict. `note`: what limits it, such as unofficial data, or ""."""

    claim: Claim
    reading: Reading | None
    verdict: str
    reason: str
    note: str
    parts: tuple[Part, ...]

    @property
    def counted(self) -> bool:
        """Whether it is the first reading; later ones are only shown beside it."""
        return self.reading is None or self.reading == self.claim.readings[0]

    @property
    def provisional(self) -> bool:
        """Whether a part that decides it rests on one training."""
        decides = [part for part in self.parts if part.counts and part.verdict in rules.DECIDED]
        return self.verdict in rules.DECIDED and any(part.provisional for part in decides)

    @property
    def mostly_open(self) -> str:
        """For a decided claim with most of its parts undecided: how many of those that count, in words; else ""."""
        counted = [part for part in self.parts if part.counts]
        n_open, n = sum(part.verdict not in rules.DECIDED for part in counted), len(counted)
        return f"{n_open} of {n} parts open" if self.verdict in rules.DECIDED and 2 * n_open > n else ""


def judge(claims: Sequence[Claim], metrics: Measurements) -> list[Judged]:
    """Every claim under every reading, in the order of the file.

    Holm's correction is over all distinct order tests of a study that could be made, those of later readings included.
    """
    scatters = {study: Scatter.of(study, claims, metrics) for study in dict.fromkeys(claim.study for claim in claims)}
    printed = printed_accuracies(claims)
    rows = [
        (claim, reading, [(check, _part(check, scatters[claim.study], printed=printed)) for check in checks])
        for claim in claims
        for reading, checks in zip(claim.readings or (None,), (claim.checks, *claim.others), strict=True)
    ]
    tests: dict[str, dict[tuple[object, ...], float]] = {study: {} for study in scatters}
    for claim, _, parts in rows:
        for check, part in parts:
            if part.p is not None:
                tests[claim.study].setdefault(check.test, part.p)
    corrected = {study: dict(zip(ps, holm(list(ps.values())), strict=True)) for study, ps in tests.items()}
    judged = []
    for claim, reading, drafts in rows:
        ps = corrected[claim.study]
        parts = [(check, part if part.p is None else replace(part, p=ps[check.test])) for check, part in drafts]
        verdict = rules.aggregate(_counted(parts), every=claim.every)
        note = limits([check for check, part in parts if part.counts and part.measured is not None], metrics)
        judged.append(Judged(claim, reading, verdict.verdict, verdict.reason, note, tuple(part for _, part in parts)))
    return judged


def _counted(parts: Sequence[tuple[Check, Part]]) -> list[Decision]:
    """What a claim's verdict is made from: every part that counts, those with the same `any_of` together as one."""
    single: list[Decision] = []
    groups: dict[str, list[Decision]] = {}
    for check, part in parts:
        if part.counts:
            group = single if check.any_of is None else groups.setdefault(check.any_of, [])
            group.append(Decision(part.verdict, part.reason))
    return single + [rules.any_of(group) for group in groups.values()]


def _part(check: Check, scatter: Scatter, *, printed: Levels) -> Part:
    """A check, measured even if it may not be judged: a small run is shown, marked as such. `p` is not corrected."""
    stopped, found = obstacle(check, scatter.metrics, printed=printed), Measured()
    try:
        found = measure(check, scatter)
    except NotMeasured as error:
        if check.missing or not stopped:
            stopped = Decision(rules.NOT_RUN, check.missing or str(error))
    decision = stopped or decide(check, found)
    p = found.p if check.rule == "order" and not stopped else None
    if check.rule == "number" and check.reported is not None and found.measured is not None:
        found = replace(found, difference=found.measured - check.reported)
    return Part(
        **vars(replace(found, p=p)),
        **{key: getattr(check, key) for key in ("label", "rule", "reported", "reported_against", "counts", "eps")},
        verdict=decision.verdict,
        reason=decision.reason,
        own_numbers=_own_numbers(check),
        unit=check.quantity.unit,
    )


def decide(check: Check, found: Measured) -> Decision:
    """The verdict of a check on what was measured, should nothing stand against judging it."""
    unit = check.quantity.unit
    if unit is None:  # a reason gives a border in that of the numbers beside it
        unit = "%" if found.difference is None else "points"
    # Open at an end that is not known; a single logged value without an interval is taken as it is.
    ends = Interval(-math.inf if found.low is None else found.low, math.inf if found.high is None else found.high)
    if found.low is None and found.high is None:
        ends = Interval(found.middle, found.middle)
    if check.rule == "threshold":
        return rules.threshold(ends, at_least=check.at_least, at_most=check.at_most, unit=unit)
    if check.rule == "no difference":
        return (
            rules.same_errors(found.ratio and Interval(*found.ratio[1:])) if check.errors else rules.no_difference(ends)
        )
    if check.rule == "number":
        assert check.reported is not None
        return rules.number(ends, reported=check.reported, n=check.reported_n)
    if check.smallest is not None:
        return rules.order(ends, smallest=check.smallest, unit=unit)
    known = check.reported is not None and check.reported_against is not None
    gap = check.reported - check.reported_against if known else None  # type: ignore[operator]
    return rules.order(ends, smallest=rules.smallest_effect(gap))


def _own_numbers(check: Check) -> str | None:
    if check.rule not in CONTRASTS or check.reported is None or check.reported_against is None or not check.reported_n:
        return None
    own = rules.own_order if check.rule == "order" else rules.own_no_difference
    return own(check.reported, check.reported_against, n=check.reported_n)
