"""A study's own networks under attacks that adapt to them: what the stage writes, and what the report makes of it."""

import pytest
import torch
from edits import project
from made_up import ROOT

from biorobust import params
from biorobust.attacks import records
from biorobust.core import runs
from biorobust.core.attack_plan import Adaptive, adaptive_name
from biorobust.core.errors import ParamsError
from biorobust.hebbian.model.controls import EndToEnd
from biorobust.question.model import attacking
from biorobust.question.model.params import AttackPlan
from biorobust.reporting.estimates import accuracy
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.registry import STUDIES
from biorobust.statistics.outcomes import read_record
from stages import adapt

TWIN = "end-to-end"


def settings(scale="tiny"):
    return params.check(project(scale=scale))


@pytest.fixture
def checkout(tmp_path, monkeypatch, bundled):
    """params.yaml at scale tiny on bundled digits, and in the place of every network of the Hebbian study a note."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "params.yaml").read_text()
    text = text.replace("scale: laptop", "scale: tiny").replace("source: auto", "source: bundled")
    text = text.replace("hebbian_adaptive: {n_images: 8}", "hebbian_adaptive: {n_images: 3}")
    (tmp_path / "params.yaml").write_text(text)
    bundled("mnist", tmp_path)
    for name in settings().block("hebbian_adaptive", Adaptive).networks:
        runs.save_unavailable(name, architecture="end-to-end", reason="it was not trained")
    return tmp_path


def test_every_network_named_is_one_of_the_study_and_has_a_twin():
    checked = settings()
    plan = checked.block("question_attack", AttackPlan)
    for study in adapt.STUDIES:
        chosen, made = checked.block(f"{study}_adaptive", Adaptive), STUDIES[study](checked.values)
        assert set(chosen.networks) <= set(made.networks)
        assert chosen.dataset in made.datasets
        assert made.adapted == chosen.networks
        assert chosen.report in attacking.names(plan, study)


def test_a_network_is_attacked_image_by_image_and_the_others_say_why_not(checkout):
    torch.manual_seed(0)
    config = {"n_inputs": 784, "n_hidden": 16, "n_classes": 10}
    runs.save(TWIN, {0: EndToEnd(784, 16, 10)}, architecture="end-to-end", configs={0: config})
    adapt.main(["hebbian"])
    m = Measurements(checkout / "reports/metrics")
    chosen, plan = settings().block("hebbian_adaptive", Adaptive), settings().block("question_attack", AttackPlan)
    found = m.get(f"attack/{adaptive_name(TWIN)}")
    assert (found["status"], found["study"]) == ("ok", "hebbian")
    assert list(found["attacks"]) == [
        attacking.CURVE,
        *(name for name in attacking.names(plan, "hebbian") if name != attacking.CURVE),
        records.WORST_CASE,
    ]
    right = {attack: accuracy(m, adaptive_name(TWIN), attack=attack, eps=chosen.eps) for attack in found["attacks"]}
    assert all(right[records.WORST_CASE].value <= of_attack.value for of_attack in right.values())
    path = checkout / f"data/attacks/hebbian/adaptive-hebbian/{adaptive_name(TWIN)}.parquet"
    cells = read_record(path, adaptive_name(TWIN))
    assert {cell.attack for cell in cells} >= {*found["attacks"]}
    for name in chosen.twins:
        assert m.get(f"attack/{adaptive_name(name)}")["reason"] == "it was not trained"


def test_a_network_that_draws_noise_is_attacked_as_one(checkout, monkeypatch):
    class Noisy(EndToEnd):
        def forward(self, x):
            return super().forward(x) + torch.randn(len(x), 1)

    runs.save(TWIN, {0: EndToEnd(784, 16, 10)}, architecture="end-to-end", configs={0: {}})
    for model, noisy in ((EndToEnd(784, 16, 10), False), (Noisy(784, 16, 10), True)):
        monkeypatch.setattr(runs, "load", lambda *_, model=model, **__: model.eval().requires_grad_(False))
        chosen = settings().block("hebbian_adaptive", Adaptive)
        (victim,) = attacking.victims(
            TWIN, family="hebbian", dataset="mnist", n_images=8, eps=chosen.eps, curve=chosen.curve
        )
        assert victim.noisy == noisy


def test_an_unknown_study_is_named(checkout):
    with pytest.raises(ParamsError, match="study 'cortex': unknown; known are hebbian, cnnf, kwta, vonenet"):
        adapt.main(["cortex"])
