"""What params.yaml may say about attacks, what the stage makes of it, and what attacks are called in the report."""

import json
from pathlib import Path
from types import SimpleNamespace

import attack_victims as victims
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from biorobust import attacks, datasets, params
from biorobust.attacks import experiment
from biorobust.core import results, runs
from biorobust.core.attack_plan import AttackPlan, AttackSize
from biorobust.core.config import build
from biorobust.core.errors import ParamsError
from stages import attack as stage

ROOT = Path(__file__).resolve().parents[1]


class OwnPlan(AttackPlan):
    """A study's own plan, with views by name."""

    VIEWS = ("first", "averaged")


def plan(*names):
    return build(OwnPlan, {"attacks": list(names), "eps": [0, 0.1]}, where="made_attack")


def test_a_study_names_its_views_and_no_others():
    assert plan("fgsm-margin", "fgsm-margin@first", "pgd-margin-best@averaged").attacks[1] == "fgsm-margin@first"
    for wrong in ("fgsm-margin@frist", "fgsm-margin@", "fgsm@first", "@first", "fgsm-margin@first@first"):
        with pytest.raises(ParamsError, match=r"made_attack\.attacks = .* each may end in @first, @averaged"):
            plan(wrong)
    with pytest.raises(ParamsError, match="without repeats"):
        plan("fgsm-margin@first", "fgsm-margin@first")
    with pytest.raises(ParamsError, match=r"attacks = .*of fgsm-report"):
        build(AttackPlan, {"attacks": ["fgsm-margin@first"], "eps": [0]}, where="plain_attack")


def test_every_run_list_has_an_attack_stage_in_the_graph():
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    settings = params.load(ROOT / "params.yaml")
    for study, module in params.STUDIES.items():
        for group in module.NETWORKS:
            for name in settings.runs[group]:
                assert stage.study_of(name, settings=settings) == (study, group)
            body = graph[stage.stage_of(group, study=study)]
            assert body["foreach"] == "${" + group + "}"
            assert "python -m stages.attack ${key}" in body["do"]["cmd"]  # one command, or a list of them


def test_the_stage_attacks_every_seed_and_keeps_records_and_pictures(tmp_path, monkeypatch):
    """A made study with a noisy model, a view of its own and a targeted attack."""
    monkeypatch.chdir(tmp_path)
    model, images, labels = victims.conv()
    noisy, as_bytes = victims.noisy(model, 0.01), (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
    both = {"images": as_bytes, "labels": labels.numpy()}
    splits = {f"{split}_{key}": of for split in ("train", "test") for key, of in both.items()}
    lists = {"evaluation": np.arange(24)[::-1].copy(), "tuning": np.arange(3)}
    monkeypatch.setattr(datasets, "load", lambda path: SimpleNamespace(**splits, **lists, n_classes=5))
    monkeypatch.setattr(runs, "seeds", lambda name: [0, 7])
    monkeypatch.setattr(runs, "load", lambda name, *, seed, device: noisy.to(device))
    monkeypatch.setattr(runs, "attack_views", lambda name, model: {"averaged": attacks.averaged(model, 3)})
    monkeypatch.setattr(results, "dataset_entry", lambda name: {"name": name})
    names = ("fgsm-margin@averaged", "pgd-targeted")
    asked = {"plan": plan(*names), "size": AttackSize(n_images=10)}
    experiment.attack("made", study="made", dataset_name="cifar10", scale="tiny", **asked)
    found = json.loads(Path("reports/metrics/attack/made.json").read_text())
    assert (found["eps"], found["settings"]) == ([0.0, 0.1], {"n_images": 10, "attacks": list(names)})
    assert list(found["attacks"]) == [*names, "worst-case"]
    assert len(found["attacks"]["pgd-targeted"]["per_seed"][1]["reached"]) == 2
    table = pd.read_parquet("data/attacks/made/made.parquet")
    assert len(table) == 2 * 2 * 2 * 10
    assert (set(table["index"]), set(table["seed"])) == (set(range(14, 24)), {0, 7})
    for kind, name in zip(("adversarial", "targeted"), names, strict=True):
        pictures = np.load(f"reports/metrics/pictures/{kind}-made.npz")
        assert pictures["images"].shape == (2, 6, 8, 8, 3)
        assert str(pictures["attack"]) == name
    assert torch.is_grad_enabled()
