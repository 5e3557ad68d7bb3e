"""Perturbing and reading small networks as the stages do: the analogue, and the exact analysis on made files."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from edits import project
from made_weights import official, torchvision_file

from biorobust import params
from biorobust.analysis import bootstrap
from biorobust.attacks import registry
from biorobust.attacks.records import worst_case
from biorobust.core import places, runs
from biorobust.core.files import read_json, write_json
from biorobust.networks.weights import VARIABLE
from biorobust.reporting import claim_file
from biorobust.reporting.claims import judge
from biorobust.reporting.measurements import Measurements
from biorobust.statistics import rules
from biorobust.statistics.outcomes import of_runs
from biorobust.vonenet.model import comparison, evaluation, layers, measurements, models, stimuli, visualisation
from biorobust.vonenet.model.params import ANALOGUE, Activations, ActivationsSize, Perturbations
from stages import activations_vonenet, import_vonenet, perturb_vonenet

ROOT = Path(__file__).parent.parent
V1 = {"visual_degrees": 2.0, "simple_channels": 6, "complex_channels": 6, "ksize": 9, "stride": 4, "sf_max": 5.6}
N = 8
RUNS = ("resnet50", "voneresnet50", "resnet50-untrained")
SIZES = {"vonenet_perturbations": {"n_images": N}, "vonenet_activations": {"repeats": 2, "pictures": 2}}


def calibrated(model):
    """Random weights, with normalisation that fits random images: activations then differ between images."""
    models.calibrate(model, torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(3)), batch_size=16)
    return model


@pytest.fixture(scope="module")
def read(tmp_path_factory, bundled):
    """A checkout after both stages, with networks of four channels; FGSM stands in for PGD to save time."""
    folder = tmp_path_factory.mktemp("vonenet")
    weights = folder / "weights"
    weights.mkdir()
    values = project()
    values |= {"scale": "tiny", "vonenet_runs": {name: values["vonenet_runs"][name] for name in RUNS}}
    values["vonenet_perturbations"] |= {"steps": 2, "candidates": 2, "draws": 2}
    values["vonenet_activations"]["eps"] = [0.0, values["vonenet_activations"]["common_eps"]]
    values["scales"]["tiny"] |= SIZES
    torch.save(official(n_classes=1000), weights / values["vonenet_imagenet"]["imagenet-voneresnet50"]["file"])
    values["vonenet_imagenet"]["imagenet-resnet50"]["file"] = torchvision_file(weights, n_classes=1000).name
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("BIOROBUST_DEVICE", "cpu")
        patch.setenv(VARIABLE, str(weights))
        patch.setitem(bootstrap.interval.__kwdefaults__, "draws", 100)
        patch.setitem(registry.ATTACKS, stimuli.PGD, registry.get("fgsm-cross-entropy"))
        for name in ("cifar10", "imagenet_samples"):
            bundled(name, folder)
        for name in RUNS:
            torch.manual_seed(0)
            config = {"network": name.split("-")[0], "n_classes": 10, "width": 4, "image_size": 64}
            config |= V1 if name.startswith("vone") else {}
            runs.save(name, {0: calibrated(models.build(config))}, architecture="vonenet", configs={0: config})
        import_vonenet.main([])
        perturb_vonenet.main([])
        activations_vonenet.main([])
        yield folder


def metrics(folder, name):
    return read_json(places.find(folder / "reports/metrics", f"{name}.json"))


def first(folder, name):
    return metrics(folder, name)["per_seed"][0]


def test_both_groups_are_measured_whole(read):
    for name in (*RUNS, "imagenet-resnet50", "imagenet-voneresnet50"):
        for kind in ("perturb", "activations", "riddle", "attack"):
            assert metrics(read, f"{kind}/{name}")["status"] == "ok", (kind, name)
        table = pd.read_csv(places.find(read / "reports/metrics", f"activations/{name}.csv"))
        own = table[(table["shown"] == "own") & (table["noise"] == "none") & (table["kind"] == "conv")]
        assert own["layer"].tolist() == list(range(53))
        assert (own["raw"] > 0).all()
        assert (own["raw_low"] <= own["raw"]).all()
        assert (own["raw"] <= own["raw_high"]).all()
        assert len(metrics(read, f"riddle/{name}")["outcomes"]) == (15 if name == "resnet50" else 14)
    for name in ("voneresnet50", "imagenet-voneresnet50"):
        pair = first(read, f"deviations/{name}")
        assert pair["layers"] == 52
        assert np.isfinite([pair["log_ratio_transferred_frozen"], pair["alike_clean"]]).all()
        assert pair["log_ratio_own_live"] > pair["log_ratio_own_frozen"]  # live noise adds to what is deterministic
        floors = first(read, f"activations/{name}")
        assert floors["self_v1_live"] > floors["self_v1_frozen"] == floors["self_v1_none"] == 0


def test_clean_against_clean_is_exactly_zero_unless_noise_is_live(read):
    floors = first(read, "activations/voneresnet50")
    assert floors["self_v1_live"] > floors["self_v1_frozen"] == floors["self_v1_none"] == 0


def test_only_images_that_are_right_enter(read):
    for name in RUNS:
        compared, entry = first(read, f"activations/{name}"), first(read, f"perturb/{name}")
        assert compared["entered"] == entry["entered"]
        assert entry["by_labels"] == (entry["entered"] < N)
        assert compared["compared"] == entry["entered"] - entry["own"]["unmoved"]


def test_images_that_were_not_moved_are_not_compared(read):
    """One that DeepFool left as it was would be at zero in every layer; another network's is no comparison either."""
    images, moved = (torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    made = {"own": torch.cat([images[:1], moved[1:]]), "entered": torch.tensor([1, 1, 1, 0]), "answers": torch.zeros(4)}
    made |= {"index": torch.arange(10, 14), "labels": torch.zeros(4, dtype=torch.long)}
    others = {"other": {"own": torch.cat([moved[:2], images[2:]]), "entered": torch.ones(4)}}
    sizes = {"plan": params.load().block("vonenet_activations", Activations)}
    sizes |= {"size": ActivationsSize(repeats=2, pictures=2)}
    found = measurements.measure(runs.load("resnet50"), images, made, others, **sizes, seed=0, name=None)
    assert found.index.tolist() == [11, 12]
    assert (found.numbers["entered"], found.numbers["compared"], found.numbers["zero_share"]) == (3, 2, 0)
    assert next(outcome["numbers"]["unmoved"] for outcome in found.hypotheses if outcome["id"] == "Z9") == 1
    transferred = found.deviations["none"].sets["from-other"]["raw"]
    assert np.isfinite(transferred).all(axis=1).tolist() == [True, False]


def test_perturbations_are_scored_where_they_were_made_and_in_fresh_noise(read):
    noisy, plain = first(read, "perturb/voneresnet50"), first(read, "perturb/resnet50")
    assert (noisy["own"]["noise"], noisy["live"]["noise"]) == ("frozen", "live")
    assert noisy["own"]["fresh_draws"] == noisy["live"]["fresh_draws"] == 2
    assert "live" not in plain
    assert plain["own"]["fresh_success"] == plain["own"]["success"]  # without noise both are the same question


def test_records_fit_the_common_format(read):
    found = of_runs(read / "data/attacks/vonenet/own", groups=[list(RUNS)])  # which refuses runs attacked differently
    assert {cell.run for cell in found} == set(RUNS)
    records = pd.read_parquet(read / "data/attacks/vonenet/own/resnet50.parquet")
    own, alias = (
        records[records["attack"] == f"deepfool-{name}"].set_index(["eps", "index"]) for name in ("own", "resnet50")
    )
    assert (own["broken"] == alias["broken"]).all()
    assert (records["distance"] <= records["eps"] + 1e-6).all()
    worst = worst_case(records)
    kept = (~worst["broken"]).groupby(worst["eps"]).sum()
    assert metrics(read, "attack/resnet50")["attacks"]["worst-case"]["per_seed"][0]["correct"] == kept.tolist()


def test_two_files_of_weights_decide_the_report_s_own_claims(read, tmp_path):
    """V1 to V7 from made files: each asks for the report's attack, and every number of theirs is measured."""
    exact = [f"V{n}" for n in range(1, 8)]
    claims = [claim for claim in claim_file.load(ROOT / "reports/claims") if claim.id in exact]
    folder = shutil.copytree(read / "reports/metrics", tmp_path / "metrics")
    for path in folder.rglob("*.json"):  # as if the images were ImageNet's and the networks trained on them
        content = read_json(path)
        if content.get("dataset"):
            content["dataset"]["fidelity"] = "official"
            for entry in content.get("per_seed", ()):
                entry |= {key: False for key in ("under_trained", "collapsed", "diverged") if key in entry}
            write_json(path, content)
    assert all("the claim needs" in item.reason for item in judge(claims, Measurements(folder)))
    asked = []
    for claim in claims:  # the files a check needs, whatever the settings they were made with
        checks = (replace(one, requires=tuple((name, {}) for name, _ in one.requires)) for one in claim.checks)
        asked.append(replace(claim, checks=tuple(checks)))
    judged = {item.claim.id: item for item in judge(asked, Measurements(folder))}
    assert list(judged) == exact
    for item in judged.values():
        assert item.verdict in (rules.REPRODUCED, rules.PARTLY, rules.NOT_REPRODUCED, rules.INCONCLUSIVE), item
        assert all(part.measured is not None for part in item.parts), item
    pair = first(read, "deviations/imagenet-voneresnet50")
    assert judged["V2"].parts[0].measured == pair["lower_own_live"]
    assert judged["V7"].parts[0].measured == pair[f"accuracy_{stimuli.PGD}"]


def test_stopped_measurements_go_on_to_the_same_files(read, monkeypatch, tmp_path):
    monkeypatch.chdir(shutil.copytree(read, tmp_path / "again"))
    made = [path for folder in ("reports/metrics", "data/attacks") for path in files(folder)]
    undisturbed = {path: path.read_bytes() for path in made}
    settings, measure, begun = params.load(), measurements.measure, []

    def stopped(*arguments, **named):
        begun.append(named["name"])
        if len(begun) == 2:
            raise KeyboardInterrupt
        return measure(*arguments, **named)

    monkeypatch.setattr(measurements, "measure", stopped)
    with pytest.raises(KeyboardInterrupt):
        comparison.compare_layers(ANALOGUE, settings)
    (kept_state,) = Path("data/work").glob("*.pt")
    comparison.compare_layers(ANALOGUE, settings)
    assert begun == ["resnet50", None, None, "voneresnet50"]  # None: moves no image for the others
    assert not kept_state.exists()
    assert {path: path.read_bytes() for path in made} == undisturbed


def files(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


# --- parts ---


def test_a_perturbation_is_brought_to_a_size():
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    change = 0.01 * torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    change[2] = 0
    for eps in (0.002, 0.05):
        moved = stimuli.at_size(images, images + change, eps)
        assert (moved - images).abs().flatten(1).amax(dim=1).tolist() == pytest.approx([eps, eps, 0], rel=1e-3)
        direction = (moved - images)[:2].flatten(1), change[:2].flatten(1)
        assert torch.cosine_similarity(*direction).tolist() == pytest.approx([1, 1], abs=1e-4)
    signs = stimuli.stimuli(images, images + change, {}, common_eps=0.1, seed=0)["signs"](range(3))
    assert torch.equal(signs[2], images[2])
    assert stimuli.quantised(signs).mul(255).sub(stimuli.quantised(signs).mul(255).round()).abs().max() < 1e-4


def test_majority_and_fresh_noise():
    answers = torch.tensor([[1, 0, 2], [1, 2, 2], [0, 2, 1]])
    assert evaluation.majority(answers).tolist() == [1, 2, 2]
    torch.manual_seed(0)
    vone = models.voneresnet18(n_classes=4, width=4, image_size=32, **V1).eval()
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    draws = evaluation.predict_samples(vone, images, draws=4, seed=1)
    assert draws.shape == (4, 5)
    assert torch.equal(draws, evaluation.predict_samples(vone, images, draws=4, seed=1, batch_size=2))
    plain = models.resnet18(n_classes=4, width=4, image_size=32).eval()
    assert evaluation.predict_samples(plain, images, draws=4, seed=1).shape == (1, 5)
    assert set(evaluation.noise_conditions(plain, seed=0)) == {"none"}


@pytest.mark.parametrize("noise", ["frozen", "live"])
def test_deepfool_runs_through_noise(noise):
    torch.manual_seed(0)
    vone = calibrated(models.voneresnet18(n_classes=4, width=4, image_size=32, **V1)).requires_grad_(False)
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    labels = evaluation.majority(evaluation.predict_samples(vone, images, draws=3, seed=0))
    plan = Perturbations(sources=("a",), steps=3, candidates=3, overshoot=0.02, draws=3)
    made, again, otherwise_cut = (
        stimuli.run_deepfool(vone, images, labels, plan=plan, noise=noise, seed=0, batch_size=size).images
        for size in (2, 2, 3)
    )
    assert torch.equal(made, again)
    torch.testing.assert_close(made, otherwise_cut, rtol=0, atol=1e-4)
    assert made.min() >= 0
    assert made.max() <= 1
    assert (made != images).any()


def test_ratios_to_a_baseline_by_hand():
    first, second = np.full((9, 4), 0.2), np.tile([0.1, 0.1, 0.4, 0.0], (9, 1))
    numbers, layer = layers.compare_layers("own_none", first, second)
    assert layer.value[:3] == pytest.approx(np.log10([0.5, 0.5, 2.0]))
    assert np.isnan(layer.value[3])
    assert numbers["lower_own_none"] == 0.5
    assert numbers["higher_own_none"] == 0.25
    assert numbers["one_image_own_none"] == pytest.approx(2 / 3)
    assert numbers["log_ratio_own_none"] == pytest.approx(np.log10([0.5, 0.5, 2.0]).mean())


def test_similar_pictures_are_alike_whatever_their_sign():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(3, 5, 5))
    one = {"a": np.stack([maps, maps]), "b": np.stack([maps, maps])}
    other = {"a": np.stack([-maps, rng.normal(size=(3, 5, 5))]), "b": one["b"][:, :, :2]}
    clean, perturbed = visualisation.similarity(one, other)
    assert clean == pytest.approx([1, 1, 1])
    assert (perturbed < 0.9).all()
