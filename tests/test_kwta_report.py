"""The k-WTA study's part of the report: tables, figures, headline and claims from made-up metrics."""

import re

import pandas as pd
import pytest
import report_checkout
import yaml
from edits import project
from report_checkout import ROOT, copied, edit, write_checkout

from biorobust.core.files import read_json
from biorobust.kwta.report import study as cells
from biorobust.kwta.report.figures import FIGURES
from biorobust.kwta.report.headline import conclusions, headline
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
from biorobust.statistics import Accuracy, Counts, difference, rules

# Images of 1,280 that survive PGD and DeepFool in the authors' logs, row by row of Tables 1 to 8.
SURVIVORS = """242 257 567 25 452 5 | 796 0 813 0 789 1 | 136 0 115 0 456 32 | 49 0 105 0 301 141
    737 0 877 178 889 316 | 323 0 865 136 872 335 | 10 0 0 0 0 176 | 49 0 2 136 39 322"""


alone = report_checkout.alone("kwta")


@pytest.fixture(scope="module")
def cpu(finished):
    """The study at the size its claims need; not to be changed."""
    return finished("kwta", scale="cpu")


@pytest.fixture(scope="module")
def claims(cpu):
    return claim_file.load(cpu / "reports/claims")


@pytest.fixture(scope="module")
def tabled(cpu, claims):
    return made(cpu, claims)


def read(root):
    return Measurements(root / "reports/metrics"), kwta(read_params(root / "params.yaml"))


def made(root, claims):
    m, study = read(root)
    return {table.id: table for table in tables(m, study, judge(claims, m))}


def steps(root):
    """The figure of PGD's steps."""
    reports = root / "reports"
    given = inputs("kwta", metrics=[reports / "metrics"], params=root / "params.yaml", claims=reports / "claims")
    return draw(FIGURES[0], given)


def judged(root, claims, *names):
    """Those of these names."""
    found = judge([claim for claim in claims if claim.id in names], Measurements(root / "reports/metrics"))
    return {item.claim.id: item for item in found if item.counted}


def test_tables_that_ran_have_every_cell_and_the_others_are_left_out(cpu, tabled):
    places = [name.removeprefix("kwta-table-") for name in tabled if "table" in name]
    assert places == ["1", "2", "5", "6", "7a", "8a", "fast"]
    rows = {(row["activation"], row["line"]): row for row in tabled["kwta-table-6"].rows}
    assert [name for name, line in rows if line == "report"] == ["ReLU", "k-WTA-0.2", "k-WTA-0.1"]
    content = read_json(cpu / "reports/metrics/attack/resnet18-cifar10-scratch-kwta.json")
    for measure in (name for name in cells.MEASURES if name != cells.CLEAN):
        for line, suffix, worst in (("ours, tensor", "-resized", ""), ("ours, image", "", "-image")):
            name = f"{measure}{worst if measure == 'worst-case' else suffix}"
            (seed,) = content["attacks"][name]["per_seed"]
            assert rows["k-WTA-0.2", line][measure] == seed["correct"][0] / seed["n"]
    assert rows["ReLU", "verdict"][cells.DEEPFOOL] == "reproduced"
    assert "verdict: seed 0 collapsed" in [row["line"] for row in tabled["kwta-table-1"].rows]
    limits = "What limits the verdicts: cifar10: re-encoded data, not the report's width"
    assert limits in tabled["kwta-table-6"].caption
    ablations = {row["name"]: row["collapsed"] for row in tabled["kwta-ablations"].rows}
    assert set(ablations) == set(project()["kwta_ablations"])
    assert (ablations["collapse-relu"], ablations["collapse-relu-slower"]) == ("5 of 5", "0 of 1")


def test_another_gamma_stands_beside_no_other_column(tmp_path, claims):
    root = write_checkout(tmp_path, study="kwta", scale="cpu", kwta=0.1)  # that of another row
    rows = [row for row in made(root, claims)["kwta-table-6"].rows if str(row["cell"]).endswith("scratch-kwta")]
    assert {row["activation"] for row in rows} == {"k-WTA-0.1"}
    report, verdict = rows[0], rows[-1]
    assert verdict[cells.CLEAN] == verdict[cells.PGD] == verdict[cells.DEEPFOOL] == "not compared"
    assert report[cells.CLEAN] is None
    assert verdict["line"] == "verdict: the claim is about the row k-WTA-0.2"
    items = judged(root, claims, "K6", "K18")
    wrong = [part for part in items["K6"].parts if part.label.startswith("k-WTA-0.2")]
    assert {part.verdict for part in wrong} == {rules.NOT_RUN}
    assert all("gamma is 0.1, the claim needs 0.2" in part.reason for part in wrong)
    assert items["K18"].verdict == rules.REPRODUCED  # the ReLU rows are as they were
    data = steps(root).data
    assert data.loc[data["cell"].str.endswith("scratch-kwta"), "reported"].isna().all()


