"""The stages of the k-WTA study as programs on bundled data: what they write, what they survive, what they name."""

import pandas as pd
import pytest
import torch
import yaml
from edits import project

from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, read_tensors, sha256, write_tensors
from biorobust.core.places import find
from biorobust.kwta.model import attacking, training
from biorobust.kwta.model import weights as kwta_weights
from biorobust.kwta.model.params import cells
from biorobust.networks import weights
from stages import ablate_kwta, attack_kwta, stale, time_kwta, train_kwta

KEPT = ("clip", "pretrained")  # of the ablations
QUICK = "fgsm-cross-entropy"
RUNS = ("scratch-relu", "scratch-kwta", "pretrained-kwta-low", "transferred-kwta")  # of the nine
TRAINED = ("alexnet-svhn", "resnet18-cifar10", "fast-cifar10")  # of the five


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, bundled):
    """A folder with parameters cut down below scale tiny and the two data sets."""
    folder = tmp_path_factory.mktemp("kwta")
    raw = project()
    raw["scale"], raw["data"]["source"] = "tiny", "bundled"
    quick = {"attacks": [QUICK, "fgsm-margin"], "resized_attacks": [QUICK], "reencoded_attack": QUICK}
    raw["kwta_attack"] |= quick
    raw["kwta_ablation"]["attack"] = QUICK
    raw["kwta_probe"] |= {"n_points": 5, "gammas": [0.5]}
    raw["kwta_runs"] = {name: raw["kwta_runs"][name] for name in RUNS}
    raw["kwta_ablations"] = {name: raw["kwta_ablations"][name] for name in KEPT}
    widths = dict.fromkeys(("resnet18_width", "resnet18_small_width", "alexnet_width"), 2)
    tiny = raw["scales"]["tiny"]
    tiny["kwta_training"] = widths | {"n_train": 64, "image_size": 64, "precision": "float32", "seeds": 1}
    tiny["kwta_cells"] = {"trained": list(TRAINED)}
    tiny["kwta_fast"] = {"n_train": 64, "width": 2, "epochs": 2}
    tiny["kwta_scratch"] = {"epochs": 2, "epochs_svhn": 2}
    tiny["kwta_ablation"] |= {"trained": "all", "n_train": 64, "n_test": 20}
    tiny["kwta_timing"] = {"timed": True}
    tiny["kwta_adaptive"] = {"n_images": 0}
    (folder / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    for name in ("cifar10", "svhn"):
        bundled(name, folder)
    return folder


@pytest.fixture
def here(checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("BIOROBUST_WEIGHTS", str(checkout))  # a folder without weights
    monkeypatch.delenv("BIOROBUST_WORK", raising=False)
    monkeypatch.delenv("BIOROBUST_KEEP_STATES", raising=False)
    return checkout


@pytest.fixture
def finished(here):
    """Every run trained and attacked, once for the whole module."""
    for run in RUNS:
        if not find(here / "data/attacks/kwta", f"{list(cells(run))[-1]}.parquet").exists():
            train_kwta.main([run])
            attack_kwta.main([run])
    return here


def metrics(folder, name):
    return read_json(find(folder / "reports/metrics", f"{name}.json"))


def records(folder, cell):
    return pd.read_parquet(find(folder / "data/attacks/kwta", f"{cell}.parquet"))


def test_every_cell_has_its_files_and_unavailable_ones_say_why(finished):
    for run in RUNS:
        for cell in cells(run):
            train, attack = metrics(finished, f"train/{cell}"), metrics(finished, f"attack/{cell}")
            curve = pd.read_csv(find(finished / "reports/metrics", f"curves/{cell}.csv"))
            record = records(finished, cell)
            if not run.startswith("scratch") or not cell.startswith(TRAINED):
                reason = "random weights alone" if "fast" in cell else "is not in the folder of BIOROBUST_WEIGHTS"
                if run.startswith("transferred"):
                    reason = "resnet18-svhn-scratch-relu, with whose weights it starts, is unavailable: not at this"
                reason = reason if cell.startswith(TRAINED) else "not at this scale (tiny)"
                assert train["status"] == attack["status"] == "unavailable"
                assert reason in train["reason"] == attack["reason"]
                assert len(curve) == len(record) == 0
                continue
            assert train["status"] == attack["status"] == "ok"
            assert train["settings"].items() <= attack["settings"].items()
            assert list(curve["epoch"]) == [1, 2]
            resized = {f"{QUICK}-resized"} if "fast" not in cell else set()
            assert set(record["attack"]) == {QUICK, "fgsm-margin"} | resized
            assert len(record) == (2 + len(resized)) * 8
            assert attack["attacks"]["worst-case"]["per_seed"][0]["n"] == attack["n_images"] == 8
            assert (attack["reencoded"] is None) == ("svhn" in cell)
            assert len(attack["discontinuity"]["by_gamma"]) == ("kwta" in run)
    assert not list((finished / "data/work").glob("*.pt"))


def test_an_attack_that_is_killed_goes_on_with_the_piece_it_was_at(finished, monkeypatch):
    cell = next(iter(cells("scratch-relu")))
    whole, real, calls = records(finished, cell), attacking.attacks.run, []

    def killed_in_the_third(*args, **kwargs):
        calls.append(args[3])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(attacking.attacks, "run", killed_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        attack_kwta.main(["scratch-relu"])
    attack_kwta.main(["scratch-relu"])
    # The third is on the resized tensor, what comes behind it on what went through one more JPEG.
    assert calls[:5] == [[QUICK], ["fgsm-margin"], [QUICK], [QUICK], [QUICK]]
    pd.testing.assert_frame_equal(records(finished, cell), whole)
    assert not list((finished / "data/work").glob("*.pt"))


def test_a_cell_that_fails_does_not_stop_the_others(here, monkeypatch, capsys):
    real, done = training.train, []

    def broken(name, *args, **kwargs):
        if name.startswith("alexnet-svhn"):
            raise RuntimeError("out of memory\nin detail")
        done.append(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(training, "train", broken)
    words = "1 of 5 cells failed, alexnet-svhn-scratch-relu with RuntimeError: out of"
    with pytest.raises(BiorobustError, match=words):
        train_kwta.main(["scratch-relu"])
    assert "going on with the next" in capsys.readouterr().err
    assert len(done) == len(list((here / "data/work").glob("*scratch-relu*.pt"))) == 2  # the next start finds them
    monkeypatch.setattr(training, "train", real)
    train_kwta.main(["scratch-relu"])
    assert not list((here / "data/work").glob("*scratch-relu*.pt"))


def test_a_transferred_network_starts_with_the_weights_of_the_other_data_set(here, bundled, monkeypatch, tmp_path):
    """At a learning rate of next to nothing it keeps them, but for its head."""
    raw = yaml.safe_load((here / "params.yaml").read_text())
    raw["kwta_pretrained"]["learning_rate"] = 1e-12
    raw["scales"]["tiny"]["kwta_cells"] = {"trained": ["resnet18-svhn", "resnet18-cifar10"]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    for name in ("cifar10", "svhn"):
        bundled(name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIOROBUST_KEEP_STATES", "1")
    cell, source = "resnet18-svhn-transferred-kwta", "resnet18-cifar10-scratch-relu"
    with pytest.raises(BiorobustError, match=r"2 of 2 cells failed, .*scratch-relu/model\.json is missing"):
        train_kwta.main(["transferred"])
    for row in ("relu", "transferred"):
        train_kwta.main([row])

    def stored(cell):
        path = find(tmp_path / "data/checkpoints", cell) / "seed0.safetensors"
        return path, read_tensors(path)

    (path, theirs), (_, ours) = stored(source), stored(cell)
    said = metrics(tmp_path, f"train/{cell}")
    assert said["settings"]["source"] == source
    assert said["per_seed"][0]["source_sha256"] == sha256(path)
    learned = [name for name in ours if "running" not in name and "batches" not in name]
    head = {name for name in learned if not torch.equal(ours[name], theirs[name])}
    assert head == {"body.fc.weight", "body.fc.bias"}
    counter = "body.bn1.num_batches_tracked"  # of batch normalisation: one epoch more than the source
    assert ours[counter] > theirs[counter]
    write_tensors(path, theirs | {"body.conv1.weight": -theirs["body.conv1.weight"]})
    train_kwta.main(["transferred-kwta"])
    assert torch.equal(stored(cell)[1]["body.conv1.weight"], -ours["body.conv1.weight"])


def test_the_time_of_the_selection_is_written_beside_its_controls(here, monkeypatch):
    monkeypatch.setattr(time_kwta, "ROUNDS", 6)
    time_kwta.main([])
    found = metrics(here, "timing/kwta")
    (measured,) = found["per_seed"]
    assert measured["growth_low"] <= measured["growth"] <= measured["growth_high"]
    short, long = found["settings"]["against"], found["settings"]["n"]
    assert [row["n"] for row in found["by_length"]] == [short, 2 * short, long, 2 * long]
    assert 1 < found["halfway"] < found["predicted"]


def test_ablations_write_a_pair_of_files_each(here):
    ablate_kwta.main([])
    clip, pretrained = (metrics(here, f"ablations/{name}") for name in KEPT)
    assert clip["changed"] == {"key": "clip", "value": 0.5, "baseline": 0.5}
    assert clip["settings"]["gamma"] == 0.1
    assert (clip["per_seed"][0]["n"], clip["robust"]["per_seed"][0]["n"], clip["collapses"]["n_seeds"]) == (20, 8, 1)
    assert (pretrained["status"], pretrained["settings"]["width"]) == ("unavailable", 64)
    assert len(pd.read_csv(here / "reports/metrics/ablations/clip.csv")) == 2
    assert not list((here / "data/work").glob("*clip*"))


def test_stages_that_lacked_weights_are_named_once_the_weights_are_here(finished, monkeypatch, capsys, tmp_path):
    def named():
        capsys.readouterr()
        stale.main([])
        return capsys.readouterr().out.split()

    if not (finished / "reports/metrics/ablations").exists():
        ablate_kwta.main([])
    assert named() == []
    monkeypatch.setitem(kwta_weights.FILES, "alexnet", "made.pth")  # a name without a hash
    (tmp_path / "made.pth").touch()
    (finished / weights.DOWNLOADS).mkdir(parents=True)
    (finished / weights.DOWNLOADS / kwta_weights.FILES["resnet18"]).touch()
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path))
    assert named() == ["train_kwta@kwta-low"]  # the folder named comes before what was downloaded
    monkeypatch.delenv(weights.VARIABLE)
    assert named() == ["train_kwta@kwta-low", "ablate_kwta"]
    (tmp_path / kwta_weights.FILES["resnet18"]).touch()
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path))
    with pytest.raises(BiorobustError, match="SHA-256 does not begin with f37072fd"):
        stale.main([])
