"""The official sources, with small made files in the official layouts: equal to the mirror, and never half a set."""

import hashlib
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import toy_datasets
from PIL import Image
from toy_datasets import get, refused

from biorobust import datasets
from biorobust.datasets import DATASETS, cifar10, emnist_letters, imagenet_samples, mirror, mnist, official, svhn

# Where torchvision keeps the last file it needs of each data set, below data/work/downloads/<name>/.
LAST = {
    "mnist": "MNIST/raw/t10k-images-idx3-ubyte",
    "emnist_letters": "EMNIST/raw/emnist-letters-test-images-idx3-ubyte",
    "cifar10": "cifar-10-batches-py/test_batch",
    "svhn": "test_32x32.mat",
}


@pytest.fixture(scope="module")
def toys():
    return {name: toy_datasets.make(name) for name in DATASETS}


@pytest.fixture(params=toy_datasets.DOWNLOADED)
def name(request):
    return request.param


@pytest.fixture
def small(name, toys, tmp_path, monkeypatch):
    """The data set made small, in an empty working folder with a good mirror of it."""
    monkeypatch.chdir(tmp_path)
    toy_datasets.shrink(name, toys[name], monkeypatch)
    toy_datasets.write_mirror(tmp_path / "mirror", name, toys[name], monkeypatch)


