"""The training stage of the CNN-F study on made-up letters: what it writes, resumes, and can be asked for."""

import copy
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from edits import changed, project

from biorobust import datasets
from biorobust.cnnf.model import evaluation
from biorobust.cnnf.model.network import FeedbackNetwork
from biorobust.cnnf.model.noise import blur
from biorobust.core import runs
from biorobust.core.training import as_float
from biorobust.datasets import emnist_letters, store
from biorobust.datasets.spec import Split
from biorobust.statistics.outcomes import read_predictions
from stages import attack as attack_stage
from stages import cnnf_pictures, train_cnnf

METRICS = Path("reports/metrics")
SIZES = {
    "cnnf_training": {"n_train": 260, "width": 4},
    "cnnf_evaluation": {"n_test": 78, "n_images": 26},
    **{name: {"epochs": 2, "seeds": 1} for name in ("cnnf", "cnn")},
    **{name: {"epochs": 1, "seeds": 1} for name in ("cnnf_fixed", "cnnf_long")},
    "cnnf_grid": {"trained": "all", "epochs": 1, "seeds": 1},
    "cnnf_variants": {"trained": "all"},
}


def split(n, seed):
    """n letters, each a pattern of its class with a little noise."""
    patterns = np.random.default_rng(0).integers(0, 2, (26, 7, 7)).repeat(4, axis=1).repeat(4, axis=2)
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 26
    images = 200 * patterns[labels] + rng.integers(0, 56, (n, 28, 28))
    return Split(images.astype(np.uint8), labels, {})


