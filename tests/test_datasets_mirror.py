"""The mirror, for every registered data set: its images in their order, and anything wrong refused by name."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import toy_datasets
from toy_datasets import encoded, write_parquet

from biorobust import datasets
from biorobust.core.errors import DataError
from biorobust.datasets import DATASETS, mirror

MIRRORED = [name for name, spec in DATASETS.items() if "mirror" in spec.sources]
FEW = ("mnist", "cifar10")  # a grey and a coloured one, for what all have from the same code
# Where one altered pixel is found out: the lossless ones, whose pixels have a known checksum.
CHECKED = ("mnist", "emnist_letters", "svhn")


@pytest.fixture(scope="module")
def toys():
    return {name: toy_datasets.make(name) for name in MIRRORED}


@pytest.fixture(params=MIRRORED)
def name(request):
    return request.param


@pytest.fixture
def toy(name, toys):
    return toys[name]


@pytest.fixture
def folder(name, toy, tmp_path, monkeypatch):
    """A good mirror of the small set, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    toy_datasets.shrink(name, toy, monkeypatch)
    toy_datasets.write_mirror(tmp_path / "mirror", name, toy, monkeypatch)
    return tmp_path / "mirror"


def get(name, source="mirror", to="out"):
    return datasets.get(name, source=source, npz=Path(to, f"{name}.npz"), provenance=Path(to, f"{name}.json"))


def refused(name, source="mirror"):
    """The one line with which `get` refuses; checks that nothing was written."""
    with pytest.raises(DataError) as error:
        get(name, source)
    assert "\n" not in str(error.value)
    assert not Path("out").exists()
    return str(error.value)


def test_the_mirror_gives_the_images_in_their_order(name, toy, folder):
    provenance = get(name)
    data = datasets.load(f"out/{name}.npz")
    for split in ("train", "test"):
        images, labels = getattr(data, f"{split}_images"), getattr(data, f"{split}_labels")
        if split in toy:
            assert np.array_equal(images, toy[split][0])
            assert np.array_equal(labels, toy[split][1])
        else:
            assert (images.shape, labels.shape) == ((0, *DATASETS[name].image_shape), (0,))
    assert (provenance["source"], provenance["fidelity"]) == ("mirror", DATASETS[name].sources["mirror"].fidelity)
    assert provenance["files"] == {
        f"{name}/{split}.parquet": hashlib.sha256((folder / name / f"{split}.parquet").read_bytes()).hexdigest()
        for split in sorted(toy)
    }


@pytest.mark.parametrize("where", ["", "data"])
def test_numbered_parts_give_the_same_file(name, toy, folder, where):
    get(name, to="whole")
    for split, (pixels, labels) in toy.items():
        (folder / name / f"{split}.parquet").unlink()
        images, cut = [encoded(image) for image in pixels], len(labels) // 3
        write_parquet(folder / name / where / f"{split}-00000-of-00002.parquet", images[:cut], labels[:cut].tolist())
        write_parquet(folder / name / where / f"{split}-00001-of-00002.parquet", images[cut:], labels[cut:].tolist())
    provenance = get(name, to="parts")
    assert Path(f"whole/{name}.npz").read_bytes() == Path(f"parts/{name}.npz").read_bytes()
    assert len(provenance["files"]) == 2 * len(toy)
    (folder / name / where / "test-00001-of-00002.parquet").unlink()
    assert "test-00001-of-00002.parquet: missing" in refused(name)


def test_a_mirror_that_is_not_there_is_refused(name, toy, folder, monkeypatch):
    first = next(iter(toy))
    for source in ("mirror", "auto"):
        monkeypatch.setenv(mirror.VARIABLE, "/no/such/folder")
        line = f"BIOROBUST_DATA_MIRROR=/no/such/folder is not a folder: set it to one with {name}/{first}.parquet"
        assert line in refused(name, source)
        monkeypatch.setenv(mirror.VARIABLE, str(folder / name))
        assert f"has no {name}/{first}.parquet" in refused(name, source)
    monkeypatch.delenv(mirror.VARIABLE)
    assert "BIOROBUST_DATA_MIRROR is not set" in refused(name)


@pytest.mark.parametrize("name", FEW, indirect=True)
@pytest.mark.parametrize("keep", [0, 2000, -1])
def test_a_truncated_file_is_named(name, folder, keep):
    path = folder / name / "test.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    assert refused(name).startswith(f"{path}: not a readable Parquet file")


