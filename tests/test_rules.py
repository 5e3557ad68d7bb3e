"""Every rule on both sides of every threshold, and the verdict of a claim from all combinations of its parts."""

from __future__ import annotations

from itertools import product

import pytest

from biorobust.statistics import rules
from biorobust.statistics.intervals import difference_interval, wilson
from biorobust.statistics.rules import DECIDED, VERDICTS, Decision


@pytest.mark.parametrize(
    ("measured", "half_width", "verdict"),
    [
        (0.2709, 0.002, "reproduced"),  # exactly one point off
        (0.2710, 0.002, "partly"),
        (0.2909, 0.002, "partly"),  # exactly three points off
        (0.2910, 0.002, "not reproduced"),
        (0.2309, 0.002, "partly"),
        (0.2859, 0.025, "reproduced"),  # the seeds' half-width is the tolerance
        (0.3358, 0.025, "partly"),
        (0.3360, 0.025, "not reproduced"),
        (0.2609, 0.0301, "inconclusive"),
    ],
)
def test_number(measured: float, half_width: float, verdict: str) -> None:
    assert rules.number(measured, reported=0.2609, half_width=half_width, n_seeds=3).verdict == verdict


@pytest.mark.parametrize(("n_seeds", "half_width"), [(1, None), (2, 0.001)])
def test_a_number_needs_three_seeds(n_seeds: int, half_width: float | None) -> None:
    decision = rules.number(0.2609, reported=0.2609, half_width=half_width, n_seeds=n_seeds)
    assert decision.verdict == "inconclusive"
    assert f"{n_seeds} seed" in decision.reason


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict"),
    [
        (0.001, 0.02, 0.001, "reproduced"),
        (-0.02, -0.001, 0.001, "not reproduced"),
        (-0.001, 0.02, 0.001, "inconclusive"),
        (0.0, 0.02, 0.001, "inconclusive"),
        (0.001, 0.02, 0.05, "inconclusive"),  # does not survive Holm
        (-0.02, -0.001, 0.06, "inconclusive"),
    ],
)
def test_order(low: float, high: float, p: float, verdict: str) -> None:
    assert rules.order(low, high, p=p).verdict == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.03, 0.03, "reproduced"),
        (-0.0301, 0.0, "inconclusive"),
        (0.0, 0.0301, "inconclusive"),
        (-0.05, 0.05, "inconclusive"),
        (0.031, 0.05, "not reproduced"),
        (-0.05, -0.031, "not reproduced"),
    ],
)
def test_no_difference(low: float, high: float, verdict: str) -> None:
    assert rules.no_difference(low, high).verdict == verdict


@pytest.mark.parametrize(
    ("measured", "interval", "bounds", "verdict"),
    [
        (0.2, (None, None), (0.2, None), "reproduced"),
        (0.1999, (None, None), (0.2, None), "not reproduced"),
        (0.1, (None, None), (None, 0.1), "reproduced"),
        (0.1001, (None, None), (None, 0.1), "not reproduced"),
        (0.25, (0.21, 0.29), (0.2, None), "reproduced"),
        (0.25, (0.19, 0.31), (0.2, None), "inconclusive"),
        (0.0, (-0.005, 0.005), (-0.01, 0.01), "reproduced"),
        (0.0, (-0.02, 0.02), (-0.01, 0.01), "inconclusive"),
        (0.05, (0.04, 0.06), (-0.01, 0.01), "not reproduced"),
        (2.0, (2.0, None), (1.0, None), "reproduced"),  # at least so much
        (0.5, (0.5, None), (1.0, None), "inconclusive"),
        (2.0, (None, 2.0), (1.0, None), "inconclusive"),  # at most so much
        (0.5, (None, 0.5), (1.0, None), "not reproduced"),
    ],
)
def test_figure(
    measured: float,
    interval: tuple[float | None, float | None],
    bounds: tuple[float | None, float | None],
    verdict: str,
) -> None:
    low, high = interval
    decision = rules.figure(measured, low=low, high=high, at_least=bounds[0], at_most=bounds[1])
    assert decision.verdict == verdict


