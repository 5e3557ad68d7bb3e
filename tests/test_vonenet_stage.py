"""The stages that give the study its networks: trained here, or taken over from files of weights."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from edits import changed, project
from made_weights import official, torchvision_file

from biorobust.core import experiment, places, runs, training, work
from biorobust.core.errors import BiorobustError
from biorobust.networks import weights
from biorobust.vonenet import load_official, noise, v1
from stages import import_vonenet, stale, train_vonenet

METRICS = Path("reports/metrics")
V1 = {"method": "vonenet", "depth": 18, "noise": "neuronal", "filters": "biological", "trained": True}
RUNS = {
    "plain": {"method": "resnet", "depth": 18, "noise": "none", "filters": "none", "trained": True},
    "noisy": V1,
    "silent": V1 | {"noise": "none", "filters": "uniform"},
    "untrained": V1 | {"trained": False},
}
N_TEST = 40
SIZE = {"recipe": "vonenet_training", "n_train": 64, "n_test": N_TEST, "width": 2, "epochs": 2, "seeds": 1}
FILES = {"imagenet-resnet50": "resnet", "imagenet-voneresnet50": "vonenet"}


@pytest.fixture
def study(tmp_path, monkeypatch, bundled):
    """An empty checkout with data; called with {path in params.yaml: value}, it writes params.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIOROBUST_DEVICE", "cpu")
    for name in ("BIOROBUST_WORK", "BIOROBUST_KEEP_STATES", weights.VARIABLE):
        monkeypatch.delenv(name, raising=False)
    for name in ("cifar10", "imagenet_samples"):
        bundled(name, tmp_path)

    def configure(**edits):
        raw = project()
        raw["scale"] = "tiny"
        raw["scales"]["tiny"]["vonenet_training"] = SIZE
        raw["vonenet"] |= {"simple_channels": 4, "complex_channels": 4}
        raw["vonenet_runs"] = RUNS
        for path, value in edits.items():
            raw = changed(raw, path, value)
        Path("params.yaml").write_text(yaml.safe_dump(raw))

    configure()
    return configure


def metrics(run):
    return json.loads(places.find(METRICS, f"train/{run}.json").read_text())


def tensors(run):
    return Path(f"data/checkpoints/{run}/seed0.safetensors").read_bytes()


def right(run, mode=None):
    """How many test images the stored network gets right, the noise drawn as the contract has it."""
    _, images, labels = experiment.load("cifar10").evaluated(N_TEST)
    model = runs.load(run)
    drawn = None if v1(model) is None or mode == "none" else torch.Generator().manual_seed(0)
    with noise(model, mode, generator=drawn):
        return int((training.predict(model, images, batch_size=128) == labels).sum())


def test_the_plain_network(study):
    train_vonenet.main(["plain"])
    found = metrics("plain")
    assert (found["run"], found["study"], found["scale"], found["status"]) == ("plain", "vonenet", "tiny", "ok")
    expected = {"network": "resnet18", "method": "resnet", "width": 2, "image_size": 64, "epochs": 2, "n_train": 64}
    expected |= {"batch_size": 4, "stem": "imagenet", "noise": "none", "n_classes": 10}
    assert expected.items() <= found["settings"].items()
    (seed,) = found["per_seed"]
    assert (seed["correct"], seed["n"], seed["under_noise"]) == (right("plain"), N_TEST, None)
    curve = pd.read_csv(METRICS / "curves/plain.csv")
    assert curve["epoch"].tolist() == [1, 2]
    assert curve["test_accuracy"].iloc[-1] == pytest.approx(seed["accuracy"])
    assert list(Path("data/work").glob("*")) == []


def test_a_stopped_training_goes_on_to_the_same_weights_and_numbers(study, interrupted):
    """With live noise, whose numbers have to go on too."""
    train_vonenet.main(["noisy"])
    assert_measured_under_both("noisy", other="none")
    undisturbed = tensors("noisy"), metrics("noisy")
    for path in (Path("data/checkpoints/noisy/seed0.safetensors"), METRICS / "train/noisy.json"):
        path.unlink()
    state = interrupted(train_vonenet.main, ["noisy"])
    assert not (METRICS / "train/noisy.json").exists()
    assert len(work.load_state(state)["history"]) == 1
    train_vonenet.main(["noisy"])
    assert (tensors("noisy"), metrics("noisy")) == undisturbed
    assert not state.exists()


def assert_measured_under_both(run, *, other):
    """The same network under its own kind of noise and under the other."""
    (seed,) = metrics(run)["per_seed"]
    assert set(seed["under_noise"]) == {"none", "neuronal"}
    assert seed["under_noise"][RUNS[run]["noise"]]["correct"] == seed["correct"] == right(run)
    assert seed["under_noise"][other]["correct"] == right(run, other)


def test_filters_and_precision_are_parameters_of_a_training(study):
    stored = []
    for precision in ("float32", "bfloat16"):
        study(**{"vonenet_training/precision": precision, "scales/tiny/vonenet_training/epochs": 1})
        train_vonenet.main(["silent"])
        stored.append(tensors("silent"))
    assert stored[0] != stored[1]
    assert_measured_under_both("silent", other="neuronal")
    assert metrics("silent")["settings"]["filters"] == "uniform"
    model = runs.load("silent")
    assert all(tensor.dtype != torch.bfloat16 for tensor in model.state_dict().values())
    config = json.loads(Path("data/checkpoints/silent/model.json").read_text())["configs"]["0"]
    assert not torch.equal(v1(model).kernels, v1(runs.new("vonenet", config | {"filters": "biological"})).kernels)


