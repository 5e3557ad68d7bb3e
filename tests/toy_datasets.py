"""Every real data set made small: random images with labels, laid out as its mirror and as its official files are."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import importlib
import io
import pickle
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from biorobust import datasets
from biorobust.core.errors import DataError
from biorobust.datasets import DATASETS, cifar10, emnist_letters, imagenet_samples, mirror, mnist, svhn

SIZES = {"train": 120, "test": 40}
LABELS = np.arange(0, 40, 4)  # the few classes that play ImageNet's 250
IDX_NAMES = {"mnist": ("{}", "train", "t10k"), "emnist_letters": ("emnist-letters-{}", "train", "test")}
MODULES = {"mnist": mnist, "emnist_letters": emnist_letters, "cifar10": cifar10, "svhn": svhn}
DOWNLOADED = tuple(MODULES)  # those with an official address


def make(name):
    """Split -> (images uint8, labels int64) that play this data set; a split it does not have is left out."""
    spec = DATASETS[name]
    rng = np.random.default_rng(0)
    if name == "imagenet_samples":
        return {"test": (rng.integers(0, 256, (len(LABELS), *spec.image_shape), dtype=np.uint8), LABELS)}
    return {
        split: (
            rng.integers(0, 256, (n, *spec.image_shape), dtype=np.uint8),
            rng.permutation(np.arange(n) % spec.n_classes),
        )
        for split, n in SIZES.items()
    }


def shrink(name, toy, monkeypatch):
    """Let the library expect `toy` where it expects the real data set: its sizes and its checksums."""
    if name in IDX_NAMES:
        module = MODULES[name]
        monkeypatch.setattr(module, "SIZES", SIZES)
        files = {split: idx_files(name, {split: pair}) for split, pair in toy.items()}
        monkeypatch.setattr(
            module, "MD5", {split: {file: _md5(data) for file, data in part.items()} for split, part in files.items()}
        )
    elif name == "svhn":
        monkeypatch.setattr(svhn, "MIRROR_SIZES", SIZES)
        monkeypatch.setattr(svhn, "MIRROR_SHA256", {split: pixels_sha256(*pair) for split, pair in toy.items()})
    elif name == "imagenet_samples":
        monkeypatch.setattr(imagenet_samples, "LABELS", LABELS)
    else:
        module = importlib.import_module(f"biorobust.datasets.{name}")
        assert hasattr(module, "SIZES"), f"{name}: let its mirror read SIZES of the module, or shrink it here"
        monkeypatch.setattr(module, "SIZES", SIZES)
        if name == "cifar10":
            monkeypatch.setattr(cifar10, "MEAN_COLOUR", (0.5, 0.5, 0.5))


def get(name, source="mirror", to="out"):
    return datasets.get(name, source=source, npz=Path(to, f"{name}.npz"), provenance=Path(to, f"{name}.json"))


def refused(name, source="mirror"):
    """The one line with which `get` refuses; checks that nothing was written."""
    with pytest.raises(DataError) as error:
        get(name, source)
    assert "\n" not in str(error.value)
    assert not Path("out").exists()
    return str(error.value)


# --- the mirror ---


def encoded(image, kind="PNG"):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind)
    return stream.getvalue()


def write_parquet(path, images, labels, *, columns=("image", "label"), label_type=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pa.StructArray.from_arrays(
        [pa.array(images, pa.binary()), pa.array([f"{i}.png" for i in range(len(images))])], ["bytes", "path"]
    )
    pq.write_table(pa.table(dict(zip(columns, [image, pa.array(labels, label_type or pa.int64())], strict=True))), path)


def write_mirror(folder, name, toy, monkeypatch):
    """A good mirror of the toy in `folder`, named by the variable."""
    for split, (images, labels) in toy.items():
        write_parquet(folder / name / f"{split}.parquet", [encoded(image) for image in images], labels.tolist())
    monkeypatch.setenv(mirror.VARIABLE, str(folder))


def pixels_sha256(images, labels):
    return hashlib.sha256(bytes(images.ravel().tolist() + labels.tolist())).hexdigest()


# --- the official files, in the layout of each; nothing here comes from the library ---


def idx_bytes(array):
    sizes = b"".join(int(size).to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + bytes(array.astype(int).ravel().tolist())


def idx_files(name, toy):
    """File name -> bytes. EMNIST's images lie on their side, and its letters count from 1."""
    pattern, *prefixes = IDX_NAMES[name]
    files = {}
    for split, prefix in zip(("train", "test"), prefixes, strict=True):
        if split in toy:
            images, labels = toy[split]
            if name == "emnist_letters":
                images = np.stack([np.rot90(image[:, ::-1]) for image in images])
                labels = labels + 1
            stem = pattern.format(prefix)
            files[f"{stem}-images-idx3-ubyte"] = idx_bytes(images)
            files[f"{stem}-labels-idx1-ubyte"] = idx_bytes(labels)
    return files