@pytest.mark.parametrize("name", FEW, indirect=True)
def test_damage_inside_a_file_is_named(name, folder):
    path = folder / name / "test.parquet"
    data = bytearray(path.read_bytes())
    data[1000:3000] = bytes(2000)
    path.write_bytes(data)
    assert str(path) in refused(name)


@pytest.mark.parametrize("name", FEW, indirect=True)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": ("img", "label")}, "no column image (struct with bytes); it has img, label"),
        ({"columns": ("image", "digit")}, "no integer column label; it has image, digit"),
        ({"label_type": pa.float64()}, "no integer column label"),
        ({"rows": -1}, "{fewer} rows, expected {n}"),
        ({"label": 1000}, "to 1000, not within 0..{last}"),
        ({"label": -1}, "labels run from -1 to "),
        ({"label": None}, "1 rows without a label"),
        ({"image": lambda _: None}, "row 7: no readable PNG or JPEG"),
        ({"image": lambda _: b"no image"}, "row 7: no readable PNG or JPEG"),
        ({"image": lambda good: encoded(good)[:50]}, "row 7: no readable PNG or JPEG"),
        ({"image": lambda good: encoded(good[1:])}, "row 7: the image is {w}x{less} {mode}, expected {w}x{w} {mode}"),
        ({"image": lambda good: other_mode(good)}, "row 7: the image is {w}x{w} {other}, expected {w}x{w} {mode}"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(name, toy, folder, change, message):
    change = dict(change)
    pixels, labels = toy["test"]
    images, labels = [encoded(image) for image in pixels], labels.tolist()
    rows = change.pop("rows", None)
    if "image" in change:
        images[7] = change.pop("image")(pixels[7])
    if "label" in change:
        labels[7] = change.pop("label")
    path = folder / name / "test.parquet"
    write_parquet(path, images[:rows], labels[:rows], **change)
    line = refused(name)
    assert line.startswith(f"{path}: ")
    spec = DATASETS[name]
    mode, other = ("RGB", "L") if len(spec.image_shape) == 3 else ("L", "RGB")
    n, side = len(labels), spec.image_shape[0]
    words = {"n": n, "fewer": n - 1, "w": side, "less": side - 1, "last": spec.n_classes - 1}
    assert message.format(mode=mode, other=other, **words) in line


def other_mode(image):
    return encoded(image[:, :, 0] if image.ndim == 3 else np.stack([image] * 3, axis=2))


@pytest.mark.parametrize("name", CHECKED, indirect=True)
@pytest.mark.parametrize("altered", ["images", "labels"])
def test_one_altered_pixel_or_label_is_refused_by_checksum(name, toy, folder, altered):
    pixels, labels = (array.copy() for array in toy["test"])
    if altered == "images":
        pixels[3, 5, 5] ^= 1
    else:
        labels[3] = (labels[3] + 1) % 10
    write_parquet(folder / name / "test.parquet", [encoded(image) for image in pixels], labels.tolist())
    line = refused(name)
    assert line.startswith(f"{name}/test.parquet in BIOROBUST_DATA_MIRROR: ")
    if name == "svhn":
        found = toy_datasets.pixels_sha256(pixels, labels)
        assert f"pixels and labels have SHA-256 {found}, not {toy_datasets.pixels_sha256(*toy['test'])}" in line
    else:
        files = toy_datasets.idx_files(name, {"test": (pixels, labels)})
        file, data = next((file, data) for file, data in files.items() if f"-{altered}-" in file)
        assert f"{file} rebuilt from it has MD5 {hashlib.md5(data).hexdigest()}, not the official" in line


def in_parts(folder, pair, split, names):
    """The split in the place of its one file, cut into a part for every name."""
    (folder / f"{split}.parquet").unlink(missing_ok=True)
    for part, name in enumerate(names):
        rows = slice(part, None, len(names))
        write_parquet(folder / f"{split}-{name}.parquet", [encoded(image) for image in pair[0][rows]], pair[1][rows])


@pytest.mark.parametrize("name", ["imagenet_samples"], indirect=True)
def test_parts_as_the_hub_names_them(name, toy, folder):
    names = ["00000-of-00002-0123456789abcdef", "00001-of-00002-9876543210987654"]
    order = np.r_[0 : len(toy["test"][1]) : 2, 1 : len(toy["test"][1]) : 2]
    back = np.argsort(order)
    in_parts(folder / name, tuple(array[back] for array in toy["test"]), "test", names)
    provenance = get(name)
    assert list(provenance["files"]) == [f"{name}/test-{part}.parquet" for part in names]
    assert np.array_equal(datasets.load(f"out/{name}.npz").test_images, toy["test"][0][back][order])


@pytest.mark.parametrize("name", ["imagenet_samples"], indirect=True)
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["00000-of-00002-0123456789012345"], "test-00001-of-00002.parquet: missing"),
        (["00000-of-00001-0123456789012345", "00000-of-00001-1123456789012345"], "missing, or parts of two sets"),
        (["00000-of-00001", "00000-of-00002", "00001-of-00002"], "missing, or parts of two sets"),
        (["0-of-1"], "test-0-of-1.parquet: not named like test-00000-of-00002.parquet"),
        (["00000-of-\u0660\u0660\u0660\u0660\u0661"], "not named like"),
    ],
)
def test_parts_that_are_no_set_are_refused(name, toy, folder, names, message):
    in_parts(folder / name, toy["test"], "test", names)
    assert message in refused(name)


