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
from biorobust.core.config import Count, build
from biorobust.core.errors import ParamsError
from stages import attack as stage

ROOT = Path(__file__).resolve().parents[1]


class OwnPlan(AttackPlan):
    """A study's own plan: views by name, smaller sizes on one data set, a noisy model."""

    VIEWS = ("first", "averaged")
    repeats: Count

    def grid(self, dataset):
        return self.eps if dataset == "cifar10" else tuple(value / 2 for value in self.eps)

    def options(self):
        return {"repeats": self.repeats}


class OwnSize(AttackSize):
    batch_size: Count

    def options(self):
        return {"batch_size": self.batch_size}


def plan(*names, **more):
    return build(OwnPlan, {"attacks": list(names), "eps": [0, 0.1], "repeats": 2} | more, where="made_attack")


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


def test_the_stage_follows_the_plan_of_any_study(tmp_path, monkeypatch):
    """A made study with a noisy model, sizes per data set, own minibatches and a targeted attack with pictures."""
    monkeypatch.chdir(tmp_path)
    model, images, labels = victims.conv()
    noisy = victims.frozen(victims.Noisy(model, 0.01))
    as_bytes = (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
    dataset = SimpleNamespace(
        train_images=as_bytes,
        train_labels=labels.numpy(),
        test_images=as_bytes,
        test_labels=labels.numpy(),
        evaluation=np.arange(24)[::-1].copy(),
        tuning=np.arange(3),
        n_classes=5,
    )
    monkeypatch.setattr(datasets, "load", lambda path: dataset)
    monkeypatch.setattr(runs, "seeds", lambda name: [0, 7])
    monkeypatch.setattr(runs, "load", lambda name, *, seed, device: noisy.to(device))
    monkeypatch.setattr(runs, "attack_views", lambda name, model: {"averaged": attacks.averaged(model, 3)})
    monkeypatch.setattr(results, "dataset_entry", lambda name: {"name": name})
    seen = []
    real = attacks.run
    monkeypatch.setattr(attacks, "run", lambda *args, **more: seen.append(more) or real(*args, **more))
    size = build(OwnSize, {"n_images": 10, "batch_size": 4}, where="scales.tiny.made_attack")
    names = ("fgsm-margin@averaged", "pgd-targeted")
    for dataset_name, eps in (("cifar10", [0.0, 0.1]), ("svhn", [0.0, 0.05])):
        experiment.attack(
            f"made-{dataset_name}", study="made", dataset_name=dataset_name, scale="tiny", plan=plan(*names), size=size
        )
        found = json.loads((tmp_path / f"reports/metrics/attack/made-{dataset_name}.json").read_text())
        assert found["eps"] == eps
        assert found["settings"] == {"n_images": 10, "attacks": list(names), "repeats": 2}
        assert list(found["attacks"]) == [*names, "worst-case"]
        assert len(found["attacks"]["pgd-targeted"]["per_seed"][1]["reached"]) == 2
        table = pd.read_parquet(tmp_path / f"data/attacks/made/made-{dataset_name}.parquet")
        assert len(table) == 2 * 2 * 2 * 10
        assert set(table["index"]) == set(range(14, 24))
        assert {"fooled_share", "target", "seed"} <= set(table.columns)
        for kind in ("adversarial", "targeted"):
            pictures = np.load(tmp_path / f"reports/metrics/pictures/{kind}-made-{dataset_name}.npz")
            assert pictures["images"].shape == (2, 6, 8, 8, 3)
            assert str(pictures["attack"]) == names[kind == "targeted"]
    assert all(more["repeats"] == 2 and more["batch_size"] == 4 for more in seen)
    assert torch.is_grad_enabled()
