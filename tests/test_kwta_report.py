"""The k-WTA study's part of the report: tables, figures, section, headline and claims from made-up metrics."""

import re

import pandas as pd
import pytest
import report_checkout
import yaml
from edits import project
from report_checkout import ROOT, by_claim, copied, edit, text, write_checkout

from biorobust.core.files import read_json
from biorobust.kwta.report import study as cells
from biorobust.kwta.report.figures import FIGURES
from biorobust.kwta.report.printed import printed
from biorobust.kwta.report.study import kwta
from biorobust.kwta.report.tables import tables
from biorobust.reporting import claim_file
from biorobust.reporting.claims import judge
from biorobust.reporting.figure import draw
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.notebook import inputs
from biorobust.reporting.numbers import share
from biorobust.reporting.registry import read_params
from biorobust.reporting.render import render
from biorobust.statistics import Accuracy, Counts, difference, rules

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


def made(root, claims):
    study, m = kwta(read_params(root / "params.yaml")), Measurements(root / "reports/metrics")
    return {table.id: table for table in tables(m, study, judge(claims, m))}


def drawn(root, *names):
    """The figures that have metrics, by name; of these names alone, if there are any."""
    reports = root / "reports"
    given = inputs("kwta", metrics=[reports / "metrics"], params=root / "params.yaml", claims=reports / "claims")
    asked = [item for item in FIGURES if item.id in (names or [item.id])]
    return {item.id: found for item in asked if (found := draw(item, given))}


# --- tables ---


def test_tables_that_ran_have_every_cell_and_the_others_are_left_out(cpu, claims):
    found = made(cpu, claims)
    assert [name for name in found if name.startswith("kwta-table-")] == [
        f"kwta-table-{place}" for place in (1, 2, 5, 6, "7a", "8a", "fast")
    ]
    rows = {(row["activation"], str(row["line"]).partition(" (")[0]): row for row in found["kwta-table-6"].rows}
    assert [name for name, line in rows if line == "report"] == ["ReLU", "k-WTA-0.2", "k-WTA-0.1"]
    content = read_json(cpu / "reports/metrics/attack/resnet18-cifar10-scratch-kwta.json")
    for measure in (name for name in cells.MEASURES if name != cells.CLEAN):
        for line, suffix, worst in (("ours, tensor", "-resized", ""), ("ours, image", "", "-image")):
            name = f"{measure}{worst if measure == 'worst-case' else suffix}"
            (seed,) = content["attacks"][name]["per_seed"]
            assert rows["k-WTA-0.2", line][measure] == seed["correct"][0] / seed["n"]
    verdict = rows["ReLU", "verdict"]
    assert verdict["line"] == "verdict"
    assert verdict[cells.DEEPFOOL] == "reproduced"
    collapsed = next(row for row in found["kwta-table-1"].rows if str(row["line"]).startswith("verdict"))
    assert collapsed["line"] == "verdict: seed 0 collapsed"
    caption = found["kwta-table-6"].caption
    assert "32 of 64 channels" in caption
    assert "a single training. What limits the verdicts: cifar10: re-encoded data, not the report's width" in caption


def test_what_a_scale_leaves_out_is_said_once_and_our_own_network_is_there(tmp_path, claims):
    root = write_checkout(tmp_path, study="kwta", scale="laptop")
    found = made(root, claims)
    assert [name for name in found if name.startswith("kwta-table-")] == ["kwta-table-fast"]
    rows = {(row["activation"], row["line"]): row for row in found["kwta-table-fast"].rows}
    assert list(rows) == [(name, "ours") for name in ("ReLU", "k-WTA-0.2", "k-WTA-0.1")]
    (seed,) = read_json(root / "reports/metrics/attack/fast-cifar10-scratch-kwta.json")["attacks"][cells.PGD][
        "per_seed"
    ]
    assert rows["k-WTA-0.2", "ours"][cells.PGD] == seed["correct"][0] / seed["n"]
    assert found["kwta-ablations"].rows == ()
    assert by_claim(root)["K15"].verdict == rules.NOT_RUN
    figures = drawn(root, "steps")
    assert set(figures["steps"].data["table"]) == {"fast"}
    assert "not drawn: tables 1, 2, 3, 4, 5, 6, 7 and 8." in figures["steps"].caption


