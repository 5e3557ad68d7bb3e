"""The mirror and the official source of MNIST: equal images give an equal file, anything else is refused by name."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import os
import socket
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from biorobust import datasets
from biorobust.datasets import mirror, mnist, official
from biorobust.datasets.spec import Unreachable
from biorobust.errors import DataError

SIZES = {"train": 120, "test": 40}
NAMES = {"train": "train", "test": "t10k"}


def png(image: np.ndarray, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind)
    return stream.getvalue()


def write_parquet(path: Path, encoded: list, labels: list, *, columns=("image", "label"), label_type=None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pa.StructArray.from_arrays(
        [pa.array(encoded, pa.binary()), pa.array([f"{i}.png" for i in range(len(encoded))])], ["bytes", "path"]
    )
    pq.write_table(pa.table(dict(zip(columns, [image, pa.array(labels, label_type or pa.int64())], strict=True))), path)


def idx_bytes(array: np.ndarray) -> bytes:
    """The idx format, written out independently of the library."""
    sizes = b"".join(int(size).to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + bytes(array.astype(int).ravel().tolist())


@pytest.fixture(scope="module")
def images():
    """A small set that plays MNIST: split -> (images, labels)."""
    rng = np.random.default_rng(0)
    return {
        split: (rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.permutation(np.arange(n) % 10))
        for split, n in SIZES.items()
    }


@pytest.fixture(scope="module")
def idx_files(images):
    """The four idx files of that set: name -> bytes."""
    kinds = ("images-idx3", "labels-idx1")
    return {
        f"{NAMES[split]}-{kind}-ubyte": idx_bytes(array)
        for split, pair in images.items()
        for kind, array in zip(kinds, pair, strict=True)
    }


@pytest.fixture
def small(monkeypatch, tmp_path, images, idx_files):
    """MNIST made small, in an empty working folder, with a good mirror of it; gives the mirror's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mnist, "SIZES", SIZES)
    monkeypatch.setattr(mnist, "MD5", {name: hashlib.md5(data).hexdigest() for name, data in idx_files.items()})
    folder = tmp_path / "mirror"
    for split, (pixels, labels) in images.items():
        write_parquet(folder / "mnist" / f"{split}.parquet", [png(image) for image in pixels], labels.tolist())
    monkeypatch.setenv(mirror.VARIABLE, str(folder))
    return folder


def get(source: str, folder: str = "out") -> dict:
    return datasets.get("mnist", source=source, npz=Path(folder, "mnist.npz"), provenance=Path(folder, "mnist.json"))


def refused(source: str = "mirror") -> str:
    """The one line with which `get` refuses; checks that nothing was written."""
    with pytest.raises(DataError) as error:
        get(source)
    assert "\n" not in str(error.value)
    assert not Path("out").exists()
    return str(error.value)


# --- the mirror -----------------------------------------------------------------------------------------------------


def test_the_mirror_gives_the_images_in_their_order(small, images):
    provenance = get("mirror")
    data = datasets.load("out/mnist.npz")
    for split, (pixels, labels) in images.items():
        assert np.array_equal(getattr(data, f"{split}_images"), pixels)
        assert np.array_equal(getattr(data, f"{split}_labels"), labels)
    assert provenance["fidelity"] == "official"
    assert provenance["files"] == {
        f"mnist/{split}.parquet": hashlib.sha256((small / "mnist" / f"{split}.parquet").read_bytes()).hexdigest()
        for split in ("test", "train")
    }


@pytest.mark.parametrize("folder", ["mnist", "mnist/data"])
def test_numbered_parts_give_the_same_file(small, images, folder):
    get("mirror", "whole")
    for split, (pixels, labels) in images.items():
        (small / "mnist" / f"{split}.parquet").unlink()
        encoded, cut = [png(image) for image in pixels], len(labels) // 3
        write_parquet(small / folder / f"{split}-00000-of-00002.parquet", encoded[:cut], labels[:cut].tolist())
        write_parquet(small / folder / f"{split}-00001-of-00002.parquet", encoded[cut:], labels[cut:].tolist())
    provenance = get("mirror", "parts")
    assert Path("whole/mnist.npz").read_bytes() == Path("parts/mnist.npz").read_bytes()
    assert len(provenance["files"]) == 4
    (small / folder / "test-00001-of-00002.parquet").unlink()
    assert "test-00001-of-00002.parquet: missing" in refused()


