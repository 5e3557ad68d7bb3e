"""The claims as they stand, and verdicts on metrics whose answer is known."""

import dataclasses
import json

import pytest
from fake_metrics import write_metrics
from made_up import ROOT
from report_checkout import claims_of

from biorobust.core.errors import BiorobustError
from biorobust.reporting.claim_file import load
from biorobust.reporting.claims import judge
from biorobust.reporting.measurements import Measurements
from biorobust.statistics import interval
from biorobust.statistics.accuracy import Accuracy
from biorobust.statistics.rules import tally

CLAIMS = ROOT / "reports" / "claims"


@pytest.fixture(scope="module")
def claims():
    return [claim for claim in load(CLAIMS) if claim.study == "hebbian"]


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    root = tmp_path_factory.mktemp("paper")
    write_metrics(root)
    return root


def verdicts(claims, root):
    judged = judge(claims, Measurements(root))
    return {(entry.claim.id, entry.reading.name if entry.reading else None): entry for entry in judged}


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


# --- the file itself ---


def test_the_example_of_the_documentation_can_be_judged(tmp_path, paper):
    text = (ROOT / "docs" / "add-a-claim.md").read_text()
    example = text.split("```yaml\n")[1].split("```")[0]
    claims_of("hebbian", root=tmp_path)
    path = tmp_path / "reports/claims/hebbian.yaml"
    path.write_text(path.read_text() + example)
    (judged,) = judge([claim for claim in load(path.parent) if claim.id == "H10"], Measurements(paper))
    assert [part.label for part in judged.parts] == ["accuracy at eps 0.1", "accuracy at eps 0.2"]
    assert judged.verdict == "not reproduced"


# --- verdicts ---


def test_metrics_near_the_expected_ones(claims, paper):
    found = verdicts(claims, paper)
    assert found["H1", "published-curve"].verdict == "reproduced"
    assert found["H4", None].verdict == "reproduced"
    assert found["H5", "published-curve"].verdict == "partly"
    assert found["H8", None].parts[0].verdict == "reproduced"
    assert [key for key, entry in found.items() if not entry.counted] == [
        (f"H{i}", "published-code") for i in (1, 2, 5, 6, 7)
    ]
    counted = tally((entry.verdict, entry.provisional) for entry in found.values() if entry.counted)
    assert (counted.n, sum(counted.provisional.values())) == (len(claims), 0)


def test_parts_carry_what_a_table_needs(claims, paper):
    found = verdicts(claims, paper)
    number = found["H5", "published-curve"].parts[1]
    assert (number.label, number.eps, number.reported) == ("eps 0.05", 0.05, 0.7178)
    assert number.measured == pytest.approx(0.698)
    assert number.difference == pytest.approx(0.698 - 0.7178)
    assert (number.n_images, number.n_seeds, number.interval) == (10_000, 3, "images and seeds")
    counts = tuple(round(10_000 * (0.698 + shift)) for shift in (-0.002, 0, 0.002))
    of_counts = interval(Accuracy(counts, 10_000))
    assert of_counts.low <= number.low < number.measured < number.high <= of_counts.high
    assert number.path == "attack/report-normal.json"
    order = found["H7", "published-code"].parts[1]
    assert order.difference == pytest.approx(order.measured - order.against)
    assert order.low < order.difference < order.high
    assert (order.own_numbers, order.interval, order.path) == (
        "supports itself",
        "images and seeds",
        "attack/report-uniform.json",
    )
    assert order.p < 0.05
    ratio = found["H2", "published-curve"].parts[0].ratio
    assert ratio[0] == pytest.approx((1 - 0.9689) / (1 - 0.9790))


def test_the_distance_of_two_curves_is_that_where_they_are_farthest_apart(claims, paper):
    (part,) = [
        part
        for entry in judge(claims, Measurements(paper))
        for part in entry.parts
        if part.label == "U[0,1), largest distance from the published curve"
    ]
    assert part.measured == pytest.approx(0.7773 - 0.3214)  # at eps 0.1, of the made-up curve and the printed one
    assert part.low < part.measured < part.high


def test_a_weaker_network_loses_its_verdicts(claims, tmp_path):
    write_metrics(tmp_path, shift=-0.2)
    found = verdicts(claims, tmp_path)
    assert {part.reason for part in found["H1", "published-code"].parts} == {
        "seed 0 of train/report-uniform is under-trained"
    }
    assert found["H2", "published-code"].verdict == "inconclusive"
    assert found["H4", None].verdict == "reproduced"  # the convolutional network is as before
    assert found["H5", "published-curve"].verdict == "inconclusive"