def test_another_gamma_stands_beside_no_other_column(tmp_path, claims):
    gamma = 0.1  # that of another row
    root = write_checkout(tmp_path, study="kwta", scale="cpu", kwta=gamma)
    rows = [row for row in made(root, claims)["kwta-table-6"].rows if str(row["cell"]).endswith("scratch-kwta")]
    assert {row["activation"] for row in rows} == {f"k-WTA-{gamma:g}"}
    assert not any("reproduced" in str(value) for row in rows for value in row.values())
    report, verdict = rows[0], rows[-1]
    assert verdict[cells.CLEAN] == verdict[cells.PGD] == verdict[cells.DEEPFOOL] == "not compared"
    assert report[cells.CLEAN] is None
    assert verdict["line"] == "verdict: the claim is about the row k-WTA-0.2"
    items = by_claim(root)
    wrong = [part for part in items["K6"].parts if part.label.startswith("k-WTA-0.2")]
    assert {part.verdict for part in wrong} == {rules.NOT_RUN}
    assert all(f"gamma is {gamma:g}, the claim needs 0.2" in part.reason for part in wrong)
    assert items["K18"].verdict == rules.REPRODUCED  # the ReLU rows are as they were
    data = drawn(root, "steps")["steps"].data
    assert f"k-WTA-{gamma:g}" in set(data["activation"])
    assert data.loc[data["cell"].str.endswith("scratch-kwta"), "reported"].isna().all()


def test_networks_from_other_weights_stand_beside_the_table_they_are_like(cpu, claims):
    found = made(cpu, claims)
    table, printed_ = found["kwta-table-7a"], printed(claims)
    assert table.title.startswith("ResNet18 on SVHN, from weights of CIFAR-10")
    assert "decide nothing about ImageNet weights" in table.caption
    lines = [row for row in table.rows if row["cell"] == "resnet18-svhn-transferred-kwta-low"]
    report, tensor, image, verdict = lines
    assert [row["line"] for row in lines[:3]] == ["report", "ours, tensor", "ours, image"]
    assert report[cells.PGD] == printed_["resnet18-svhn-pretrained-kwta-low", cells.PGD].value.value
    (seed,) = read_json(cpu / f"reports/metrics/attack/{tensor['cell']}.json")["attacks"][cells.PGD]["per_seed"]
    assert image[cells.PGD] == seed["correct"][0] / seed["n"]
    assert verdict[cells.PGD] == "did not hold"  # the report has 0 %
    data = drawn(cpu, "steps")["steps"].data
    assert data.loc[data["table"] == "8a", "reported"].isna().all()


def test_one_more_jpeg_is_a_paired_difference(cpu, claims):
    rows = made(cpu, claims)["kwta-reencoded"].rows
    assert {row["cell"].split("-")[1] for row in rows} == {"cifar10"}
    row = next(row for row in rows if row["cell"] == "resnet18-cifar10-scratch-kwta")
    (seed,) = read_json(cpu / f"reports/metrics/attack/{row['cell']}.json")["reencoded"]["per_seed"]
    counts = seed["clean"]
    lost, won = counts["before"] - counts["both"], counts["after"] - counts["both"]
    assert row["clean_change"] == pytest.approx((won - lost) / counts["n"])
    table = Counts(counts["both"], won, lost, counts["n"] - counts["both"] - won - lost)
    after, before = (Accuracy((counts[when],), counts["n"]) for when in ("after", "before"))
    expected = difference(after, before, tables=[table])
    assert (row["clean_change_low"], row["clean_change_high"]) == pytest.approx((expected.low, expected.high))


