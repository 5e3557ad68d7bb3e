"""The VOneNet study's part of the report: claims, tables, figures, section and headline from made-up metrics."""

from types import SimpleNamespace

import pandas as pd
import pytest
import report_checkout
import yaml
from report_checkout import ROOT, copied, edit, text, verdicts

from biorobust.reporting import claim_file
from biorobust.reporting.figure import Inputs, draw, read_index
from biorobust.reporting.headline import JUDGED
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.registry import read_params
from biorobust.reporting.render import render
from biorobust.reporting.words import paragraphs
from biorobust.statistics import rules
from biorobust.vonenet.report.figures import FIGURES
from biorobust.vonenet.report.headline import CLAIMS, conclusions
from biorobust.vonenet.report.study import vonenet
from biorobust.vonenet.report.tables import tables

alone = report_checkout.alone("vonenet")


@pytest.fixture(scope="module")
def cpu(finished):
    """The study at the size its claims need, drawn and tabulated; not to be changed."""
    return finished("vonenet", scale="cpu")


@pytest.fixture(scope="module")
def claims(cpu):
    return claim_file.load(cpu / "reports/claims")


def test_verdicts_follow_the_numbers(cpu, tmp_path):
    said = verdicts(cpu)
    # Lower with frozen noise, higher with live: V1a and V2a need both. V5a: alike, not less so for perturbed images.
    wanted = dict.fromkeys(("V1a", "V2a", "V3a"), rules.NOT_REPRODUCED) | {"V5a": rules.PARTLY}
    assert wanted.items() <= said.items()
    assert said["V4a"] == said["V6a"] == rules.REPRODUCED
    root = copied(cpu, tmp_path)
    for run in ("resnet50", "voneresnet50"):
        zeros = {"zero_share": 1.0, "zero_share_low": 1.0, "zero_share_high": 1.0}
        edit(root, f"activations/{run}", lambda content, zeros=zeros: content["per_seed"][0].update(zeros))
    lower = {"lower_own_live": 1.0, "lower_transferred_live": 0.95}
    edit(root, "deviations/voneresnet50", lambda content: content["per_seed"][0].update(lower))
    said = verdicts(root)
    assert said["V3a"] == said["V2a"] == rules.REPRODUCED


def test_headline_follows_the_attacks_that_adapt_and_without_them_the_zeros(cpu, tmp_path):
    said = verdicts(cpu)["V8a"]
    assert said in (rules.REPRODUCED, rules.NOT_REPRODUCED)
    defends = "the noise of the V1 stage " + ("defends" if said == rules.REPRODUCED else "does not defend")
    plain = text(render(cpu).html)
    assert defends in plain
    assert "15 explanations of the report" in plain
    root = copied(cpu, tmp_path / "copy")
    for file in (root / "reports/metrics").rglob("*-adaptive.json"):
        file.unlink()
    plain = text(render(root).html)
    assert defends not in plain
    assert "zero at none of the layers at which the report found zeros" in plain


@pytest.mark.parametrize("verdict", JUDGED)
@pytest.mark.parametrize("claim", CLAIMS)
def test_every_verdict_has_its_own_lead(claim, verdict, tmp_path):
    known = SimpleNamespace(claim=SimpleNamespace(id=claim))
    given = {"verdict": verdict, "claim": known, "adapted": None, "kept": None, "first": lambda name: None}
    given |= {"level": 0.7, "hypotheses": {}, "excluded": "excluded"}
    lead = paragraphs("vonenet", "headline", Measurements(tmp_path), **given)[0]
    assert ("noise of the V1 stage" in lead) == (claim == "V8a")


def test_noise_decides_only_where_it_turns_the_comparison(cpu, tmp_path):
    study, root = vonenet(read_params(ROOT / "params.yaml")), copied(cpu, tmp_path)
    said = "which network deviates less is a question of the noise"
    assert any(said in sentence for sentence in conclusions((), Measurements(root / "reports/metrics"), study))
    edit(root, "deviations/voneresnet50", lambda content: content["per_seed"][0].update(log_ratio_own_frozen=0.2))
    assert not any(said in sentence for sentence in conclusions((), Measurements(root / "reports/metrics"), study))


def test_curves_are_drawn_from_the_rows_they_name(cpu):
    data = pd.read_csv(cpu / "reports/figures/vonenet/current/deviations.csv")
    drawn = data[(data["run"] == "resnet50") & (data["panel"] == "No noise")]["value"].tolist()
    table = pd.read_csv(cpu / "reports/metrics/activations/resnet50.csv")
    own = table[(table["noise"] == "none") & (table["shown"] == "own") & (table["kind"] == "conv")]["raw"].tolist()
    assert drawn == pytest.approx(own, rel=1e-4)
    entry = read_index(cpu / "reports/figures/vonenet/current")[0]
    assert all(f"{own[layer]:.1e} at {layer}" in entry["caption"] for layer in (4, 12, 25, 44))


def test_a_run_that_was_taken_out_leaves_the_report_whole(cpu, tmp_path):
    content = yaml.safe_load((cpu / "params.yaml").read_text())
    del content["vonenet_runs"]["voneresnet50"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    study = vonenet(read_params(tmp_path / "params.yaml"))
    assert study.baselines == {
        "voneresnet50-noiseless": "resnet50",
        "voneresnet50-untrained": "resnet50-untrained",
        "imagenet-voneresnet50": "imagenet-resnet50",
    }
    given = Inputs(Measurements(tmp_path / "nothing"), study, ())
    assert all(table.id.startswith("vonenet-") for table in tables(given.m, study, ()))
    assert [item.id for item in FIGURES if draw(item, given)] == []


def test_the_graph_names_the_runs_of_params():
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    runs = read_params(ROOT / "params.yaml")["vonenet_runs"]
    checkpoints = {f"data/checkpoints/{run}" for run in (*runs, "imagenet")}
    for stage in ("perturb_vonenet", "activations_vonenet"):
        assert {dep for dep in graph[stage]["deps"] if dep.startswith("data/checkpoints/")} == checkpoints