@pytest.fixture
def served(small, name, toys, tmp_path, monkeypatch):
    """The small set on a web server that torchvision takes for the official one; gives the server's folder."""
    for variable in [variable for variable in os.environ if variable.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    folder = tmp_path / "served"
    folder.mkdir()
    with toy_datasets.serving(folder) as address:
        toy_datasets.serve(name, toys[name], folder, address, monkeypatch)
        yield folder


def last(name):
    return Path("data/work/downloads", name, LAST[name])


def test_official_and_mirror_give_the_same_bytes(name, served, toys, monkeypatch, capsys):
    """Auto takes the mirror where it is set; a damaged download is fetched again, a whole one needs no network."""
    get(name, "auto", "mirror-out")
    assert f"{name}: taking the mirror, because BIOROBUST_DATA_MIRROR is set" in capsys.readouterr().err
    monkeypatch.delenv(mirror.VARIABLE)
    provenance = get(name, "auto", "official-out")
    said = f"{name}: trying the official addresses, because BIOROBUST_DATA_MIRROR is not set"
    assert said in capsys.readouterr().err
    wanted = Path(f"mirror-out/{name}.npz").read_bytes()
    assert Path(f"official-out/{name}.npz").read_bytes() == wanted
    assert provenance["source"] == provenance["fidelity"] == "official"
    files = {"train_32x32.mat", "test_32x32.mat"}
    if name in toy_datasets.IDX_NAMES:
        files = set(toy_datasets.idx_files(name, toys[name]))
    elif name == "cifar10":
        files = set(toy_datasets.cifar_files(toys[name])) - {"batches.meta"}
    assert set(provenance["files"]) == files
    assert provenance["files"][last(name).name] == hashlib.sha256(last(name).read_bytes()).hexdigest()
    whole = last(name).read_bytes()
    last(name).write_bytes(whole[:-100])
    get(name, "official", "again")
    assert last(name).read_bytes() == whole
    monkeypatch.setattr(official, "probe", lambda *_: pytest.fail("asked the network"))
    get(name, "official", "without")
    assert Path(f"again/{name}.npz").read_bytes() == Path(f"without/{name}.npz").read_bytes() == wanted


@pytest.mark.parametrize("name", ["mnist", "svhn"], indirect=True)
def test_an_interrupted_download_is_taken_up_again(name, served):
    first = {"mnist": "MNIST/raw/train-images-idx3-ubyte.gz", "svhn": "train_32x32.mat"}
    half = Path("data/work/downloads", name, first[name])
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half of it")
    get(name, "official")
    assert len(datasets.load(f"out/{name}.npz").train_images) == 120


@pytest.mark.parametrize("name", ["mnist"], indirect=True)
def test_a_server_with_other_files_is_refused(name, served):
    for path in served.iterdir():
        path.write_bytes(path.read_bytes() + b"something else")
    line = refused(name, "official")
    assert line.startswith(f"{name}: the download into data/work/downloads/{name} failed (")
    assert line.endswith("): run it again")


def test_the_probed_addresses_are_those_torchvision_uses():
    from torchvision.datasets import CIFAR10, EMNIST, MNIST, SVHN

    assert [f"{address}{MNIST.resources[0][0]}" for address in MNIST.mirrors] == list(mnist.URLS)
    assert [f"{name}.gz" for split in mnist.MD5.values() for name in split] == [name for name, _ in MNIST.resources]
    assert (EMNIST.url,) == emnist_letters.URLS
    assert (CIFAR10.url,) == cifar10.URLS
    assert (SVHN.split_list["train"][0],) == svhn.URLS


# --- auto ---


def no_name(*_, **__):
    raise socket.gaierror(-2, "Name or service not known")


@pytest.mark.parametrize("name", ["mnist"], indirect=True)
def test_auto_passes_over_a_mirror_of_other_data_sets(name, served, tmp_path, monkeypatch, capsys):
    other = next(other for other in DATASETS if other != name)
    monkeypatch.setenv(mirror.VARIABLE, str(tmp_path / "elsewhere"))
    Path("elsewhere", other).mkdir(parents=True)
    assert get(name, "auto", "elsewhere-out")["source"] == "official"
    assert f"official addresses, because BIOROBUST_DATA_MIRROR has no folder {name}" in capsys.readouterr().err
    Path("elsewhere", name).mkdir()
    assert f"has no {name}/train.parquet" in refused(name, "auto")


@pytest.mark.parametrize("name", ["mnist", "imagenet_samples"], indirect=True)
def test_auto_without_mirror_or_network_takes_the_bundled_data_and_says_so_loudly(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(imagenet_samples.VARIABLE, raising=False)
    monkeypatch.setenv(mirror.VARIABLE, "")
    monkeypatch.setattr(imagenet_samples, "BUNDLED_SIZE", 1)
    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    assert get(name, "auto")["source"] == "bundled"
    loud = capsys.readouterr().err
    assert f"WARNING: {name}: taking the BUNDLED data, because BIOROBUST_DATA_MIRROR is not set, and " in loud
    assert ("BIOROBUST_IMAGENET is not set" if name == "imagenet_samples" else "Name or service not known") in loud
    assert "stand-in, not " in loud


# --- ImageNet, which nobody may download ---


@pytest.fixture
def folder(toys, tmp_path, monkeypatch):
    """A small ImageNet in an empty working folder; gives the folder that BIOROBUST_IMAGENET names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(mirror.VARIABLE, raising=False)
    toy = toys["imagenet_samples"]
    toy_datasets.shrink("imagenet_samples", toy, monkeypatch)
    toy_datasets.write_imagenet(tmp_path / "imagenet", toy, monkeypatch)
    return tmp_path / "imagenet"


def test_the_folder_of_imagenet_gives_the_first_image_of_every_fourth_class(folder, toys, tmp_path, monkeypatch):
    provenance = get("imagenet_samples", "official")
    images, labels = toys["imagenet_samples"]["test"]
    data = datasets.load("out/imagenet_samples.npz")
    assert np.array_equal(data.test_images, images)
    assert np.array_equal(data.test_labels, labels)
    assert (len(data.train_images), len(data.tuning)) == (0, 0)
    assert len(provenance["files"]) == len(labels)
    first = "n10000000/ILSVRC2012_val_00000002.png"
    assert provenance["files"][first] == hashlib.sha256((folder / first).read_bytes()).hexdigest()

    toy_datasets.write_mirror(tmp_path / "mirror", "imagenet_samples", toys["imagenet_samples"], monkeypatch)
    get("imagenet_samples", "mirror", "mirror-out")
    same = Path("out/imagenet_samples.npz").read_bytes()
    assert Path("mirror-out/imagenet_samples.npz").read_bytes() == same


@pytest.mark.parametrize(("mode", "size"), [("RGB", (640, 512)), ("L", (256, 300)), ("CMYK", (300, 512))])
def test_photographs_are_resized_and_their_centre_is_cut_out(folder, mode, size):
    # A bright vertical and horizontal bar through the middle stay in the middle, at a width of 256 / short side.
    width, height = size
    grey = np.full((height, width), 40, np.uint8)
    grey[height // 2 - 8 : height // 2 + 8] = 200
    grey[:, width // 2 - 8 : width // 2 + 8] = 200
    path = folder / "n10000000" / "ILSVRC2012_val_00000001.JPEG"
    Image.fromarray(grey).convert("RGB").convert(mode).save(path, quality=98)
    get("imagenet_samples", "official")
    image = datasets.load("out/imagenet_samples.npz").test_images[0].astype(int)
    half = 8 * 256 / min(size)
    bright = np.abs(np.arange(256) + 0.5 - 128) < half - 2
    dark = np.abs(np.arange(256) + 0.5 - 128) > half + 2
    assert np.abs(image[bright] - 200).max() < 12
    assert np.abs(image[:, bright] - 200).max() < 12
    assert np.abs(image[np.ix_(dark, dark)] - 40).max() < 12


def test_a_wrong_folder_of_imagenet_is_refused(folder, monkeypatch):
    name = "imagenet_samples"
    bad = folder / "n10000000" / "ILSVRC2012_val_00000002.png"
    for source in ("official", "auto"):
        bad.write_bytes(bad.read_bytes()[:60])
        assert refused(name, source).startswith(f"{bad}: no readable image (")
        monkeypatch.setenv(imagenet_samples.VARIABLE, str(folder.parent))
        assert f"BIOROBUST_IMAGENET={folder.parent} has 1 folders, expected 40 named" in refused(name, source)
        monkeypatch.setenv(imagenet_samples.VARIABLE, "/no/such/folder")
        assert refused(name, source).startswith("BIOROBUST_IMAGENET=/no/such/folder is not a folder")
        monkeypatch.setenv(imagenet_samples.VARIABLE, str(folder))
    for path in bad.parent.glob("*.png"):
        path.unlink()
    assert refused(name, "official").startswith(f"{bad.parent} has no image")
    bad.parent.rename(folder / "tench")
    assert "has 40 folders, expected 40 named like n01440764" in refused(name, "official")
    monkeypatch.delenv(imagenet_samples.VARIABLE)
    assert refused(name, "official").startswith("imagenet_samples: BIOROBUST_IMAGENET is not set")