def test_own_numbers_of_the_report() -> None:
    # From the notebook, 10,000 images: the Hebbian network keeps .2609 where the convolutional one keeps .0566.
    assert rules.own_order(0.2609, 0.0566, n=10_000) == "supports itself"
    assert rules.own_order(0.0566, 0.2609, n=10_000) == "contradicts itself"
    assert rules.own_order(0.2622, 0.2609, n=10_000) == "cannot tell"
    assert rules.own_no_difference(0.9664, 0.9782, n=10_000) == "supports itself"
    assert rules.own_no_difference(0.7178, 0.9275, n=10_000) == "contradicts itself"
    assert rules.own_no_difference(0.97, 0.94, n=100) == "cannot tell"


@pytest.mark.parametrize("verdicts", list(product(VERDICTS, repeat=3)), ids=lambda verdicts: ", ".join(verdicts))
def test_a_claims_verdict_is_the_one_that_stands_however_undecided_parts_come_out(verdicts: tuple[str, ...]) -> None:
    found = rules.aggregate([Decision(verdict, "") for verdict in verdicts]).verdict

    def decided(parts: tuple[str, ...]) -> str:
        return parts[0] if set(parts) == {parts[0]} else "partly"

    options = [[verdict] if verdict in DECIDED else list(DECIDED) for verdict in verdicts]
    possible = {decided(parts) for parts in product(*options)}
    if len(possible) == 1:
        assert found == possible.pop()
    elif set(verdicts) <= {"not testable", "not run"}:
        assert found == ("not testable" if "not testable" in verdicts else "not run")
    else:
        assert found == "inconclusive"


def test_a_single_part_keeps_its_reason() -> None:
    part = Decision("not run", "n_hidden is 400, the claim needs 2000")
    assert rules.aggregate([part]) == part
    with pytest.raises(ValueError, match="at least one part"):
        rules.aggregate([])


def test_tally_has_every_word_in_order() -> None:
    counts = rules.tally(["partly", "not run", "partly"])
    assert list(counts) == list(VERDICTS)
    assert counts["partly"] == 2
    assert sum(counts.values()) == 3


@pytest.mark.parametrize(
    ("k", "reported", "verdict"),
    [
        (865, 0.6758, "reproduced"),  # the reported share itself
        (820, 0.6758, "reproduced"),  # 3.5 points below, within the reach of both
        (795, 0.6758, "partly"),
        (700, 0.6758, "not reproduced"),
        (0, 0.0, "reproduced"),
        (12, 0.0, "reproduced"),  # within one point, though the intervals are narrower
        (20, 0.0, "partly"),
        (60, 0.0, "not reproduced"),
    ],
)
def test_share_of_as_many_images(k: int, reported: float, verdict: str) -> None:
    low, high = wilson(k, 1280)
    decision = rules.share(k / 1280, low=low, high=high, reported=reported, n=1280)
    assert decision.verdict == verdict
    # The same by Newcombe's interval of the difference, where that is wider than a point.
    below, above = difference_interval(k, 1280, round(reported * 1280), 1280)
    gap = abs(k / 1280 - reported)
    if gap > 0.01 and max(above, -below) - gap > 0.01:
        assert (decision.verdict == "reproduced") == (below <= 1e-4 and above >= -1e-4)


def test_share_with_a_wide_interval_of_our_own_is_open() -> None:
    assert rules.share(0.5, low=0.46, high=0.54, reported=0.5, n=1280).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        (("not reproduced", "reproduced", "not run"), "reproduced"),
        (("not reproduced", "not reproduced"), "not reproduced"),
        (("not reproduced", "inconclusive"), "inconclusive"),
        (("not reproduced", "not run"), "inconclusive"),
        (("not run", "not run"), "not run"),
        (("not testable", "not testable"), "not testable"),
    ],
)
def test_one_part_is_enough(words: tuple[str, ...], verdict: str) -> None:
    assert rules.any_of([Decision(word, "because") for word in words]).verdict == verdict