@pytest.fixture
def study(tmp_path, monkeypatch):
    """An empty checkout with data; called with {path in params.yaml: value}, it writes params.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIOROBUST_DEVICE", "cpu")
    for name in ("BIOROBUST_WORK", "BIOROBUST_KEEP_STATES"):
        monkeypatch.delenv(name, raising=False)
    paths = {"npz": Path("data/datasets/emnist_letters.npz"), "provenance": METRICS / "data/emnist_letters.json"}
    store.write(emnist_letters.SPEC, "bundled", split(260, 1), split(104, 2), **paths)

    def configure(**edits):
        raw = project()
        raw["scale"] = "tiny"
        raw["scales"]["tiny"] |= copy.deepcopy(SIZES)
        raw["cnnf_evaluation"] = {"levels": [0.0, 0.2], "blur": 1.0, "blur_levels": [0.0, 1.0]}
        for path, value in edits.items():
            raw = changed(raw, path, value)
        Path("params.yaml").write_text(yaml.safe_dump(raw))

    configure()
    return configure


def metrics(run):
    return json.loads((METRICS / f"train/{run}.json").read_text())


def weights(run, seed=0):
    return Path(f"data/checkpoints/{run}/seed{seed}.safetensors").read_bytes()


def evaluated(run):
    """The network of a run, and the test images it was evaluated on, as they are, noisy and blurred, with labels."""
    data = datasets.load("data/datasets/emnist_letters.npz")
    chosen = torch.from_numpy(data.evaluation[:78])
    clean = as_float(torch.from_numpy(data.test_images)[chosen, None])
    model = runs.load(run)
    assert isinstance(model, FeedbackNetwork)
    noisy = evaluation.noisy(clean, kind="gaussian", level=0.15)
    images = {"clean": clean, "noisy": noisy, "blurred": blur(clean, 1.0)}
    return model, images, torch.from_numpy(data.test_labels)[chosen]


def test_what_is_written_is_what_the_stored_network_does(study):
    study(**{"scales/tiny/cnnf/seeds": 2})
    train_cnnf.main(["cnn-feedback"])
    found = metrics("cnn-feedback")
    assert [entry["seed"] for entry in found["per_seed"]] == [0, 1]
    assert weights("cnn-feedback", 0) != weights("cnn-feedback", 1)
    entry = found["per_seed"][0]
    settings = {"cycles": 3, "residual": 0.3, "width": 4, "n_train": 260, "n_test": 78, "n_images": 26}
    assert settings.items() <= found["settings"].items()

    model, images, labels = evaluated("cnn-feedback")
    predictions = pd.read_parquet("data/attacks/cnnf/predictions/cnnf_runs/cnn-feedback.parquet").query("seed == 0")
    confusion = pd.read_csv(METRICS / "confusion/cnn-feedback.csv").query("seed == 0")
    with torch.no_grad():
        for name, attack in (("clean", "none"), ("noisy", "noise"), ("blurred", "blur")):
            said = model(images[name]).argmax(dim=1)
            correct = int((said == labels).sum())
            assert entry["correct" if name == "clean" else f"{name}_correct"] == correct
            table = confusion[confusion["images"] == name]
            assert table["count"].sum() == 78
            assert table[table["label"] == table["predicted"]]["count"].sum() == correct
            rows = predictions[predictions["attack"] == attack]
            assert rows["prediction"].tolist() == said.tolist()
            assert rows["label"].tolist() == labels.tolist()
            for key, length in (("cycle_accuracy", 4), ("margin", 4), ("changed", 3), ("psnr", 3)):
                assert len(entry[f"{name}_{key}"]) == length
    for name in ("noisy", "blurred"):
        assert entry[f"{name}_psnr_gain"] == pytest.approx(entry[f"{name}_psnr"][-1] - entry[f"{name}_input_psnr"])
    assert entry["loss_fall"] > 0.2
    assert entry["learning_rate_error"] < 1e-9

    for kind, level, name in (("noise", 0.0, "clean"), ("blur", 0.0, "clean"), ("blur", 1.0, "blurred")):
        levels = pd.read_csv(METRICS / f"curves/{kind}-cnn-feedback.csv").query("seed == 0").set_index("level")
        with torch.no_grad():
            said = model(images[name][:26]).argmax(dim=1)
        assert levels.loc[level, "average"] == int((said == labels[:26]).sum())
    curve = pd.read_csv(METRICS / "curves/cnn-feedback.csv").query("seed == 0")
    terms = curve[["first", "cycles", "feature", "block1", "block2"]]
    assert (terms > 0).all(axis=None)
    assert terms.sum(axis=1).to_numpy() == pytest.approx(curve["loss"].to_numpy(), rel=1e-4)
    assert not list(Path("data/work").glob("*"))


def test_every_run_sees_the_same_letters_and_can_be_paired_and_keeps_its_kind_of_feedback(study):
    shown, tables = [], []
    for name in ("cnn-longer", "plain-relu", "strong-noise"):
        train_cnnf.main([name])
        with np.load(METRICS / f"pictures/reconstructions-{name}.npz") as pictures:
            shown.append(pictures["images"])
        path = Path(f"data/attacks/cnnf/predictions/cnnf_runs/{name}.parquet")
        tables.append(pd.read_parquet(path))
        found = read_predictions(path, name)
        assert list(found) == [(name, "blur", 1.0), (name, "noise", 0.15), (name, "none", 0.0)]
        for cell, outcome in found.items():
            rows = tables[-1][tables[-1]["attack"] == cell.attack].set_index("index")
            wanted = [rows.loc[i, "prediction"] == rows.loc[i, "label"] for i in outcome.images]
            assert outcome.right.tolist() == [wanted]
    assert all(np.array_equal(images, shown[0]) for images in shown)
    assert all(table["index"].equals(tables[0]["index"]) for table in tables)

    plain, masked, adaptive = (metrics(name)["settings"] for name in ("cnn-longer", "plain-relu", "strong-noise"))
    assert (masked["feedback"], masked["cycles"], adaptive["feedback"]) == ("masked", 3, "adaptive")
    assert (plain["feedback"], plain["cycles"], plain["images"], plain["epochs"]) == ("none", 0, "clean", 1)
    x = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    model, other = runs.load("plain-relu"), runs.load("strong-noise")
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        logits = [network(x, return_cycles=True) for network in (model, other)]
    assert torch.equal(logits[0][0], logits[1][0])
    assert float((logits[0][1:] - logits[1][1:]).abs().max()) > 1e-3


def test_a_stopped_training_goes_on_and_ends_with_the_same_bits(study, interrupted):
    study(**{"cnnf/cycles": 1, "scales/tiny/cnnf_grid/epochs": 2})
    train_cnnf.main(["cnn-feedback"])
    kept, numbers = weights("cnn-feedback"), (METRICS / "train/cnn-feedback.json").read_bytes()
    Path("data/checkpoints/cnn-feedback/seed0.safetensors").unlink()
    # The grid's cell of the same settings is the same training: either goes on where the other stopped.
    state = interrupted(train_cnnf.main, ["t1-r3"])
    assert not Path("data/checkpoints/t1-r3").exists()
    assert state.exists()
    train_cnnf.main(["cnn-feedback"])
    assert weights("cnn-feedback") == kept
    assert (METRICS / "train/cnn-feedback.json").read_bytes() == numbers
    assert not state.exists()


def test_held_out_letters_are_scored_and_not_trained_on(study):
    study(**{"cnnf_training/validate": True, "cnnf_noise/kind": "salt-and-pepper"})
    train_cnnf.main(["cnn-noisy"])
    found = metrics("cnn-noisy")
    assert found["settings"]["n_train"] == 260 - 260 // 6
    assert found["settings"]["noise_kind"] == found["settings"]["evaluation_noise_kind"] == "salt-and-pepper"
    assert 0 < found["per_seed"][0]["noisy_tuning_accuracy"] <= 1
    assert 0 < found["per_seed"][0]["blurred_tuning_accuracy"] <= 1
    assert 0 < found["per_seed"][0]["tuning_accuracy"] <= 1


def test_a_training_that_stops_being_numbers_says_so(study):
    study(**{"cnnf_training/learning_rate": 1e30, "cnnf_training/clip_norm": 1e30})
    train_cnnf.main(["t1-r1"])
    found = metrics("t1-r1")
    assert found["per_seed"][0]["diverged"]
    assert found["accuracy"]["mean"] is None
    assert found["accuracy"]["broken_seeds"] == [0]


def test_training_on_adversarial_letters(study):
    """As the original does: PGD on the first pass in place of noise."""
    study(**{"cnnf_runs/cnn-feedback/images": "adversarial", "cnnf_adversarial/steps": 2, "cnnf/cycles": 1})
    train_cnnf.main(["cnn-feedback"])
    found = metrics("cnn-feedback")
    assert found["settings"]["images"] == "adversarial"
    assert (found["settings"]["adversarial_eps"], found["settings"]["adversarial_steps"]) == (0.1, 2)
    assert found["per_seed"][0]["loss_fall"] > 0.1


def test_the_originals_network_runs_through_the_stage(study):
    sizes = {"cnnf_training/n_train": 64, "cnnf/epochs": 1, "cnnf_evaluation/n_test": 32, "cnnf_evaluation/n_images": 6}
    original = {"cnnf_training/network": "original", "cnnf_training/ind": 2, "cnnf/cycles": 1}
    study(**original, **{f"scales/tiny/{path}": value for path, value in sizes.items()})
    train_cnnf.main(["cnn-feedback"])
    found = metrics("cnn-feedback")
    assert found["n_parameters"] == 3_298_962 + 16 * 129  # 26 classes instead of 10
    assert (found["settings"]["network"], found["settings"]["width"]) == ("original", None)


def test_attacked_letters_are_followed_through_the_cycles(study):
    study(
        **{
            "cnnf/cycles": 2,
            "scales/tiny/cnnf/epochs": 1,
            "cnnf_attack/attacks": ["fgsm-cross-entropy@first", "pgd-targeted"],
            "cnnf_attack/eps": [0.0, 0.1],
            "scales/tiny/cnnf_attack/n_images": 26,
        }
    )
    for stage in (train_cnnf, attack_stage, cnnf_pictures):
        stage.main(["cnn-feedback"])
    with np.load(METRICS / "pictures/adversarial-reconstructions-cnn-feedback.npz") as pictures:
        assert pictures["images"].shape == (2, 6, 28, 28)
        assert pictures["reconstructions"].shape == (2, 2, 6, 28, 28)
        assert pictures["predictions"].shape == (2, 3, 6)
        assert pictures["eps"].tolist() == [0.0, 0.1]
        assert str(pictures["attack"]) == "fgsm-cross-entropy@first"
    with np.load(METRICS / "pictures/targeted-cnn-feedback.npz") as pictures:
        assert (pictures["targets"] == (pictures["labels"] + 1) % 26).all()


def test_bfloat16_learns_as_much_and_stores_float32(study):
    falls, stored = [], []
    for precision in ("float32", "bfloat16"):
        study(**{"cnnf_training/precision": precision, "scales/tiny/cnnf_grid/epochs": 2})
        train_cnnf.main(["t1-r1"])
        assert metrics("t1-r1")["settings"]["precision"] == precision
        assert {tensor.dtype for tensor in runs.load("t1-r1").state_dict().values()} == {torch.float32}
        falls.append(metrics("t1-r1")["per_seed"][0]["loss_fall"])
        stored.append(weights("t1-r1"))
    assert stored[0] != stored[1]
    assert falls[1] == pytest.approx(falls[0], rel=0.05)