def test_ablations_are_filled_from_metrics(cpu, claims):
    rows = {row["name"]: row for row in made(cpu, claims)["kwta-ablations"].rows}
    assert set(rows) == set(project()["kwta_ablations"])
    assert rows["collapse-relu"]["collapsed"] == "5 of 5"
    assert rows["collapse-relu-slower"]["collapsed"] == "0 of 1"


# --- page ---


def test_headline_and_conclusions_follow_the_metrics(cpu, tmp_path):
    plain, small_steps = text(render(cpu).html), "PGD is weak, because its steps are short: with"
    assert small_steps in plain
    attacks = read_json(cpu / "reports/metrics/attack/resnet18-svhn-scratch-relu.json")["attacks"]
    seeds = [attacks[f"{name}-resized"]["per_seed"][0] for name in (cells.PGD, cells.ORIGINAL_STEP)]
    report, original = (share(seed["correct"][0] / seed["n"]) for seed in seeds)
    assert f"ResNet18 on SVHN goes from {report} to {original} with ReLU" in plain
    flat = copied(cpu, tmp_path / "flat")
    for row in ("kwta", "kwta-low"):
        edit(flat, f"train/alexnet-svhn-scratch-{row}", lambda content: content["per_seed"][0].update(collapsed=True))
    said = "AlexNet on SVHN: ReLU collapsed or diverged, k-WTA-0.2 collapsed or diverged and"
    assert said in text(render(flat).html)
    assert said not in plain
    assert small_steps not in text(render(write_checkout(tmp_path / "small", study="kwta", scale="tiny")).html)


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """Three seeds, and ImageNet weights: with them all tables."""
    return write_checkout(
        tmp_path_factory.mktemp("paper"), study="kwta", scale="paper", pretrained=True, seeds=(0, 1, 2)
    )


def test_several_seeds_and_imagenet_weights_are_drawn(paper):
    figures = drawn(paper)
    assert list(figures) == [figure.id for figure in FIGURES]
    assert "interval over 3 seeds and 1\u202f280 test images" in figures["steps"].caption
    assert set(figures["steps"].data["table"]) == {*range(1, 9), "7a", "8a", "fast"}
    assert "not drawn" not in figures["steps"].caption


def test_the_pattern_figure_is_drawn_from_the_metrics(cpu):
    data = pd.read_csv(cpu / "reports/figures/kwta/current/patterns.csv")
    cell = "resnet18-svhn-scratch-kwta-low"
    (seed,) = read_json(cpu / f"reports/metrics/attack/{cell}.json")["patterns"]["per_seed"]
    (replaced,) = data[(data["cell"] == cell) & data["trained"]]["replaced"]
    assert replaced == pytest.approx(100 * seed["gradient"]["changed"][1])


def test_a_row_that_was_taken_out_leaves_the_report_whole(cpu, tmp_path, claims):
    content = yaml.safe_load((cpu / "params.yaml").read_text())
    for start in ("scratch", "pretrained", "transferred"):
        del content["kwta_runs"][f"{start}-kwta-low"]
    root = copied(cpu, tmp_path)
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    rows = made(root, claims)["kwta-table-1"].rows
    assert {row["activation"] for row in rows} == {"ReLU", "k-WTA-0.2"}
    study = kwta(read_params(root / "params.yaml"))
    assert len(study.networks) == 22
    assert kwta({}).networks == ()


# --- claims ---


def test_reported_shares_are_whole_numbers_of_images(claims):
    numbers = {key: number.value for key, number in printed(claims).items()}
    attacked = [value for (_, measure), value in numbers.items() if measure != cells.CLEAN]
    assert len(numbers) == 72 + 18  # those of tables 7 and 8 are also asked of their analogues
    assert {value.n for value in attacked} == {1280}
    study = kwta(read_params(ROOT / "params.yaml"))
    found = [
        round(numbers[cell, measure].value * 1280)
        for place in study.places
        if place.number
        for cell in place.rows
        for measure in (cells.PGD, cells.DEEPFOOL)
    ]
    assert found == [int(count) for count in re.findall(r"\d+", SURVIVORS)]
    assert all(value.low <= value.value <= value.high for value in numbers.values())


