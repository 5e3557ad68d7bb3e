"""Every rule on both sides of every border, what every threshold changes, and a simulation of the rule "number"."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from biorobust.core.intervals import wilson
from biorobust.statistics import rules
from biorobust.statistics.accuracy import Interval
from biorobust.statistics.rules import DECIDED, VERDICTS, Decision
from biorobust.statistics.thresholds import THRESHOLDS

REPRODUCED, PARTLY, NOT_REPRODUCED, INCONCLUSIVE = "reproduced", "partly", "not reproduced", "inconclusive"


# --- a printed number ---


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.49, 0.51, REPRODUCED),  # ends exactly on both borders
        (0.4899, 0.51, PARTLY),
        (0.49, 0.5101, PARTLY),
        (0.47, 0.53, PARTLY),  # ends exactly on three times both borders
        (0.4699, 0.53, INCONCLUSIVE),
        (0.47, 0.5301, INCONCLUSIVE),
        (0.5299, 0.56, INCONCLUSIVE),
        (0.5301, 0.56, NOT_REPRODUCED),  # wholly outside three times the region
        (0.44, 0.4701, INCONCLUSIVE),
        (0.44, 0.4699, NOT_REPRODUCED),
    ],
)
def test_a_number_of_an_unknown_number_of_images_is_met_within_a_point(low, high, verdict):
    assert rules.number(Interval(low, high), reported=0.5, n=None).verdict == verdict


def test_a_number_of_few_images_is_met_within_twice_its_own_half_width():
    low, high = wilson(640, 1280)
    half = high - low  # twice the half-width
    assert half > 0.05
    for times, inside, outside in ((1, REPRODUCED, PARTLY), (3, PARTLY, INCONCLUSIVE)):
        for sign in (-1, 1):
            edge = 0.5 + sign * times * half
            assert rules.number(Interval(*sorted((0.5, edge))), reported=0.5, n=1280).verdict == inside
            assert rules.number(Interval(*sorted((0.5, edge + sign * 1e-6))), reported=0.5, n=1280).verdict == outside


def test_a_number_of_many_images_keeps_a_point():
    assert rules.half_region(0.97, 20_800) == 0.01 < rules.half_region(0.5, 10_000)


def test_an_exact_replication_is_reproduced_and_a_value_four_regions_away_is_not():
    """The same network, tested anew on as many images as the report had; every share is a count of images."""
    rng = np.random.default_rng(0)
    n_runs = 1000
    for n in (1280, 10_000, 20_800):
        for accuracy in (0.05, 0.2, 0.5, 0.8, 0.9, 0.97):
            reported, again = rng.binomial(n, accuracy, (2, n_runs))
            # Towards the middle: four regions on the other side may be no accuracy at all.
            off = 4 * rules.half_region(accuracy, n) * (1 if accuracy < 0.5 else -1)
            elsewhere = rng.binomial(n, accuracy + off, n_runs)
            found = [
                [rules.number(Interval(*wilson(k, n)), reported=printed / n, n=n).verdict for k, printed in pairs]
                for pairs in (zip(one.tolist(), reported.tolist(), strict=True) for one in (again, elsewhere))
            ]
            assert found[0].count(REPRODUCED) >= 0.8 * n_runs, (n, accuracy)
            assert found[1].count(REPRODUCED) < 0.01 * n_runs, (n, accuracy)
            assert found[1].count(NOT_REPRODUCED) > 0.5 * n_runs, (n, accuracy)


# --- order ---


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.0001, 0.0099, PARTLY),  # above 0, and wholly below the smallest effect
        (0.0001, 0.01, REPRODUCED),
        (0.0, 0.02, INCONCLUSIVE),
        (-0.02, 0.01, INCONCLUSIVE),
        (-0.02, 0.0099, NOT_REPRODUCED),  # holds 0, and the smallest effect is ruled out
        (0.0, 0.0099, NOT_REPRODUCED),
        (-0.02, -0.0001, NOT_REPRODUCED),
        (0.001, math.inf, REPRODUCED),
    ],
)
def test_order(low, high, verdict):
    assert rules.order(Interval(low, high), smallest=0.01).verdict == verdict


@pytest.mark.parametrize(
    ("gap", "smallest"),
    [(None, 0.01), (0.5, 0.01), (0.02, 0.01), (0.0199, 0.00995), (0.0, 0.01), (-0.1, 0.01)],
)
def test_the_smallest_effect_is_a_point_or_half_the_printed_gap(gap, smallest):
    assert rules.smallest_effect(gap) == pytest.approx(smallest)


# --- no difference ---


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.03, 0.03, REPRODUCED),
        (-0.0301, 0.0, INCONCLUSIVE),
        (0.0, 0.0301, INCONCLUSIVE),
        (0.03, 0.05, INCONCLUSIVE),
        (0.0301, 0.05, NOT_REPRODUCED),
        (-0.05, -0.0301, NOT_REPRODUCED),
    ],
)
def test_no_difference_is_three_points(low, high, verdict):
    assert rules.no_difference(Interval(low, high)).verdict == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (2 / 3, 3 / 2, REPRODUCED),
        (0.66, 1.2, INCONCLUSIVE),
        (1.5, 2.0, INCONCLUSIVE),
        (1.51, 2.0, NOT_REPRODUCED),
    ],
)
def test_no_difference_of_errors_is_a_ratio(low, high, verdict):
    assert rules.same_errors(Interval(low, high)).verdict == verdict
    assert rules.same_errors(Interval(1 / high, 1 / low)).verdict == verdict  # whichever stands first


# --- threshold ---


@pytest.mark.parametrize(
    ("interval", "bounds", "verdict"),
    [
        ((0.1001, 0.1001), (None, 0.1), NOT_REPRODUCED),
        ((0.2, 0.3), (0.2, None), REPRODUCED),  # ends exactly on the border
        ((0.2, 0.1 + 0.2), (None, 0.3), REPRODUCED),  # also in binary fractions
        ((0.1999, 0.3), (0.2, None), INCONCLUSIVE),
        ((0.1, 0.2), (0.2, None), INCONCLUSIVE),
        ((0.1, 0.1999), (0.2, None), NOT_REPRODUCED),
        ((-0.01, 0.01), (-0.01, 0.01), REPRODUCED),
        ((-0.01, 0.02), (-0.01, 0.01), INCONCLUSIVE),
        ((0.5, math.inf), (1.0, None), INCONCLUSIVE),  # at least so much
        ((-math.inf, 0.5), (None, 1.0), REPRODUCED),  # at most so much
    ],
)
def test_threshold(interval, bounds, verdict):
    assert rules.threshold(Interval(*interval), at_least=bounds[0], at_most=bounds[1]).verdict == verdict


# --- the report's own numbers ---


def test_own_numbers_of_the_report():
    # From the notebook, 10,000 images: the Hebbian network keeps .2609 where the convolutional one keeps .0566.
    assert rules.own_order(0.2609, 0.0566, n=10_000) == "supports itself"
    assert rules.own_order(0.0566, 0.2609, n=10_000) == "contradicts itself"
    assert rules.own_order(0.2622, 0.2609, n=10_000) == "cannot tell"
    assert rules.own_no_difference(0.7178, 0.9275, n=10_000) == "contradicts itself"
    assert rules.own_no_difference(0.80, 0.805, n=10_000) == "supports itself"
    assert rules.own_no_difference(0.94, 0.97, n=100) == "cannot tell"
    # Above 95 % they are compared by their errors.
    assert rules.own_no_difference(0.966, 0.970, n=10_000) == "supports itself"
    assert rules.own_no_difference(0.9664, 0.9782, n=10_000) == "cannot tell"  # 1.54 times the errors
    assert rules.own_no_difference(0.96, 0.98, n=10_000) == "contradicts itself"  # twice the errors, 2 points
    assert rules.own_no_difference(1.0, 0.98, n=10_000) == "cannot tell"  # no error at all


# --- the verdict of a claim ---


def whole(parts, *, every):
    """The verdict of a claim with decided parts alone, from the words of docs/add-a-claim.md."""
    if every and NOT_REPRODUCED in parts:
        return NOT_REPRODUCED
    return parts[0] if set(parts) == {parts[0]} else PARTLY


def test_a_claims_verdict_is_the_one_that_stands_however_undecided_parts_come_out():
    for verdicts, every in product(product(VERDICTS, repeat=3), (False, True)):
        found = rules.aggregate([Decision(verdict, "") for verdict in verdicts], every=every).verdict
        options = [[verdict] if verdict in DECIDED else list(DECIDED) for verdict in verdicts]
        possible = {whole(parts, every=every) for parts in product(*options)}
        if len(possible) == 1:
            (expected,) = possible
        elif set(verdicts) <= {"not testable", "not run"}:
            expected = "not testable" if "not testable" in verdicts else "not run"
        else:
            expected = INCONCLUSIVE
        assert found == expected, (verdicts, every)


def test_a_single_part_keeps_its_reason():
    part = Decision("not run", "n_hidden is 400, the claim needs 2000")
    assert rules.aggregate([part]) == rules.aggregate([part], every=True) == part
    assert rules.aggregate([part, Decision("not run", "another")]) == part


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ((NOT_REPRODUCED, REPRODUCED, "not run"), REPRODUCED),
        ((NOT_REPRODUCED, NOT_REPRODUCED), NOT_REPRODUCED),
        ((NOT_REPRODUCED, PARTLY), PARTLY),
        ((NOT_REPRODUCED, "not run"), INCONCLUSIVE),
        ((INCONCLUSIVE, "not testable"), INCONCLUSIVE),
        (("not run", "not run"), "not run"),
    ],
)
def test_one_part_is_enough(words, verdict):
    assert rules.any_of([Decision(word, "because") for word in words]).verdict == verdict


# --- thresholds: each is read ---


READ = {  # another value of a threshold, something that it decides, and what comes out before and after
    "tolerance": (0.02, lambda: rules.number(Interval(0.515, 0.515), reported=0.5, n=None), PARTLY, REPRODUCED),
    "partly": (4.0, lambda: rules.number(Interval(0.535, 0.535), reported=0.5, n=None), NOT_REPRODUCED, PARTLY),
    "reported_widths": (3.0, lambda: rules.number(Interval(0.57, 0.57), reported=0.5, n=1280), PARTLY, REPRODUCED),
    "smallest_effect": (0.02, lambda: rules.smallest_effect(0.5), 0.01, 0.02),
    "gap_share": (0.25, lambda: rules.smallest_effect(0.02), 0.01, 0.005),
    "same": (0.02, lambda: rules.no_difference(Interval(0.01, 0.025)), REPRODUCED, INCONCLUSIVE),
    "error_ratio": (1.2, lambda: rules.same_errors(Interval(0.9, 1.3)), REPRODUCED, INCONCLUSIVE),
    "high_accuracy": (0.90, lambda: rules.high_accuracies(0.92, 0.94), False, True),
}


@pytest.mark.parametrize("name", READ)
def test_every_rule_reads_its_thresholds(name, monkeypatch):
    value, ask, before, after = READ[name]
    assert getattr(ask(), "verdict", ask()) == before
    monkeypatch.setattr(rules, "THRESHOLDS", replace(THRESHOLDS, **{name: value}))
    assert getattr(ask(), "verdict", ask()) == pytest.approx(after)