def cifar_files(toy):
    """Five training batches and a test batch; a row is an image, its red bytes, then its green and its blue ones."""
    parts = [(f"data_batch_{i + 1}", toy["train"], slice(24 * i, 24 * i + 24)) for i in range(5)]
    files = {}
    for name, (images, labels), rows in [*parts, ("test_batch", toy["test"], slice(None))]:
        planes = np.concatenate([images[rows, :, :, channel].reshape(-1, 1024) for channel in range(3)], axis=1)
        files[name] = pickle.dumps({"data": planes, "labels": labels[rows].tolist()}, protocol=2)
    return files | {"batches.meta": pickle.dumps({"label_names": [f"kind {i}" for i in range(10)]}, protocol=2)}


@contextlib.contextmanager
def serving(folder):
    """A web server on this machine; gives its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def serve(name, toy, folder, address, monkeypatch):
    """Put the official files into `folder`, which a web server offers at `address`, and send torchvision there."""
    from torchvision import datasets as tv

    monkeypatch.setattr(MODULES[name], "URLS", (address,))
    if name == "mnist":
        resources = []
        for file, data in idx_files(name, toy).items():
            (folder / f"{file}.gz").write_bytes(gzip.compress(data, mtime=0))
            resources.append((f"{file}.gz", _md5((folder / f"{file}.gz").read_bytes())))
        monkeypatch.setattr(tv.MNIST, "mirrors", [address])
        monkeypatch.setattr(tv.MNIST, "resources", resources)
    elif name == "emnist_letters":
        with zipfile.ZipFile(folder / "gzip.zip", "w") as archive:
            for file, data in idx_files(name, toy).items():
                archive.writestr(f"gzip/{file}.gz", gzip.compress(data, mtime=0))
        monkeypatch.setattr(tv.EMNIST, "url", f"{address}gzip.zip")
        monkeypatch.setattr(tv.EMNIST, "md5", _md5((folder / "gzip.zip").read_bytes()))
    elif name == "cifar10":
        files = cifar_files(toy)
        with tarfile.open(folder / tv.CIFAR10.filename, "w:gz") as archive:
            for file, data in files.items():
                member = tarfile.TarInfo(f"{tv.CIFAR10.base_folder}/{file}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        listed = [[file, _md5(data)] for file, data in files.items()]
        monkeypatch.setattr(tv.CIFAR10, "url", f"{address}{tv.CIFAR10.filename}")
        monkeypatch.setattr(tv.CIFAR10, "tgz_md5", _md5((folder / tv.CIFAR10.filename).read_bytes()))
        monkeypatch.setattr(tv.CIFAR10, "train_list", listed[:5])
        monkeypatch.setattr(tv.CIFAR10, "test_list", listed[5:6])
        monkeypatch.setitem(tv.CIFAR10.meta, "md5", listed[6][1])
    else:
        import scipy.io

        for split, (images, labels) in toy.items():
            path = folder / f"{split}_32x32.mat"
            named = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
            scipy.io.savemat(path, {"X": np.stack(list(images), axis=3), "y": named})
            listed = [f"{address}{path.name}", path.name, _md5(path.read_bytes())]
            monkeypatch.setitem(tv.SVHN.split_list, split, listed)


def write_imagenet(folder, toy, monkeypatch):
    """One folder per class, as the validation images of ImageNet are usually kept; two images in some of them."""
    monkeypatch.setattr(imagenet_samples, "N_CLASSES", len(LABELS) * 4)
    monkeypatch.setenv(imagenet_samples.VARIABLE, str(folder))
    images, labels = toy["test"]
    for place in range(len(LABELS) * 4):
        synset = folder / f"n{10_000_000 + 7 * place}"
        synset.mkdir(parents=True)
        (synset / "notes.txt").write_text("no image")
        if place in labels:
            (synset / "ILSVRC2012_val_00000002.png").write_bytes(encoded(images[labels == place][0]))
            (synset / "ILSVRC2012_val_00000009.png").write_bytes(encoded(np.zeros((2, 2, 3), np.uint8)))


def _md5(data):
    return hashlib.md5(data).hexdigest()