def test_with_weights_all_tables_are_judged(paper):
    items = by_claim(paper)
    assert not [name for name, item in items.items() if item.verdict == rules.NOT_RUN]
    # At the report's own sizes only the data are left to name.
    assert items["K8"].note == "cifar10: re-encoded data"
    equally_fast = [part for part in items["K14"].parts if part.label.startswith("tables 6 and 8")]
    assert {part.verdict for part in equally_fast} == {rules.NOT_REPRODUCED}


def test_analogues_are_judged_and_only_from_weights_that_learned(cpu, tmp_path):
    items = by_claim(cpu)
    alike = {part.label: part for part in items["K13a"].parts}
    words = "ResNet18, CIFAR-10, from weights of SVHN, and random ones alike: ReLU, clean"
    assert len(alike) == 18
    assert (alike[words].verdict, alike[words].difference) == (rules.REPRODUCED, 0)
    assert items["K14a"].verdict == rules.REPRODUCED
    assert {part.difference for part in items["K14a"].parts} == {3}
    assert len(items["K7a"].parts) == len(items["K8a"].parts) == 9
    root = copied(cpu, tmp_path)
    edit(root, "train/resnet18-svhn-scratch-relu", lambda content: content["per_seed"][0].update(correct=1000))
    poor = by_claim(root)
    assert {part.verdict for part in poor["K8a"].parts} == {rules.INCONCLUSIVE}
    assert "resnet18-svhn-scratch-relu is under-trained" in poor["K8a"].parts[0].reason
    assert poor["K7a"].verdict == items["K7a"].verdict


def test_an_accuracy_that_was_never_reached_is_a_bound(paper, tmp_path):
    root = copied(paper, tmp_path)

    def part(**epochs):
        """The comparison when the training from each start took so many."""
        for start, epoch in epochs.items():
            name = f"train/resnet18-cifar10-{start}-kwta-low"
            edit(root, name, lambda content: [seed["epochs_to"].update({"0.8": epoch}) for seed in content["per_seed"]])  # noqa: B023
        label = "tables 6 and 8: k-WTA-0.1, epochs to 0.8, random minus ImageNet weights"
        return next(part for part in by_claim(root)["K14"].parts if part.label == label)

    assert part(scratch=None).verdict == rules.REPRODUCED  # 81 epochs or more
    assert "neither of the two trainings" in part(pretrained=None).reason
    bound = part(scratch=40)  # against 11 epochs or more
    assert (bound.verdict, bound.difference) == (rules.INCONCLUSIVE, 29)
    assert part(scratch=2).verdict == rules.NOT_REPRODUCED


@pytest.mark.parametrize(
    ("growth", "low", "high", "verdict"),
    [
        (1.1, 1.05, 1.117, rules.REPRODUCED),
        (1.12, 1.1, 1.13, rules.INCONCLUSIVE),
        (1.2, 1.12, 1.3, rules.NOT_REPRODUCED),
    ],
)
def test_a_time_that_grows_like_a_sort_is_not_in_proportion(cpu, tmp_path, growth, low, high, verdict):
    root = copied(cpu, tmp_path)
    measured = {"growth": growth, "growth_low": low, "growth_high": high}
    edit(root, "timing/kwta", lambda content: content["per_seed"][0].update(measured))
    ours, *controls = by_claim(root)["K15"].parts
    assert (ours.verdict, ours.provisional) == (verdict, False)
    # A sort has to come out above the border, a pass below.
    assert {(part.verdict, part.counts) for part in controls} == {(rules.REPRODUCED, False)}
