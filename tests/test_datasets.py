"""Every registered data set: its stored form, its provenance, its lists of images, and what `load` refuses."""

import ast
import hashlib
import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from biorobust import datasets
from biorobust.core.errors import BiorobustError, DataError
from biorobust.core.tensors import as_tensors
from biorobust.datasets import DATASETS, imagenet_samples, mirror, store
from biorobust.datasets.order import stratified

ROOT = Path(__file__).resolve().parent.parent
NO_SUCH_SPLIT = {"imagenet_samples": ("train",)}
ARRAYS = {"train_images", "train_labels", "test_images", "test_labels", "evaluation", "tuning"}


def get(name, folder, *, source="bundled"):
    npz = folder / f"{name}.npz"
    return npz, datasets.get(name, source=source, npz=npz, provenance=folder / f"{name}.json")


# --- every data set of the registry ---


@pytest.fixture(scope="module", params=DATASETS)
def made(request, tmp_path_factory):
    """Name, npz and provenance of every data set, bundled, made without mirror and network."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in (mirror.VARIABLE, imagenet_samples.VARIABLE):
            patch.delenv(variable, raising=False)
        patch.setattr(socket, "getaddrinfo", refuse)
        patch.setattr(socket.socket, "connect", refuse)
        return request.param, *get(request.param, tmp_path_factory.mktemp(request.param))


def refuse(*_):
    raise AssertionError("the network was used")


@pytest.fixture
def digits(bundled, tmp_path):
    """The npz of the bundled digits, in a folder of its own."""
    bundled("mnist", tmp_path)
    return tmp_path / "data/datasets/mnist.npz"


def test_the_bundled_source_gives_what_the_contract_says(made):
    name, npz, provenance = made
    spec = DATASETS[name]
    assert spec.name == name

    with np.load(npz) as stored:
        assert set(stored) == ARRAYS
        assert {stored[key].dtype for key in ARRAYS if not key.endswith("images")} == {np.dtype(np.int64)}
        assert {stored[f"{split}_images"].dtype for split in ("train", "test")} == {np.dtype(np.uint8)}
        for split in ("train", "test"):
            images, labels = stored[f"{split}_images"], stored[f"{split}_labels"]
            assert images.shape == (len(labels), *spec.image_shape)
            if split in NO_SUCH_SPLIT.get(name, ()):
                assert provenance[split] == {"n": 0, "per_class": [0] * spec.n_classes}
                continue
            assert images.std() > 0
            counts = [int((labels == label).sum()) for label in range(spec.n_classes)]
            assert provenance[split] == {"n": sum(counts), "per_class": counts}
            assert sum(counts) == len(labels) > 0

    assert json.loads(npz.with_suffix(".json").read_text()) == provenance
    assert provenance["sha256"] == hashlib.sha256(npz.read_bytes()).hexdigest()
    assert provenance["source"] == "bundled"
    assert provenance["image_shape"] == list(spec.image_shape)
    keys = "name title source fidelity note licence sha256 files image_shape n_classes train test"
    assert list(provenance) == keys.split()


def test_a_stored_data_set_repeats_byte_for_byte_and_loads(made, bundled, tmp_path):
    name, first, _ = made
    bundled(name, tmp_path)
    assert first.read_bytes() == (tmp_path / f"data/datasets/{name}.npz").read_bytes()
    data = datasets.load(first)
    if name == "imagenet_samples":
        assert len(as_tensors(data, n_train=1, device="cpu").test_images) == 32
        with pytest.raises(DataError, match=r"^imagenet_samples has no training images: train on another data set$"):
            as_tensors(data, n_train=100, device="cpu")
    assert (data.name, data.n_classes) == (name, DATASETS[name].n_classes)
    assert sorted(data.evaluation.tolist()) == list(range(len(data.test_labels)))
    assert len(set(data.tuning.tolist())) == len(data.tuning) == len(data.train_labels) // 6
    with np.load(first) as stored:
        assert all(np.array_equal(stored[key], getattr(data, key)) for key in ARRAYS)


@pytest.mark.parametrize("name", DATASETS)
def test_every_source_says_what_it_is(name):
    sources = DATASETS[name].sources
    assert {"bundled"} <= set(sources) <= {"official", "mirror", "bundled"}
    for source in sources.values():
        assert source.licence
        assert source.note.endswith(".")
        assert (source.fidelity == "stand-in") == ("stand-in" in source.note)


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"torch", "torchvision", "pandas", "sklearn", "pyarrow", "PIL"}
    code = "import sys, stages.download, biorobust.datasets; print(sorted(set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert heavy.isdisjoint(ast.literal_eval(done.stdout))


# --- the lists of images ---


def test_every_prefix_of_a_stratified_order_has_the_classes_in_proportion():
    labels = np.random.default_rng(0).choice(7, size=900, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
    share = np.bincount(labels) / len(labels)
    order = stratified(labels, seed=1)
    counts = np.cumsum(labels[order][:, None] == np.unique(labels)[None, :], axis=0)  # of each class, by prefix
    expected = np.arange(1, 901)[:, None] * share[None, :]
    assert np.all(np.abs(counts - expected) <= 0.5 + share * 7 / 2 + 1e-9)
    assert sorted(order.tolist()) == list(range(900))


def test_the_lists_stay_what_they_are():
    # Recorded runs were evaluated on these images: a change here, or in NumPy's generator, makes them incomparable.
    labels = np.arange(1000) % 10
    evaluation, tuning = (stratified(labels, seed=seed)[:10] for seed in (store.EVALUATION_SEED, store.TUNING_SEED))
    assert evaluation.tolist() == [690, 857, 14, 256, 171, 418, 845, 119, 713, 942]
    assert tuning.tolist() == [489, 725, 867, 563, 532, 728, 264, 846, 870, 371]


# --- what load and write refuse ---


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("test_labels", lambda a: a.astype(np.int32), "test labels are int32"),
        ("test_labels", lambda a: a[:-1], r"test labels are int64 \(358,\), not int64 \(359,\)"),
        ("train_labels", lambda a: a + 1, r"train labels run from 1 to 10, not within 0\.\.9"),
        ("train_images", lambda a: a / 255, "train images are float64"),
        ("train_images", lambda a: a[:, :27], r"train images are uint8 \(1438, 27, 28\), not uint8 \(N, 28, 28\)"),
        ("evaluation", lambda a: np.zeros_like(a), "evaluation is not an order of the 359 test images"),
        ("evaluation", lambda a: a[:-1], "evaluation is not an order of the 359 test images"),
        ("tuning", lambda a: a + 1438, "tuning is not a list of different ones of the 1438 training images"),
        ("tuning", lambda _: None, "tuning is not a file in the archive"),
        ("tuning", lambda a: a.astype(object), "not a readable npz file"),
    ],
)
def test_load_refuses_a_file_that_is_not_the_data_set(digits, key, change, message):
    with np.load(digits) as stored:
        arrays = dict(stored)
    arrays[key] = change(arrays[key])
    np.savez(digits, **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(DataError, match=message) as error:
        datasets.load(digits)
    assert str(error.value).startswith(str(digits))
    assert "dvc repro download@mnist" in str(error.value)
    assert "\n" not in str(error.value)


def test_load_refuses_a_truncated_file_and_flipped_bytes_unless_it_reads_the_same(digits):
    whole, same = digits.read_bytes(), datasets.load(digits)
    for n in (0, len(whole) - 400):
        digits.write_bytes(whole[:n])
        with pytest.raises(DataError, match=r"mnist\.npz: not a readable npz file .*: delete it and run `dvc repro"):
            datasets.load(digits)
    refused = 0
    for position in np.random.default_rng(0).integers(0, len(whole), size=20):
        damaged = bytearray(whole)
        damaged[position] ^= 0x55
        digits.write_bytes(damaged)
        try:
            data = datasets.load(digits)
        except DataError:
            refused += 1
        else:
            assert all(np.array_equal(getattr(data, key), getattr(same, key)) for key in ARRAYS)
    assert refused > 16


def test_unknown_names_are_refused_with_the_known_ones(tmp_path):
    with pytest.raises(DataError, match="data set 'mnits': unknown; known are mnist"):
        datasets.load(tmp_path / "mnits.npz")
    with pytest.raises(DataError, match=r"mnist has no source 'moon': set data.source to one of auto, official"):
        get("mnist", tmp_path, source="moon")


def test_an_interrupted_write_keeps_the_old_file_whole(digits, monkeypatch):
    before = digits.read_bytes()

    def full_disk(stream, **_):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(BiorobustError, match=r"mnist.npz cannot be written: the disk is full"):
        get("mnist", digits.parent)
    assert digits.read_bytes() == before
    assert [path.name for path in digits.parent.iterdir()] == ["mnist.npz"]


# --- the documentation ---


def test_the_example_in_the_documentation_is_a_working_data_set(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "add-a-dataset.md").read_text(encoding="utf-8")
    module = re.search(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names = {}
    exec(module.group(1), names)
    spec = names["SPEC"]
    monkeypatch.setitem(DATASETS, spec.name, spec)
    npz, provenance = get(spec.name, tmp_path)
    data = datasets.load(npz)
    assert provenance["fidelity"] == "stand-in"
    assert data.train_images.shape[1:] == spec.image_shape
    assert set(data.train_labels) == set(data.test_labels) == set(range(spec.n_classes))
