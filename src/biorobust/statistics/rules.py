"""The rules that turn numbers into verdicts. One idea: a 95 % interval against a region that was fixed beforehand.

- number: the region is the printed value, and as much around it as that value is itself uncertain.
- order: above 0; what is smaller than the smallest effect counts as nothing.
- no difference: within a few points, or within a ratio of errors where accuracies are high.
- threshold: a proxy inside a range.

All numbers are proportions; a point is 0.01. The thresholds are those of `biorobust.statistics.thresholds`. "own_"
functions ask whether the report's printed numbers support the report's own sentence.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from biorobust.core.intervals import wilson
from biorobust.statistics.accuracy import Accuracy, Interval, difference, error_ratio
from biorobust.statistics.thresholds import THRESHOLDS

REPRODUCED = "reproduced"
PARTLY = "partly"
NOT_REPRODUCED = "not reproduced"
INCONCLUSIVE = "inconclusive"
NOT_TESTABLE = "not testable"
NOT_RUN = "not run"
VERDICTS = (REPRODUCED, PARTLY, NOT_REPRODUCED, INCONCLUSIVE, NOT_TESTABLE, NOT_RUN)
DECIDED = (REPRODUCED, PARTLY, NOT_REPRODUCED)

SUPPORTS = "supports itself"
CONTRADICTS = "contradicts itself"
CANNOT_TELL = "cannot tell"

# Keeps an interval that ends exactly on a border inside in spite of binary fractions.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Decision:
    """A verdict word and the one line that gives its reason."""

    verdict: str
    reason: str


def points(value: float) -> str:
    """A difference of proportions in percentage points: 0.0123 -> "1.2 points"."""
    return f"{100 * value:.1f} points"


def half_region(reported: float, n: int | None) -> float:
    """Half the width of the region around a printed accuracy. n: of how many images it is, None where unknown."""
    if n is None:
        return THRESHOLDS.tolerance
    low, high = wilson(round(reported * n), n)
    return max(THRESHOLDS.tolerance, THRESHOLDS.reported_widths * (high - low) / 2)


def number(found: Interval, *, reported: float, n: int | None) -> Decision:
    """Is a printed number met? n: images behind it. Our own scatter never widens the region."""
    half = half_region(reported, n)
    low, high = found.low - reported, found.high - reported
    if -half - ROUNDING <= low and high <= half + ROUNDING:
        return Decision(REPRODUCED, f"the interval lies within {points(half)} of the printed value")
    wide = THRESHOLDS.partly * half
    if -wide - ROUNDING <= low and high <= wide + ROUNDING:
        return Decision(PARTLY, f"the interval lies within {points(wide)} of the printed value")
    if low > wide or high < -wide:
        return Decision(NOT_REPRODUCED, f"the whole interval is more than {points(wide)} from the printed value")
    return Decision(INCONCLUSIVE, f"the interval crosses {points(wide)} from the printed value")


def smallest_effect(gap: float | None) -> float:
    """The smallest difference of accuracies that counts. gap: the printed one, in the claimed direction, if any."""
    if gap is None or gap <= 0:
        return THRESHOLDS.smallest_effect
    return min(THRESHOLDS.smallest_effect, THRESHOLDS.gap_share * gap)


def order(found: Interval, *, smallest: float, unit: str = "points") -> Decision:
    """Is a above b? found: interval of a - b. smallest: the smallest difference that counts, in `unit`."""
    least = points(smallest) if unit == "points" else _in(unit, smallest)
    if found.low > 0 and found.high < smallest:
        return Decision(PARTLY, f"the difference lies above 0 and below {least}: negligible")
    if found.low > 0:
        return Decision(REPRODUCED, "the interval of the difference lies above 0")
    if found.high < 0:
        return Decision(NOT_REPRODUCED, "the interval of the difference lies below 0: the order is the other way round")
    if found.high < smallest:
        return Decision(NOT_REPRODUCED, f"the interval of the difference holds 0 and rules out {least}")
    return Decision(INCONCLUSIVE, "the interval of the difference holds 0")


def no_difference(found: Interval) -> Decision:
    """Are a and b alike? found: interval of a - b, accuracies."""
    same = THRESHOLDS.same
    return _alike(found, Interval(-same, same), f"+-{points(same)}")


def same_errors(found: Interval | None) -> Decision:
    """Do a and b err alike? found: interval of errors of a over errors of b; None where one makes none."""
    if found is None:
        return Decision(INCONCLUSIVE, "a network without errors has no ratio of errors")
    ratio = THRESHOLDS.error_ratio
    return _alike(found, Interval(1 / ratio, ratio), f"a ratio of the errors from {1 / ratio:.2f} to {ratio:.2f}")


def _alike(found: Interval, region: Interval, words: str) -> Decision:
    if region.low - ROUNDING <= found.low and found.high <= region.high + ROUNDING:
        return Decision(REPRODUCED, f"the whole interval lies within {words}")
    if found.low > region.high or found.high < region.low:
        return Decision(NOT_REPRODUCED, f"the whole interval lies outside {words}")
    return Decision(INCONCLUSIVE, f"the interval crosses the border of {words}")


def threshold(found: Interval, *, at_least: float | None, at_most: float | None, unit: str = "") -> Decision:
    """Does a proxy lie in [at_least, at_most] (None: open on that side)?

    unit: in which the reason gives the range; proportions are given in "%" or, for differences, in "points".
    """
    bottom = -math.inf if at_least is None else at_least
    top = math.inf if at_most is None else at_most
    wanted = " and ".join(
        f"at {side} {_in(unit, end)}" for side, end in (("least", at_least), ("most", at_most)) if end is not None
    )
    if bottom - ROUNDING <= found.low and found.high <= top + ROUNDING:
        return Decision(REPRODUCED, f"the rule asks for {wanted}")
    if found.high < bottom or found.low > top:
        return Decision(NOT_REPRODUCED, f"the rule asks for {wanted}")
    return Decision(INCONCLUSIVE, f"the interval reaches across the border: the rule asks for {wanted}")


def _in(unit: str, value: float) -> str:
    return f"{100 * value:g} {unit}" if unit in ("%", "points") else f"{value:g} {unit}".strip()


def own_order(a: float, b: float, *, n: int) -> str:
    """Do accuracies printed in a report, each of `n` images, support "a is above b"? Images count as independent."""
    found = difference(_printed(a, n), _printed(b, n))
    return _own(order(Interval(found.low, found.high), smallest=0.0))


def own_no_difference(a: float, b: float, *, n: int) -> str:
    """Do accuracies printed in a report, each of `n` images, support "a and b are alike"?"""
    first, second = _printed(a, n), _printed(b, n)
    if high_accuracies(a, b):
        ratio = error_ratio(first, second)
        return _own(same_errors(ratio and Interval(ratio.low, ratio.high)))
    found = difference(first, second)
    return _own(no_difference(Interval(found.low, found.high)))


def high_accuracies(*printed: float | None) -> bool:
    """Whether a report prints all of these, and all so high that errors are compared instead of accuracies."""
    return all(value is not None and value > THRESHOLDS.high_accuracy for value in printed)


def _printed(accuracy: float, n: int) -> Accuracy:
    return Accuracy((round(accuracy * n),), n)


def _own(decision: Decision) -> str:
    return {REPRODUCED: SUPPORTS, NOT_REPRODUCED: CONTRADICTS}.get(decision.verdict, CANNOT_TELL)


def aggregate(parts: Sequence[Decision], *, every: bool = False) -> Decision:
    """The verdict of a claim from those of its parts: the one that stands however its undecided parts would come out.

    All parts reproduced: reproduced. All parts not reproduced: not reproduced. A part that is partly, or two decided
    parts that disagree: partly; with `every` the claim holds only if each part does, so one part that is not reproduced
    decides against it, and one that is left may still do so. Otherwise undecided parts are left: inconclusive if any
    part was decided or inconclusive, else what kept the parts from being decided.
    """
    if not parts:
        raise ValueError("a claim needs at least one part")
    counts = Counter(part.verdict for part in parts)
    if len(parts) == 1:
        return parts[0]
    tally = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    said = f"of {len(parts)} parts {tally}"
    if every and counts[NOT_REPRODUCED]:
        return Decision(NOT_REPRODUCED, f"{said}; it needs all")
    may_still_fail = every and any(part.verdict not in DECIDED for part in parts)
    if not may_still_fail and (counts[PARTLY] or (counts[REPRODUCED] and counts[NOT_REPRODUCED])):
        return Decision(PARTLY, said)
    if len(counts) == 1 and parts[0].verdict in DECIDED:
        return Decision(parts[0].verdict, f"all {len(parts)} parts")
    if any(counts[verdict] for verdict in (*DECIDED, INCONCLUSIVE)):
        return Decision(INCONCLUSIVE, said)
    return next(part for verdict in (NOT_TESTABLE, NOT_RUN) for part in parts if part.verdict == verdict)


def any_of(parts: Sequence[Decision]) -> Decision:
    """The verdict of a statement that one of its parts is enough for: reproduced if any is, not if all are not."""
    counts = Counter(part.verdict for part in parts)
    if counts[REPRODUCED]:
        return Decision(REPRODUCED, f"{counts[REPRODUCED]} of {len(parts)} rows")
    if counts[NOT_REPRODUCED] == len(parts):
        return Decision(NOT_REPRODUCED, f"none of {len(parts)} rows")
    if counts[NOT_REPRODUCED] + counts[PARTLY] == len(parts):
        return Decision(PARTLY, f"partly in {counts[PARTLY]} of {len(parts)} rows")
    open_parts = [part for part in parts if part.verdict not in (NOT_REPRODUCED, PARTLY)]
    tested = [part for part in parts if part.verdict in (*DECIDED, INCONCLUSIVE)]
    if not tested:
        return open_parts[0]
    return Decision(INCONCLUSIVE, f"none of {len(parts)} rows so far, {len(open_parts)} open")


@dataclass(frozen=True)
class Tally:
    """How often each verdict word occurs, in the order of VERDICTS; `provisional`: those that rest on one training."""

    counts: Mapping[str, int]
    provisional: Mapping[str, int]

    @property
    def n(self) -> int:
        return sum(self.counts.values())

    @property
    def decided(self) -> int:
        """How many were judged and not left open."""
        return sum(self.counts[verdict] for verdict in DECIDED)


def tally(verdicts: Iterable[tuple[str, bool]]) -> Tally:
    """The numbers of a banner, from verdict words and whether each is provisional."""
    found = list(verdicts)
    counts, provisional = Counter(word for word, _ in found), Counter(word for word, single in found if single)
    return Tally(*({verdict: of[verdict] for verdict in VERDICTS} for of in (counts, provisional)))