def test_networks_from_other_weights_stand_beside_the_table_they_are_like(cpu, claims, tabled):
    table = tabled["kwta-table-7a"]
    assert table.title.startswith("ResNet18 on SVHN, from weights of CIFAR-10")
    report, *_, verdict = (row for row in table.rows if row["cell"] == "resnet18-svhn-transferred-kwta-low")
    assert report[cells.PGD] == printed(claims)["resnet18-svhn-pretrained-kwta-low", cells.PGD].value.value
    assert verdict[cells.PGD] == "did not hold"  # the report has 0 %
    data = pd.read_csv(cpu / "reports/figures/kwta/current/steps.csv")
    assert data.loc[data["table"] == "8a", "reported"].isna().all()


def test_one_more_jpeg_is_a_paired_difference(cpu, tabled):
    rows = tabled["kwta-reencoded"].rows
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


def test_headline_and_conclusions_follow_the_metrics(cpu, claims, tmp_path):
    def said(root):
        m, study = read(root)
        items = judge(claims, m)
        return [" ".join(headline(items, m, study).facts), " ".join(conclusions(items, m, study))]

    answer, follows = said(cpu)
    attacks = read_json(cpu / "reports/metrics/attack/resnet18-svhn-scratch-relu.json")["attacks"]
    seeds = [attacks[f"{name}-resized"]["per_seed"][0] for name in (cells.PGD, cells.ORIGINAL_STEP)]
    report, original = (share(seed["correct"][0] / seed["n"]) for seed in seeds)
    assert f"ResNet18 on SVHN goes from {report} to {original} with ReLU" in answer
    flat = copied(cpu, tmp_path / "flat")
    for row in ("kwta", "kwta-low"):
        edit(flat, f"train/alexnet-svhn-scratch-{row}", lambda content: content["per_seed"][0].update(collapsed=True))
    collapsed = "AlexNet on SVHN: ReLU collapsed or diverged, k-WTA-0.2 collapsed or diverged and"
    assert collapsed in said(flat)[1]
    assert collapsed not in follows


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """Three seeds, and ImageNet weights: with them all tables."""
    return write_checkout(
        tmp_path_factory.mktemp("paper"), study="kwta", scale="paper", pretrained=True, seeds=(0, 1, 2)
    )


def test_a_row_that_was_taken_out_leaves_the_report_whole(cpu, tmp_path, claims):
    content = yaml.safe_load((cpu / "params.yaml").read_text())
    for start in ("scratch", "pretrained", "transferred"):
        del content["kwta_runs"][f"{start}-kwta-low"]
    root = copied(cpu, tmp_path)
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    rows = made(root, claims)["kwta-table-1"].rows
    assert {row["activation"] for row in rows} == {"ReLU", "k-WTA-0.2"}
    assert kwta({}).networks == ()


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


def test_with_weights_all_tables_are_judged(paper, claims):
    items = judged(paper, claims, *(claim.id for claim in claims))
    assert rules.NOT_RUN not in {item.verdict for item in items.values()}
    # At the report's own sizes only the data are left to name.
    assert items["K8"].note == "cifar10: re-encoded data"
    equally_fast = [part for part in items["K14"].parts if part.label.startswith("tables 6 and 8")]
    assert {part.verdict for part in equally_fast} == {rules.NOT_REPRODUCED}
    assert set(steps(paper).data["table"]) == {*range(1, 9), "7a", "8a", "fast"}


def test_analogues_are_judged_and_only_from_weights_that_learned(cpu, claims, tmp_path):
    items = judged(cpu, claims, "K7a", "K14a")
    assert {(part.verdict, part.difference) for part in items["K14a"].parts} == {(rules.REPRODUCED, 3)}
    root = copied(cpu, tmp_path)
    edit(root, "train/resnet18-svhn-scratch-relu", lambda content: content["per_seed"][0].update(correct=1000))
    poor = judged(root, claims, "K7a", "K8a")
    assert {part.verdict for part in poor["K8a"].parts} == {rules.INCONCLUSIVE}
    assert "resnet18-svhn-scratch-relu is under-trained" in poor["K8a"].parts[0].reason
    assert poor["K7a"].verdict == items["K7a"].verdict


def test_an_accuracy_that_was_never_reached_is_a_bound(paper, claims, tmp_path):
    root = copied(paper, tmp_path)

    def part(**epochs):
        """The comparison when the training from each start took so many."""
        for start, epoch in epochs.items():
            name = f"train/resnet18-cifar10-{start}-kwta-low"
            edit(root, name, lambda content: [seed["epochs_to"].update({"0.8": epoch}) for seed in content["per_seed"]])  # noqa: B023
        label = "tables 6 and 8: k-WTA-0.1, epochs to 0.8, random minus ImageNet weights"
        return next(part for part in judged(root, claims, "K14")["K14"].parts if part.label == label)

    assert part(scratch=None).verdict == rules.REPRODUCED  # 81 epochs or more
    assert "neither of the two trainings" in part(pretrained=None).reason
    bound = part(scratch=40)  # against 11 epochs or more
    assert (bound.verdict, bound.difference) == (rules.INCONCLUSIVE, 29)
    assert part(scratch=2).verdict == rules.NOT_REPRODUCED
