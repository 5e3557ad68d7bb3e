"""The claims of the k-WTA study: what they ask for, and their verdicts on made-up metrics."""

import re

import pytest
import report_checkout
from report_checkout import ROOT, by_claim, copied, edit, write_checkout

from biorobust.kwta.report.printed import printed
from biorobust.kwta.report.study import CLEAN, DEEPFOOL, PGD, kwta
from biorobust.reporting import claim_file
from biorobust.reporting.registry import read_params
from biorobust.statistics import rules

# Images of 1,280 that survive PGD and DeepFool in the authors' logs, row by row of Tables 1 to 8.
SURVIVORS = """242 257 567 25 452 5 | 796 0 813 0 789 1 | 136 0 115 0 456 32 | 49 0 105 0 301 141
    737 0 877 178 889 316 | 323 0 865 136 872 335 | 10 0 0 0 0 176 | 49 0 2 136 39 322"""


alone = report_checkout.alone("kwta")


@pytest.fixture(scope="module")
def cpu(finished):
    """The study at the size its claims need, drawn and tabulated; not to be changed."""
    return finished("kwta", scale="cpu")


@pytest.fixture(scope="module")
def claims(cpu):
    return claim_file.load(cpu / "reports/claims")


def test_reported_shares_are_whole_numbers_of_images(claims):
    numbers = {key: number.value for key, number in printed(claims).items()}
    attacked = [value for (_, measure), value in numbers.items() if measure != CLEAN]
    assert len(numbers) == 72
    assert {value.n for value in attacked} == {1280}
    study = kwta(read_params(ROOT / "params.yaml"))
    found = [
        round(numbers[cell, measure].value * 1280)
        for place in study.places
        if place.number
        for cell in place.rows
        for measure in (PGD, DEEPFOOL)
    ]
    assert found == [int(count) for count in re.findall(r"\d+", SURVIVORS)]
    assert all(value.low <= value.value <= value.high for value in numbers.values())


def test_with_weights_all_tables_are_judged(tmp_path, claims):
    root = write_checkout(tmp_path, study="kwta", scale="paper", pretrained=True, seeds=(0, 1, 2))
    items = by_claim(root)
    assert not [name for name, item in items.items() if item.verdict == rules.NOT_RUN]
    # At the report's own sizes only the data are left to name.
    assert items["K8"].note == "cifar10: re-encoded data"
    equally_fast = [part for part in items["K14"].parts if part.label.startswith("tables 6 and 8")]
    assert {part.verdict for part in equally_fast} == {rules.NOT_REPRODUCED}


def test_an_accuracy_that_was_never_reached_is_a_bound(tmp_path):
    root = write_checkout(tmp_path, study="kwta", scale="paper", pretrained=True, seeds=(0, 1, 2))

    def never(content):
        for seed in content["per_seed"]:
            seed["epochs_to"]["0.8"] = None

    def part():
        label = "tables 6 and 8: k-WTA-0.1, epochs to 0.8, random minus ImageNet weights"
        return next(part for part in by_claim(root)["K14"].parts if part.label == label)

    scratch, pretrained = ("train/resnet18-cifar10-scratch-kwta-low", "train/resnet18-cifar10-pretrained-kwta-low")
    edit(root, scratch, never)  # 81 epochs or more
    assert part().verdict == rules.REPRODUCED
    edit(root, pretrained, never)
    assert "neither of the two trainings" in part().reason
    edit(root, scratch, lambda content: [seed["epochs_to"].update({"0.8": 40}) for seed in content["per_seed"]])
    assert (part().verdict, part().difference) == (rules.INCONCLUSIVE, 29)  # 11 epochs or more
    edit(root, scratch, lambda content: [seed["epochs_to"].update({"0.8": 2}) for seed in content["per_seed"]])
    assert part().verdict == rules.NOT_REPRODUCED


def test_starts_are_compared_at_one_width(tmp_path):
    items = by_claim(write_checkout(tmp_path, study="kwta", scale="cpu", pretrained=True))
    for name in ("K13", "K14"):
        assert items[name].verdict == rules.NOT_RUN
        assert "the claim needs 64" in items[name].reason


def test_verdicts_follow_the_numbers(cpu, tmp_path, claims):
    said = by_claim(cpu)
    assert said["K18"].verdict == rules.REPRODUCED
    # In all five trainings ReLU collapses and neither k-WTA does, which leaves open what a sixth of k-WTA-0.1 would do.
    assert [part.verdict for part in said["K16"].parts[:2]] == [rules.REPRODUCED, rules.INCONCLUSIVE]
    assert said["K1"].parts[0].measured == 1.0
    assert said["K1"].parts[0].verdict == rules.INCONCLUSIVE  # one training that collapsed does not say that most do
    assert {part.verdict for part in said["K1"].parts if not part.counts} == {rules.INCONCLUSIVE}
    assert said["K10"].verdict == rules.INCONCLUSIVE  # half of its tables are missing
    root = copied(cpu, tmp_path)
    for dataset in ("cifar10", "svhn"):
        edit(
            root, f"attack/resnet18-{dataset}-scratch-relu", lambda content: _set(content, "pgd-corrected-resized", 700)
        )
    said = by_claim(root)
    assert said["K18"].verdict == rules.NOT_REPRODUCED
    assert said["K18"].parts[0].measured == 700 / 1280


@pytest.mark.parametrize(
    ("low", "growth", "high", "verdict"),
    [
        (1.05, 1.1, 1.117, rules.REPRODUCED),
        (1.1, 1.12, 1.13, rules.INCONCLUSIVE),
        (1.12, 1.2, 1.3, rules.NOT_REPRODUCED),
    ],
)
def test_a_time_that_grows_like_a_sort_is_not_in_proportion(cpu, tmp_path, claims, low, growth, high, verdict):
    root = copied(cpu, tmp_path)
    measured = {"growth": growth, "growth_low": low, "growth_high": high}
    edit(root, "timing/kwta", lambda content: content["per_seed"][0].update(measured))
    ours, sort, one_pass = by_claim(root)["K15"].parts
    assert ours.verdict == verdict
    assert not ours.provisional
    # Controls that are shown: a sort has to come out above the border, a pass below.
    assert {sort.verdict, one_pass.verdict} == {rules.REPRODUCED}
    assert not sort.counts


def _set(content, attack, correct):
    for seed in content["attacks"][attack]["per_seed"]:
        seed["correct"] = [correct]


def test_one_table_is_enough_for_not_always(cpu, tmp_path, claims):
    root = copied(cpu, tmp_path)
    (root / "reports/metrics/outcomes/kwta.npz").unlink()
    for row, correct in (("relu", 900), ("kwta", 700), ("kwta-low", 500)):
        edit(
            root,
            f"attack/resnet18-svhn-scratch-{row}",
            lambda content, correct=correct: _set(content, "pgd-report-resized", correct),
        )
    said = by_claim(root)["K10"]
    assert said.verdict == rules.REPRODUCED
    won = {part.label for part in said.parts if part.verdict == rules.REPRODUCED}
    assert won == {f"table 5: {pair}, PGD" for pair in _PAIRS}


_PAIRS = ("k-WTA-0.2 above k-WTA-0.1", "ReLU above k-WTA-0.2", "ReLU above k-WTA-0.1")