def test_a_mirror_that_is_not_there_is_refused(small, monkeypatch):
    for source in ("mirror", "auto"):
        monkeypatch.setenv(mirror.VARIABLE, "/no/such/folder")
        assert "BIOROBUST_DATA_MIRROR=/no/such/folder is not a folder" in refused(source)
        monkeypatch.setenv(mirror.VARIABLE, str(small / "mnist"))
        assert "has no mnist/train.parquet" in refused(source)
    monkeypatch.delenv(mirror.VARIABLE)
    assert "BIOROBUST_DATA_MIRROR is not set" in refused("mirror")


def test_a_missing_split_is_named(small):
    (small / "mnist" / "test.parquet").unlink()
    assert "has no mnist/test.parquet" in refused()


@pytest.mark.parametrize("keep", [0, 3, 2000, -1])
def test_a_truncated_file_is_named(small, keep):
    path = small / "mnist" / "test.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    assert refused().startswith(f"{path}: not a readable Parquet file")


def test_damage_inside_a_file_is_named(small):
    path = small / "mnist" / "test.parquet"
    data = bytearray(path.read_bytes())
    data[1000:3000] = bytes(2000)
    path.write_bytes(data)
    assert str(path) in refused()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": ("img", "label")}, "no column image (struct with bytes); it has img, label"),
        ({"columns": ("image", "digit")}, "no integer column label; it has image, digit"),
        ({"label_type": pa.float64()}, "no integer column label"),
        ({"rows": 39}, "39 rows, expected 40"),
        ({"label": 10}, "labels run from 0 to 10, not within 0..9"),
        ({"label": None}, "1 rows without a label"),
        ({"image": None}, "row 7: no readable PNG or JPEG"),
        ({"image": b"no image"}, "row 7: no readable PNG or JPEG"),
        ({"image": png(np.zeros((28, 28), np.uint8))[:50]}, "row 7: no readable PNG or JPEG"),
        ({"image": png(np.zeros((27, 28), np.uint8))}, "row 7: the image is 28x27 L, expected 28x28 L"),
        ({"image": png(np.zeros((28, 28, 3), np.uint8))}, "row 7: the image is 28x28 RGB, expected 28x28 L"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(small, images, change, message):
    change = dict(change)
    pixels, labels = images["test"]
    encoded, labels = [png(image) for image in pixels], labels.tolist()
    rows = change.pop("rows", 40)
    if "image" in change:
        encoded[7] = change.pop("image")
    if "label" in change:
        labels[7] = change.pop("label")
    path = small / "mnist" / "test.parquet"
    write_parquet(path, encoded[:rows], labels[:rows], **change)
    line = refused()
    assert line.startswith(f"{path}: ")
    assert message in line


def test_one_altered_pixel_or_label_is_refused_by_checksum(small, images):
    pixels, labels = images["test"]
    path = small / "mnist" / "test.parquet"
    touched = pixels.copy()
    touched[3, 5, 5] ^= 1
    write_parquet(path, [png(image) for image in touched], labels.tolist())
    found = hashlib.md5(idx_bytes(touched)).hexdigest()
    line = refused()
    assert "mnist/test.parquet" in line
    assert f"t10k-images-idx3-ubyte rebuilt from it has MD5 {found}, not the official" in line
    write_parquet(path, [png(image) for image in pixels], [(label + 1) % 10 for label in labels.tolist()])
    assert "t10k-labels-idx1-ubyte rebuilt from it has MD5" in refused()


def test_decode_reads_colour_jpegs():
    colour = np.zeros((16, 24, 3), np.uint8)
    colour[..., 1] = 200
    assert np.abs(mirror.decode(png(colour, "JPEG"), (16, 24, 3)).astype(int) - colour).max() < 5


# --- the official addresses -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(folder: Path):
    """A web server on this machine; gives its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture
def direct(monkeypatch):
    """No proxy may stand between the tests and this machine."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def served(small, tmp_path, idx_files, monkeypatch, direct):
    """The small set on a web server that torchvision takes for the official one; gives the server's folder."""
    from torchvision.datasets import MNIST

    folder = tmp_path / "served"
    folder.mkdir()
    resources = []
    for name, data in idx_files.items():
        packed = gzip.compress(data, mtime=0)
        (folder / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    with serving(folder) as address:
        monkeypatch.setattr(MNIST, "mirrors", [address])
        monkeypatch.setattr(MNIST, "resources", resources)
        monkeypatch.setattr(mnist, "URLS", (f"{address}train-images-idx3-ubyte.gz",))
        yield folder


RAW = Path("data/work/downloads/mnist/MNIST/raw")


def test_official_and_mirror_give_the_same_bytes(served, idx_files):
    get("mirror", "mirror-out")
    provenance = get("official", "official-out")
    assert Path("mirror-out/mnist.npz").read_bytes() == Path("official-out/mnist.npz").read_bytes()
    assert provenance["source"] == provenance["fidelity"] == "official"
    assert provenance["files"] == {name: hashlib.sha256(data).hexdigest() for name, data in sorted(idx_files.items())}


def test_a_second_run_needs_no_network(served, monkeypatch):
    get("official", "first")
    monkeypatch.setattr(official, "probe", lambda *_: pytest.fail("asked the network"))
    get("official", "second")
    assert Path("first/mnist.npz").read_bytes() == Path("second/mnist.npz").read_bytes()


def test_a_damaged_download_is_refused_by_checksum(served):
    get("official", "first")
    path = RAW / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])
    found = hashlib.md5(path.read_bytes()).hexdigest()
    for source in ("official", "auto"):
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv(mirror.VARIABLE)
            assert refused(source).startswith(f"{path}: MD5 {found}, not the official")


