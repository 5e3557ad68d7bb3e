"""The rules that turn numbers into verdicts. Pure functions of proportions; the thresholds stand here and nowhere else.

- number: reproduced within max(1.0 point, half-width over seeds) of the reported value, partly within three times that.
- share: a printed share of n images, within max(1.0 point, half-width of the unpaired difference of the two shares).
- order: the paired interval excludes 0 in the claimed direction, and the test survives Holm's correction.
- no difference: the whole paired interval lies inside +-3 points.
- figure: a numeric proxy inside a range that was fixed beforehand.

A point is 0.01. "own_" functions ask whether the report's printed numbers support the report's own sentence.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from biorobust.analysis.intervals import difference_interval, wilson

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

TOLERANCE = 0.01
WIDEST = 0.03  # a half-width above this decides nothing about a number
SAME = 0.03  # "no difference" means less than this
ALPHA = 0.05
MIN_SEEDS = 3


@dataclass(frozen=True)
class Decision:
    """A verdict word and the one line that gives its reason."""

    verdict: str
    reason: str


def points(value: float) -> str:
    """A difference of proportions in percentage points: 0.0123 -> "1.2 points"."""
    return f"{100 * value:.1f} points"


def too_few_seeds(n_seeds: int, needed: int) -> str:
    return f"{n_seeds} seed{'s' * (n_seeds != 1)}, the rule needs {needed}"


def number(measured: float, *, reported: float, half_width: float | None, n_seeds: int) -> Decision:
    """`measured`: mean over seeds; `half_width`: of its 95 % t interval over seeds."""
    if n_seeds < MIN_SEEDS or half_width is None:
        return Decision(INCONCLUSIVE, too_few_seeds(n_seeds, MIN_SEEDS))
    if half_width > WIDEST:
        return Decision(INCONCLUSIVE, f"the seeds leave +-{points(half_width)} open, more than {points(WIDEST)}")
    return _distance(abs(measured - reported), tolerance=max(TOLERANCE, half_width))


def share(measured: float, *, low: float, high: float, reported: float, n: int) -> Decision:
    """`low`, `high`: 95 % interval of `measured`, over images or over seeds; `n`: images behind the reported share.

    The tolerance is how far the unpaired difference reaches towards 0: Newcombe, from ours and the Wilson interval
    of theirs.
    """
    if high - low > 2 * WIDEST:
        return Decision(INCONCLUSIVE, f"our own interval is wider than +-{points(WIDEST)}")
    theirs = wilson(round(reported * n), n)
    above = measured >= reported
    reach = (
        math.hypot(measured - low, theirs[1] - reported) if above else math.hypot(high - measured, reported - theirs[0])
    )
    return _distance(abs(measured - reported), tolerance=max(TOLERANCE, reach))


def _distance(distance: float, *, tolerance: float) -> Decision:
    # The margin of 1e-9 keeps a difference of exactly one point inside in spite of binary fractions.
    if distance <= tolerance + 1e-9:
        return Decision(REPRODUCED, f"within {points(tolerance)}")
    if distance <= 3 * tolerance + 1e-9:
        return Decision(PARTLY, f"{points(distance)} off, within three times {points(tolerance)}")
    return Decision(NOT_REPRODUCED, f"{points(distance)} off, more than three times {points(tolerance)}")


def order(low: float, high: float, *, p: float) -> Decision:
    """Is a above b? `low`, `high`: interval of a - b; `p`: adjusted for the number of tests in the study."""
    if low <= 0 <= high:
        return Decision(INCONCLUSIVE, "the interval of the difference holds 0")
    if p >= ALPHA:
        return Decision(INCONCLUSIVE, f"not significant among the study's tests (Holm p = {p:.2g})")
    if low > 0:
        return Decision(REPRODUCED, "the interval of the difference lies above 0")
    return Decision(NOT_REPRODUCED, "the interval of the difference lies below 0: the order is the other way round")


def no_difference(low: float, high: float) -> Decision:
    """Are a and b alike? `low`, `high`: interval of a - b."""
    if low >= -SAME and high <= SAME:
        return Decision(REPRODUCED, f"the whole interval lies within +-{points(SAME)}")
    if low > SAME or high < -SAME:
        return Decision(NOT_REPRODUCED, f"the whole interval lies beyond {points(SAME)}")
    return Decision(INCONCLUSIVE, f"the interval reaches across {points(SAME)}")


def figure(
    measured: float,
    *,
    low: float | None,
    high: float | None,
    at_least: float | None,
    at_most: float | None,
) -> Decision:
    """Does a proxy lie in [at_least, at_most] (None: open on that side)?

    `low`, `high`: its interval if it has one; with one of them alone the other end is open.
    """
    known = low is not None or high is not None
    for threshold in (at_least, at_most):
        if threshold is None or not known:
            continue
        if (low is None or low < threshold) and (high is None or threshold < high):
            return Decision(INCONCLUSIVE, f"the interval reaches across the threshold {threshold:g}")
    above = at_least is None or measured >= at_least
    below = at_most is None or measured <= at_most
    wanted = " and ".join(
        f"at {side} {threshold:g}"
        for side, threshold in (("least", at_least), ("most", at_most))
        if threshold is not None
    )
    return Decision(REPRODUCED if above and below else NOT_REPRODUCED, f"the proxy has to be {wanted}")


def own_order(a: float, b: float, *, n: int) -> str:
    """Do accuracies printed in a report, each of `n` images, support "a is above b"? Unpaired 95 % interval."""
    low, high = difference_interval(round(a * n), n, round(b * n), n)
    return SUPPORTS if low > 0 else CONTRADICTS if high < 0 else CANNOT_TELL


def own_no_difference(a: float, b: float, *, n: int) -> str:
    """Do accuracies printed in a report, each of `n` images, support "a and b are alike"? Unpaired 95 % interval."""
    low, high = difference_interval(round(a * n), n, round(b * n), n)
    if low >= -SAME and high <= SAME:
        return SUPPORTS
    return CONTRADICTS if low > SAME or high < -SAME else CANNOT_TELL


def aggregate(parts: Sequence[Decision]) -> Decision:
    """The verdict of a claim from those of its parts: the one that stands however its undecided parts would come out.

    All parts reproduced: reproduced. All parts not reproduced: not reproduced. A part that is partly, or two decided
    parts that disagree: partly. Otherwise undecided parts are left: inconclusive if any part was decided or
    inconclusive, else what kept the parts from being decided.
    """
    if not parts:
        raise ValueError("a claim needs at least one part")
    counts = Counter(part.verdict for part in parts)
    if len(parts) == 1:
        return parts[0]
    tally = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    if counts[PARTLY] or (counts[REPRODUCED] and counts[NOT_REPRODUCED]):
        return Decision(PARTLY, f"of {len(parts)} parts {tally}")
    if len(counts) == 1 and parts[0].verdict in DECIDED:
        return Decision(parts[0].verdict, f"all {len(parts)} parts")
    if counts[REPRODUCED] or counts[NOT_REPRODUCED] or counts[INCONCLUSIVE]:
        return Decision(INCONCLUSIVE, f"of {len(parts)} parts {tally}")
    return next(part for verdict in (NOT_TESTABLE, NOT_RUN) for part in parts if part.verdict == verdict)


def any_of(parts: Sequence[Decision]) -> Decision:
    """The verdict of a statement that one of its parts is enough for: reproduced if any is, not if all are not."""
    counts = Counter(part.verdict for part in parts)
    if counts[REPRODUCED]:
        return Decision(REPRODUCED, f"{counts[REPRODUCED]} of {len(parts)} rows")
    if counts[NOT_REPRODUCED] == len(parts):
        return Decision(NOT_REPRODUCED, f"none of {len(parts)} rows")
    open_parts = [part for part in parts if part.verdict != NOT_REPRODUCED]
    tested = [part for part in parts if part.verdict in (*DECIDED, INCONCLUSIVE)]
    if not tested:
        return open_parts[0]
    return Decision(INCONCLUSIVE, f"none of {len(parts)} rows so far, {len(open_parts)} open")


def tally(verdicts: Iterable[str]) -> dict[str, int]:
    """How often each verdict word occurs, in the order of VERDICTS, zeros included: the numbers of a banner."""
    counts = Counter(verdicts)
    return {verdict: counts[verdict] for verdict in VERDICTS}
