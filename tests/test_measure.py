"""From metrics to the interval a verdict rests on: what scatters, what is paired, and whose scatter is borrowed."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from simulated_networks import population, setting, trainings
from small_metrics import EPS, STUDY, accuracy, judge_all, judged, keep, logged, network, order

from biorobust.core import outcomes
from biorobust.core.errors import BiorobustError
from biorobust.core.files import write_csv
from biorobust.reporting.requirements import trained_above
from biorobust.statistics import Accuracy, difference, error_ratio, holm, interval, paired_counts, rules, wilson

BORROWED = "images and seeds (scatter of seeds borrowed)"
A_B = order(accuracy("a"), accuracy("b"))
ALIKE = {"label": "a row", "rule": "no difference", "quantity": accuracy("a"), "against": accuracy("b")}


def at_least(border, quantity, **more):
    return {"label": "a row", "rule": "threshold", "at_least": border, "quantity": quantity} | more


HALF = at_least(0.5, accuracy("a"))


def attack(*correct, **more):
    """Entries of trainings that keep so many images right; `more`: further keys, a value per training."""
    return [{"correct": [k]} | {key: of[i] for key, of in more.items()} for i, k in enumerate(correct)]


def only(root, *parts, **claim):
    """The first part of a claim."""
    return judged(root, *parts, **claim).parts[0]


# --- one training, and what lends it a scatter ---


@pytest.mark.parametrize("part", [HALF, A_B], ids=["one network", "two networks"])
def test_one_training_is_provisional_and_borrowed_scatter_lifts_it(tmp_path, part):
    network(tmp_path, "a", [9000], n=10_000)
    network(tmp_path, "b", [8990], n=10_000)
    alone = only(tmp_path, part)
    assert (alone.provisional, alone.interval) == (True, "images")
    network(tmp_path, "lender", [8900, 9000, 9100], n=10_000)
    lent = only(tmp_path, part, at_least(0.5, accuracy("lender")))
    assert (lent.provisional, lent.interval) == (False, BORROWED)
    assert lent.high - lent.low > alone.high - alone.low


SCATTERING = {"pgd": attack(450, 500, 550)}


@pytest.mark.parametrize(
    ("lender", "study", "lends"),
    [
        ({"attacked": {"fgsm": attack(490, 500, 510)}}, STUDY, False),
        ({"attacked": SCATTERING, "collapsed": [False, False, True]}, STUDY, False),
        ({"attacked": SCATTERING}, "kwta", False),
        ({"attacked": SCATTERING}, STUDY, True),
    ],
    ids=["another attack", "a broken training", "another study", "the same attack"],
)
def test_who_lends_scatter(tmp_path, lender, study, lends):
    network(tmp_path, "a", [900], attacked={"pgd": attack(500)})
    network(tmp_path, "b", [800], attacked={"pgd": attack(300)})
    network(tmp_path, "lender", [890, 900, 910], study=study, **lender)
    lent = {"study": study, "parts": [at_least(0.5, accuracy("lender"))]}
    (part,) = judge_all(tmp_path, {"parts": [order(accuracy("a", "pgd"), accuracy("b", "pgd"))]}, lent)[0].parts
    assert (part.provisional, part.interval) == (not lends, BORROWED if lends else "images")


def test_one_network_tested_twice_cannot_borrow_how_its_loss_scatters(tmp_path):
    network(tmp_path, "a", [900], attacked={"pgd": attack(500)})
    network(tmp_path, "lender", [890, 900, 910], attacked=SCATTERING)
    lost = at_least(-0.5, accuracy("a", "pgd"), against=accuracy("a"), at=[EPS])
    lenders = at_least(0.5, accuracy("lender", "pgd"), at=[EPS]), at_least(0.5, accuracy("lender"))
    part = only(tmp_path, lost, *lenders)
    assert (part.provisional, part.interval) == (True, "images")


def test_a_logged_value_of_one_training_is_provisional_and_a_time_is_not(tmp_path):
    for name, provisional in (("pretrain/a", True), ("timing/a", False)):
        logged(tmp_path, name, growth=[0.9], growth_low=[0.8], growth_high=[0.95])
        part = only(tmp_path, at_least(0.5, {"value": "growth", "of": name}))
        assert (part.verdict, part.provisional) == (rules.REPRODUCED, provisional)
        assert (part.low, part.high, part.interval) == (0.8, 0.95, "images")


def test_a_claim_is_provisional_by_the_parts_that_decide_it(tmp_path):
    network(tmp_path, "a", [890, 900, 910])
    logged(tmp_path, "pretrain/b", growth=[0.9])
    one = at_least(0.5, {"value": "growth", "of": "pretrain/b"})
    assert judged(tmp_path, HALF, one).provisional
    assert not judged(tmp_path, HALF, one | {"counts": False}).provisional
    network(tmp_path, "b", [890])
    network(tmp_path, "a", [900])
    left_open = judged(tmp_path, A_B)
    assert (left_open.verdict, left_open.provisional) == (rules.INCONCLUSIVE, False)


# --- images: outcomes, and the paired counts of older runs ---


@pytest.fixture
def simulated(tmp_path):
    """Two runs of three trainings on 2000 images that are hard for both, in metrics without outcomes."""
    rng = np.random.default_rng(1)
    images = 2 * rng.standard_normal(2000)
    a, b = (trainings(rng, images, 3, *population(mean, scatter=0.004, difficulty=2.0)) for mean in (0.86, 0.83))
    for run, right in (("a", a), ("b", b)):
        network(tmp_path, run, right.sum(axis=1).tolist(), n=2000)
    return a, b


def keep_clean(root, **right):
    keep(root, {outcomes.cell(run, outcomes.CLEAN, 0.0): of_run for run, of_run in right.items()})


def paired_by_seed(root, a, b):
    """The paired counts that runs hold which were recorded before outcomes were kept."""
    head = {"a": "b", "b": "a", "attack": "none", "eps": 0.0}  # the file need not have the order that is asked for
    rows = [head | {"seed": seed} | vars(counts) for seed, counts in enumerate(map(paired_counts, b, a))]
    write_csv(root / f"compare/{STUDY}.csv", pd.DataFrame(rows))


def test_intervals_are_those_of_outcomes_else_of_paired_counts_else_of_counts(tmp_path, simulated):
    a, b = simulated
    counts = [setting(right, outcomes=False) for right in simulated]

    def check(expected, alone):
        found, of_one = (only(tmp_path, asked) for asked in (A_B, HALF))
        assert (found.difference, found.low, found.high) == pytest.approx(expected[:3])
        assert (found.provisional, found.interval, found.n_seeds) == (False, "images and seeds", 3)
        assert (of_one.low, of_one.high) == pytest.approx(interval(alone))

    check(difference(*counts), counts[0])
    paired_by_seed(tmp_path, a, b)
    check(difference(*counts, tables=list(map(paired_counts, a, b))), counts[0])
    keep_clean(tmp_path, a=a, b=b)
    check(difference(setting(a), setting(b)), setting(a))


@pytest.mark.parametrize("stale", [lambda a: a[:2], lambda a: a[[1, 0, 2]]], ids=["fewer trainings", "another order"])
def test_outcomes_that_do_not_fit_the_counts_are_not_used(tmp_path, simulated, stale):
    a, b = simulated
    before = only(tmp_path, HALF)
    keep_clean(tmp_path, a=stale(a), b=b)
    assert only(tmp_path, HALF) == before


# --- no difference of errors ---


def test_errors_are_compared_where_the_claim_asks_for_it(tmp_path):
    a, b, by_errors = (9850, 9848, 9846), (9830, 9836, 9828), ALIKE | {"errors": True}
    network(tmp_path, "a", a, n=10_000)
    network(tmp_path, "b", b, n=10_000)
    points, errors = only(tmp_path, ALIKE), only(tmp_path, by_errors)
    assert (points.verdict, errors.verdict, points.ratio) == (rules.REPRODUCED, rules.REPRODUCED, None)
    assert errors.ratio == pytest.approx(error_ratio(Accuracy(a, 10_000), Accuracy(b, 10_000))[:3])
    network(tmp_path, "b", (9700, 9706, 9698), n=10_000)  # twice the errors, 1.5 points
    verdicts = only(tmp_path, ALIKE).verdict, only(tmp_path, by_errors).verdict
    assert verdicts == (rules.REPRODUCED, rules.NOT_REPRODUCED)


# --- quantities of an attack ---


def test_images_that_a_targeted_attack_brings_to_its_target(tmp_path):
    targeted = attack(300, 300, 300, reached=[[600], [610], [620]])
    network(tmp_path, "a", [900, 910, 920], attacked={"pgd-targeted": targeted, "pgd": attack(300, 310, 320)})
    found = only(tmp_path, at_least(0.5, {"reached": "a", "attack": "pgd-targeted"}, at=[EPS]))
    assert (found.measured, found.verdict, found.n_images) == (pytest.approx(0.61), rules.REPRODUCED, 1000)
    assert (found.low, found.high) == pytest.approx(interval(Accuracy((600, 610, 620), 1000)))
    untargeted = only(tmp_path, at_least(0.5, {"reached": "a", "attack": "pgd"}, at=[EPS]))
    assert untargeted.verdict == rules.NOT_RUN
    assert "no reached under pgd" in untargeted.reason


def test_what_an_attack_cannot_move_is_a_part_of_what_it_leaves(tmp_path):
    def plateau(*without):
        flat = {"zero_gradient": without, "zero_gradient_correct": without, "unverified": [[0]] * 3}
        network(tmp_path, "a", [900, 910, 920], attacked={"fgsm": attack(260, 270, 280, **flat)})
        nested = {"zero_gradient_correct": "a", "attack": "fgsm"}
        return only(tmp_path, at_least(-0.01, accuracy("a", "fgsm"), against=nested, at_most=0.01, at=[EPS]))

    close = plateau(259, 268, 279)
    assert close.verdict == rules.REPRODUCED
    assert (close.measured, close.against) == (pytest.approx(0.27), pytest.approx(0.806 / 3))
    assert close.difference == pytest.approx(0.004 / 3)
    # Independent accuracies of .27 would leave 4 points open, whichever way they are paired.
    assert (close.low, close.high) == pytest.approx(interval(Accuracy((1, 2, 1), 1000)))
    assert plateau(100, 110, 120).verdict == rules.NOT_REPRODUCED
    impossible = plateau(261, 270, 280)
    assert impossible.verdict == rules.NOT_RUN
    assert "more images without a gradient than are right" in impossible.reason


# --- shares of trainings ---


def test_collapses_are_a_share_of_trainings_of_which_each_counts_once(tmp_path):
    def collapses(run, *flags):
        network(tmp_path, run, [100 if flag else 900 for flag in flags], collapsed=flags)
        return {"collapses": f"train/{run}"}

    one = only(tmp_path, at_least(0.5, collapses("a", True)))
    assert (one.verdict, one.measured, one.provisional) == (rules.INCONCLUSIVE, 1.0, False)
    assert (one.low, one.high) == pytest.approx(wilson(1, 1))
    a, b = collapses("a", *[True] * 5), collapses("b", *[False] * 5)
    assert only(tmp_path, at_least(0.5, a)).verdict == rules.REPRODUCED
    found = only(tmp_path, order(a, b, smallest=0.1))
    expected = difference(Accuracy((5,), 5), Accuracy((0,), 5))
    assert (found.difference, found.low, found.high, found.p) == pytest.approx(tuple(expected))
    assert (found.verdict, found.n_seeds, found.interval) == (rules.REPRODUCED, 5, "seeds")


# --- logged values ---


def test_logged_values_are_paired_for_the_same_networks_and_else_have_welchs_interval(tmp_path):
    a, b = [14.0, 15.5, 15.0, 14.2], [12.0, 12.6, 12.9]
    first, last = [0.50, 0.60, 0.70], [0.52, 0.63, 0.72]
    for run, values in {"a": {"psnr": a}, "b": {"psnr": b}, "c": {"first": first, "last": last}}.items():
        logged(tmp_path, f"pretrain/{run}", **values)
    apart = order(*({"value": "psnr", "of": f"pretrain/{run}"} for run in "ab"), smallest=0.5)
    together = order(*({"value": key, "of": "pretrain/c"} for key in ("last", "first")), smallest=0.001)
    tests = stats.ttest_ind(a, b, equal_var=False), stats.ttest_rel(last, first)
    for part, test in zip((apart, together), tests, strict=True):
        found = only(tmp_path, part)
        assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval()))
        assert (found.p, found.verdict, found.provisional) == (pytest.approx(test.pvalue), rules.REPRODUCED, False)
    assert only(tmp_path, apart | {"smallest": 5.0}).verdict == rules.PARTLY  # negligible on its own scale


# --- Holm's correction ---


@pytest.fixture
def close_runs(tmp_path):
    for run, correct in (("a", [900, 905, 910]), ("b", [870, 880, 890]), ("c", [855, 880, 890])):
        network(tmp_path, run, correct)
    return tmp_path


def test_holm_corrects_over_distinct_order_tests(close_runs):
    a_c = order(accuracy("a"), accuracy("c"))
    corrected = holm([only(close_runs, part).p for part in (A_B, a_c)])
    # The same test in another claim, under another reading, and with another label or smallest effect: once.
    again = order(accuracy("a"), accuracy("{run}"), label="again", counts=False)
    alike = ALIKE | {"quantity": accuracy("b"), "against": accuracy("c")}
    claims = [{"parts": [A_B, a_c, again, alike]}, {"parts": [A_B]}]
    found = judge_all(close_runs, *claims, readings={"one": "b", "two": "c"})
    ps = {(part.measured, part.against): part.p for item in found for part in item.parts if part.rule == "order"}
    assert sorted(ps.values()) == pytest.approx(sorted(corrected))
    assert {part.p for item in found for part in item.parts if part.rule != "order"} == {None}


# --- how well a network has to be trained ---


@pytest.mark.parametrize(
    ("correct", "study", "verdict"),
    [
        (701, "vonenet", rules.REPRODUCED),
        (700, "vonenet", rules.INCONCLUSIVE),  # has to exceed the level
        (800, "kwta", rules.INCONCLUSIVE),
    ],
)
def test_an_under_trained_network_decides_nothing(tmp_path, correct, study, verdict):
    network(tmp_path, "a", [950, 950, correct], study=study)
    part = only(tmp_path, at_least(0.0, accuracy("a")), study=study)
    assert part.verdict == verdict
    assert part.measured is not None  # shown all the same
    assert (part.reason == "seed 2 of train/a is under-trained") == (verdict == rules.INCONCLUSIVE)


def test_the_level_is_that_of_the_data_set_or_of_the_network_before_that_of_the_study():
    assert trained_above("kwta", "cifar10", "resnet18") == 0.80
    assert trained_above("kwta", "cifar10", "fast") == 0.30
    assert trained_above("hebbian", "mnist") == 0.90
    with pytest.raises(BiorobustError, match=r"'question' on svhn"):
        trained_above("question", "svhn")


def test_a_level_is_never_asked_that_the_report_does_not_have(tmp_path):
    network(tmp_path, "a", [660, 670, 672], attacked={"pgd": attack(500, 500, 500)})
    assert only(tmp_path, HALF).verdict == rules.INCONCLUSIVE
    printed = {"label": "printed", "rule": "number", "quantity": accuracy("a"), "reported": 0.755}
    assert only(tmp_path, HALF, printed).verdict == rules.REPRODUCED  # .655 is enough
    under_attack = printed | {"quantity": accuracy("a", "pgd"), "at": [EPS]}
    assert only(tmp_path, HALF, under_attack).verdict == rules.INCONCLUSIVE  # says nothing of clean accuracy


def test_the_better_of_clean_and_noisy_images_counts(tmp_path):
    network(tmp_path, "a", [600, 600, 600], noisy_correct=[800, 800, 800])
    assert only(tmp_path, HALF).verdict == rules.REPRODUCED


@pytest.mark.parametrize(
    ("flags", "collapses", "epochs"),
    [
        ({"diverged": [True] * 5}, rules.REPRODUCED, rules.INCONCLUSIVE),
        ({}, rules.NOT_REPRODUCED, rules.REPRODUCED),  # under-trained
    ],
)
def test_quantities_that_speak_of_training_are_judged_where_others_are_not(tmp_path, flags, collapses, epochs):
    network(tmp_path, "a", [500] * 5, epochs_to=[{"0.4": epoch} for epoch in (3, 3, 4, 4, 4)], **flags)
    parts = at_least(0.5, {"collapses": "train/a"}), at_least(1, {"epochs_to": "0.4", "of": "train/a"}), HALF
    verdicts = [part.verdict for part in judged(tmp_path, *parts).parts]
    assert verdicts == [collapses, epochs, rules.INCONCLUSIVE]