def test_an_interrupted_download_is_taken_up_again(served):
    RAW.mkdir(parents=True)
    (RAW / "train-images-idx3-ubyte.gz").write_bytes(b"half of it")
    get("official")
    assert datasets.load("out/mnist.npz").train_images.shape == (120, 28, 28)


def test_a_server_with_other_files_is_refused(served):
    (served / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"something else"))
    line = refused("official")
    assert line.startswith("mnist: the download into data/work/downloads/mnist failed (Error downloading t10k-labels")


def test_auto_takes_official_when_no_mirror_is_set(served, monkeypatch, capsys):
    monkeypatch.delenv(mirror.VARIABLE)
    assert get("auto")["source"] == "official"
    assert "trying the official addresses, because BIOROBUST_DATA_MIRROR is not set" in capsys.readouterr().err


def test_auto_takes_the_mirror_when_it_is_set_and_says_so(small, capsys):
    assert get("auto")["source"] == "mirror"
    assert "taking the mirror, because BIOROBUST_DATA_MIRROR is set" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["", None])
def test_auto_without_mirror_or_network_takes_the_bundled_data_and_says_so_loudly(small, monkeypatch, capsys, value):
    monkeypatch.delenv(mirror.VARIABLE) if value is None else monkeypatch.setenv(mirror.VARIABLE, value)
    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    assert get("auto")["source"] == "bundled"
    loud = capsys.readouterr().err
    assert "WARNING: mnist: taking the BUNDLED data, because BIOROBUST_DATA_MIRROR is not set, and " in loud
    assert "Name or service not known" in loud
    assert "A stand-in, not MNIST" in loud


def test_the_probed_addresses_are_those_torchvision_uses():
    from torchvision.datasets import MNIST

    assert [f"{address}{MNIST.resources[0][0]}" for address in MNIST.mirrors] == list(mnist.URLS)
    assert [f"{name}.gz" for name in mnist.MD5] == [name for name, _ in MNIST.resources]


