"""The claims as they stand, and verdicts on metrics whose answer is known."""

import shutil

import pytest
from fake_hebbian import write_metrics
from made_up import ROOT
from report_checkout import claims_of, edit

from biorobust.reporting.claim_file import load
from biorobust.reporting.claims import judge
from biorobust.reporting.measurements import Measurements

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


def test_the_example_of_the_documentation_can_be_judged(tmp_path, paper):
    text = (ROOT / "docs" / "add-a-claim.md").read_text()
    example = text.split("```yaml\n")[1].split("```")[0].split("claims:\n")[1]
    claims_of("hebbian", root=tmp_path)
    path = tmp_path / "reports/claims/hebbian.yaml"
    path.write_text(path.read_text() + example)
    (judged,) = judge([claim for claim in load(path.parent) if claim.id == "H10"], Measurements(paper))
    assert [part.label for part in judged.parts] == ["accuracy at eps 0.1", "accuracy at eps 0.2"]
    assert judged.verdict == "not reproduced"


def test_the_distance_of_two_curves_is_that_where_they_are_farthest_apart(claims, paper):
    (part,) = [
        part
        for entry in judge(claims, Measurements(paper))
        for part in entry.parts
        if part.label == "U[0,1), largest distance from the published curve"
    ]
    assert part.measured == pytest.approx(0.7773 - 0.3214)  # at eps 0.1, of the made-up curve and the printed one
    assert part.low < part.measured < part.high


def test_stand_in_data_is_not_testable_and_other_limits_are_named(claims, tmp_path):
    write_metrics(tmp_path / "bundled", scale="tiny", fidelity="stand-in", seeds=(0,))
    found = verdicts(claims, tmp_path / "bundled")
    assert "stand-in data" in {entry.reason for entry in found.values()}
    assert {entry.verdict for entry in found.values()} == {"not testable"}
    write_metrics(tmp_path / "mirror", fidelity="re-encoded")
    found = verdicts(claims, tmp_path / "mirror")
    assert found["H1", "published-curve"].verdict == "reproduced"
    assert {entry.note for entry in found.values()} == {"mnist: re-encoded data"}


def test_a_missing_epsilon_or_value_is_not_run(claims, paper, tmp_path):
    metrics = shutil.copytree(paper, tmp_path / "reports/metrics")
    edit(tmp_path, "attack/simple-conv", lambda run: run["eps"].__setitem__(1, 0.06))
    edit(tmp_path, "train/end-to-end", lambda run: run["per_seed"][0].update(autocorrelation=None))
    found = verdicts(claims, metrics)
    assert found["H4", None].parts[1].reason == "attack/simple-conv.json has no accuracy under fgsm-report at eps 0.05"
    assert found["H4", None].verdict == "inconclusive"
    assert "autocorrelation" in found["H3", None].reason