def test_a_run_of_another_size_is_not_run_but_shown(claims, tmp_path):
    write_metrics(tmp_path, scale="laptop", seeds=(0,))
    found = verdicts(claims, tmp_path)
    assert {entry.verdict for entry in found.values()} == {"not run"}
    entry = found["H1", "published-code"]
    assert ", the claim needs " in entry.reason
    assert "(pretrain/uniform)" in entry.reason
    assert entry.parts[0].measured == pytest.approx(0.9677)
    assert (entry.parts[0].interval, entry.provisional) == ("images", False)


def test_stand_in_data_is_not_testable_and_other_limits_are_named(claims, tmp_path):
    write_metrics(tmp_path / "bundled", scale="tiny", fidelity="stand-in", seeds=(0,))
    found = verdicts(claims, tmp_path / "bundled")
    assert "stand-in data" in {entry.reason for entry in found.values()}
    assert {entry.verdict for entry in found.values()} == {"not testable"}
    write_metrics(tmp_path / "mirror", fidelity="re-encoded")
    found = verdicts(claims, tmp_path / "mirror")
    assert found["H1", "published-curve"].verdict == "reproduced"
    assert {entry.note for entry in found.values()} == {"mnist: re-encoded data"}


def test_leftovers_are_never_read(claims, paper, tmp_path):
    write_metrics(tmp_path)
    (tmp_path / "train" / "removed-run.json").write_text("not JSON")
    assert judge(claims, Measurements(tmp_path)) == judge(claims, Measurements(paper))


@pytest.fixture
def editable(tmp_path):
    write_metrics(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "key", "value", "touched"),
    [
        ("pretrain/uniform", "init", "normal", {("H3", None), ("H5", "published-code"), ("H8", None)}),
        ("pretrain/normal", "init", "uniform", {("H3", None), ("H5", "published-curve"), ("H8", None)}),
        ("train/report-normal", "units", "converged", {("H5", "published-curve"), ("H8", None)}),
        ("train/normal-converged", "units", "all", {("H8", None)}),
    ],
)
def test_another_start_or_other_units_are_another_run(claims, editable, file, key, value, touched):
    before = verdicts(claims, editable)
    edit(editable / f"{file}.json", lambda run: run["settings"].update({key: value}))
    after = verdicts(claims, editable)
    changed = {name for name in before if before[name].parts != after[name].parts}
    assert touched <= changed
    assert all(any(f"{key} is {value}" in part.reason for part in after[name].parts) for name in touched)
    assert ("H4", None) not in changed


def test_a_recipe_may_ask_for_a_size_or_more(claims, paper):
    h4 = next(claim for claim in claims if claim.id == "H4")

    def asking(epochs):
        wanted = (("train/simple-conv", {"epochs": {"at_least": epochs}}),)
        checks = tuple(dataclasses.replace(check, requires=wanted) for check in h4.checks)
        return judge([dataclasses.replace(h4, checks=checks)], Measurements(paper))[0]

    assert [asking(epochs).verdict for epochs in (1, 100, 101)] == ["reproduced", "reproduced", "not run"]
    assert asking(101).reason == "epochs is 100, the claim needs at least 101 (train/simple-conv)"


def test_a_missing_epsilon_or_value_is_not_run(claims, editable):
    edit(editable / "attack/simple-conv.json", lambda run: run["eps"].__setitem__(1, 0.06))
    edit(editable / "train/end-to-end.json", lambda run: run["per_seed"][0].update(autocorrelation=None))
    found = verdicts(claims, editable)
    assert found["H4", None].parts[1].reason == "attack/simple-conv.json has no eps 0.05"
    assert found["H4", None].verdict == "inconclusive"
    assert "autocorrelation" in found["H3", None].reason


def test_damaged_metrics_are_one_clear_line(claims, editable):
    (editable / "outcomes/hebbian.npz").write_text("a,b\n1,2\n")
    with pytest.raises(BiorobustError, match="holds no outcomes"):
        judge(claims, Measurements(editable))
    (editable / "outcomes/hebbian.npz").unlink()
    (editable / "compare").mkdir()
    (editable / "compare/hebbian.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BiorobustError, match="is not a table of paired counts"):
        judge(claims, Measurements(editable))
    (editable / "train/simple-conv.json").write_text("[]")
    with pytest.raises(BiorobustError, match="holds no metrics"):
        Measurements(editable).get("train/simple-conv")