def test_an_untrained_network_keeps_its_weights_and_gets_statistics_and_seeds(study):
    study(**{"scales/tiny/vonenet_training/seeds": 2})
    train_vonenet.main(["untrained"])
    found = metrics("untrained")
    assert found["seeds"] == runs.seeds("untrained") == [0, 1]
    assert (found["settings"]["epochs"], found["settings"]["trained"]) == (0, False)
    assert pd.read_csv(METRICS / "curves/untrained.csv")["epoch"].tolist() == [0, 0]
    config = json.loads(Path("data/checkpoints/untrained/model.json").read_text())["configs"]["1"]
    torch.manual_seed(1)
    fresh = runs.new("vonenet", config).state_dict()
    for name, tensor in runs.load("untrained", seed=1).state_dict().items():
        statistics = "running" in name or "num_batches" in name
        assert torch.equal(tensor, fresh[name]) != statistics, name


def test_what_cannot_be_trained_is_named_and_leaves_nothing(study):
    study(**{"vonenet/pixels_per_degree": 16})
    with pytest.raises(BiorobustError, match=r"sf_max = 11\.3: must be at most 5\.657 cycles per degree"):
        train_vonenet.main(["noisy"])
    assert not Path("data/checkpoints").exists()
    assert not (METRICS / "train").exists()


@pytest.fixture
def folder(study, tmp_path):
    """A folder with made files of both layouts, named in params.yaml; BIOROBUST_WEIGHTS does not name it yet."""
    made = tmp_path / "weights"
    made.mkdir()
    torch.save(official(n_classes=1000), made / "made.pth.tar")
    names = {"imagenet-resnet50": torchvision_file(made, n_classes=1000).name, "imagenet-voneresnet50": "made.pth.tar"}
    study(vonenet_imagenet={run: {"method": FILES[run], "file": name} for run, name in names.items()})
    return made


def test_without_its_file_a_network_is_unavailable_and_says_what_to_do(folder, monkeypatch, capsys):
    run = "imagenet-voneresnet50"
    import_vonenet.main([run])
    found = metrics(run)
    assert (found["status"], found["dataset"]["name"]) == ("unavailable", "imagenet_samples")
    assert found["reason"].startswith("made.pth.tar is not here: put it in a folder, set BIOROBUST_WEIGHTS to")
    assert capsys.readouterr().err.splitlines() == [f"{run} is unavailable: {found['reason']}"]
    with pytest.raises(BiorobustError, match=f"run '{run}' is unavailable: made.pth.tar is not here"):
        runs.load(run)
    # Nothing of this machine stands in what git tracks.
    monkeypatch.setenv(weights.VARIABLE, str(folder / "elsewhere"))
    import_vonenet.main([run])
    assert str(folder) not in places.find(METRICS, f"train/{run}.json").read_text()
    assert "is not in the folder of BIOROBUST_WEIGHTS" in metrics(run)["reason"]


def test_with_the_files_the_report_s_own_networks_are_there(folder, monkeypatch, capsys):
    def named():
        capsys.readouterr()
        stale.main([])
        return capsys.readouterr().out.split()

    monkeypatch.delenv("BIOROBUST_DATA_MIRROR", raising=False)
    assert named() == []
    import_vonenet.main([])
    assert named() == []
    monkeypatch.setenv(weights.VARIABLE, str(folder))
    assert named() == ["import_vonenet"]
    import_vonenet.main([])
    assert named() == []
    x = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(5))
    for run in FILES:
        found = metrics(run)
        assert runs.load(run)(x).shape == (2, 1000)
        assert (found["status"], found["seeds"]) == ("ok", [0])
        assert found["settings"]["sha256"][:8] in found["settings"]["file"] or run.startswith("imagenet-vone")
    assert metrics("imagenet-resnet50")["per_seed"][0]["under_noise"] is None
    assert set(metrics("imagenet-voneresnet50")["per_seed"][0]["under_noise"]) == {"none", "neuronal"}
    ours, theirs = runs.load("imagenet-voneresnet50"), load_official(folder / "made.pth.tar")
    assert v1(ours).noise_mode == "neuronal"
    assert not torch.equal(ours(x), ours(x))
    with noise(ours, seed=1), noise(theirs, seed=1):
        assert torch.equal(ours(x), theirs(x))


def test_files_of_other_networks_are_named_and_leave_nothing(folder, monkeypatch):
    monkeypatch.setenv(weights.VARIABLE, str(folder))
    torch.save(official(n_classes=10), folder / "made.pth.tar")
    with pytest.raises(BiorobustError, match=r"made\.pth\.tar tells 10 classes apart, imagenet_samples has 1000"):
        import_vonenet.main(["imagenet-voneresnet50"])
    with pytest.raises(BiorobustError, match="run 'resnet50': unknown; vonenet_imagenet has imagenet-resnet50"):
        import_vonenet.main(["resnet50"])
    assert not Path("data/checkpoints").exists()
    assert not (METRICS / "train").exists()