@pytest.mark.parametrize("name", FEW, indirect=True)
def test_a_doubled_column_is_refused(name, toy, folder):
    path = folder / name / "test.parquet"
    for column in ("image", "label"):
        table = pa.parquet.read_table(path)
        pa.parquet.write_table(table.append_column(column, table[column]), path)
        assert refused(name) == f"{path}: 2 columns are called {column}: get another file"
        pa.parquet.write_table(table, path)


@pytest.mark.parametrize("name", FEW, indirect=True)
def test_equal_images_are_refused(name, toy, folder):
    pixels, labels = toy["test"]
    path = folder / name / "test.parquet"
    write_parquet(path, [encoded(pixels[0])] * len(labels), labels.tolist())
    assert f"{path}: {len(labels) - 1} of {len(labels)} images are copies of another one" in refused(name)


@pytest.mark.parametrize("name", ["cifar10"], indirect=True)
def test_cifar_is_told_by_its_classes_and_colours(name, toy, folder):
    """Its mirror is lossy, so no checksum can say that it is another data set."""
    pixels, labels = toy["train"]
    path = folder / name / "train.parquet"
    write_parquet(path, [encoded(image) for image in pixels], (labels % 5).tolist())
    assert "cifar10/train.parquet in BIOROBUST_DATA_MIRROR: 0 to 24 images of a class" in refused(name)
    write_parquet(path, [encoded(image // 2) for image in pixels], labels.tolist())
    assert "the mean colour is 0.24" in refused(name)


@pytest.mark.parametrize("name", ["imagenet_samples"], indirect=True)
def test_other_classes_than_every_fourth_are_refused(name, toy, folder):
    pixels, labels = toy["test"]
    path = folder / name / "test.parquet"
    write_parquet(path, [encoded(image) for image in pixels], (labels + 1).tolist())
    assert "imagenet_samples/test.parquet in BIOROBUST_DATA_MIRROR: labels are not 0, 4, 8" in refused(name)


def test_decode_reads_colour_jpegs():
    colour = np.zeros((16, 24, 3), np.uint8)
    colour[..., 1] = 200
    assert np.abs(mirror.decode(encoded(colour, "JPEG"), (16, 24, 3)).astype(int) - colour).max() < 5


# --- the real mirror, where there is one ---


@pytest.mark.skipif(not os.environ.get(mirror.VARIABLE), reason="BIOROBUST_DATA_MIRROR is not set")
@pytest.mark.parametrize(
    ("real", "train", "test"),
    [
        ("mnist", 60_000, 10_000),
        ("emnist_letters", 124_800, 20_800),
        ("cifar10", 50_000, 10_000),
        ("svhn", 16_902, 3_756),
        ("imagenet_samples", 0, 250),
    ],
)
def test_the_real_mirror_is_what_the_library_expects(real, train, test, tmp_path, monkeypatch):
    # Most of the time would go into packing the file, which the other tests see to.
    monkeypatch.setenv(mirror.VARIABLE, str(Path(os.environ[mirror.VARIABLE]).absolute()))
    monkeypatch.chdir(tmp_path)
    if not Path(os.environ[mirror.VARIABLE], real).is_dir():
        pytest.skip(f"the mirror has no {real}")
    found = DATASETS[real].sources["mirror"].fetch()
    assert tuple(len(split.labels) for split in found) == (train, test)
    assert all(split.images.shape[1:] == DATASETS[real].image_shape for split in found)