# --- no network -----------------------------------------------------------------------------------------------------


def no_name(*_, **__):
    raise socket.gaierror(-2, "Name or service not known")


def test_unknown_hosts_are_named_at_once(monkeypatch, direct):
    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    started = time.monotonic()
    with pytest.raises(
        Unreachable, match=r"mnist: no official address answers \(a\.invalid: .*; b\.invalid: .*Name or"
    ):
        official.probe("mnist", ("https://a.invalid/x", "http://b.invalid/x"))
    assert time.monotonic() - started < 2


def test_a_name_server_that_never_answers_does_not_hold_the_program(monkeypatch, direct):
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(20) and no_name())
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"a\.invalid: no answer in 0\.3 s"):
        official.probe("mnist", ("https://a.invalid/x",), seconds=0.3)
    assert time.monotonic() - started < 2
    released.set()


def test_a_refused_connection_is_named_at_once(direct):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{port}: .*refused"):
        official.probe("mnist", (f"http://127.0.0.1:{port}/x",))
    assert time.monotonic() - started < 2


def test_a_server_that_never_answers_is_given_up(direct):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        started = time.monotonic()
        with pytest.raises(Unreachable, match=r"(no answer in 0\.3 s|timed out)"):
            official.probe("mnist", (url, url), seconds=0.3)
        assert time.monotonic() - started < 2


def test_one_address_that_answers_is_enough(tmp_path, direct):
    (tmp_path / "x").write_text("here")
    with socket.create_server(("127.0.0.1", 0)) as silent, serving(tmp_path) as address:
        port = silent.getsockname()[1]
        official.probe("mnist", (f"http://127.0.0.1:{port}/x", f"{address}nothing", f"{address}x"), seconds=5)
        with pytest.raises(Unreachable, match="File not found"):
            official.probe("mnist", (f"{address}nothing",))


def test_a_download_that_stalls_is_given_up_and_the_timeout_ends_with_it(monkeypatch, tmp_path, direct):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(official, "probe", lambda *_: None)
    monkeypatch.setattr(official, "STALL_SECONDS", 0.2)
    before = socket.getdefaulttimeout()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        # With a limit of its own, so that this test ends too when the one tested is missing.
        limit = threading.Timer(5, silent.close)
        limit.start()
        started = time.monotonic()
        with pytest.raises(Unreachable, match=r"the download into .* failed \(timed out\): run it again"):
            official.fetch("mnist", urls=(url,), read=lambda *_: urllib.request.urlopen(url))
        assert time.monotonic() - started < 2
        limit.cancel()
    assert socket.getdefaulttimeout() == before


# --- the real mirror, where there is one ----------------------------------------------------------------------------


@pytest.mark.skipif(not os.environ.get(mirror.VARIABLE), reason="BIOROBUST_DATA_MIRROR is not set")
def test_mnist_from_the_real_mirror_equals_the_official_files(tmp_path, monkeypatch):
    monkeypatch.setenv(mirror.VARIABLE, str(Path(os.environ[mirror.VARIABLE]).absolute()))
    monkeypatch.chdir(tmp_path)
    provenance = get("mirror", "mirror-out")
    assert (provenance["train"]["n"], provenance["test"]["n"]) == (60_000, 10_000)
    data = datasets.load("mirror-out/mnist.npz")
    assert len(data.tuning) == 10_000

    # The official files, rebuilt: their known MD5 is what the official source checks.
    RAW.mkdir(parents=True)
    for split, name in NAMES.items():
        for kind, array in (("images-idx3", "images"), ("labels-idx1", "labels")):
            (RAW / f"{name}-{kind}-ubyte").write_bytes(mnist.idx(getattr(data, f"{split}_{array}")))
    get("official", "official-out")
    assert Path("mirror-out/mnist.npz").read_bytes() == Path("official-out/mnist.npz").read_bytes()
