"""The mirror, for every registered data set: its images in their order, and anything wrong refused by name."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import toy_datasets
from toy_datasets import encoded, get, refused, write_parquet

from biorobust import datasets
from biorobust.datasets import DATASETS, mirror

MIRRORED = [name for name, spec in DATASETS.items() if "mirror" in spec.sources]
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


@pytest.mark.parametrize(
    ("name", "where", "ends"),
    [("mnist", "", ("", "")), ("imagenet_samples", "data", ("-9876543210987654", "-0123456789abcdef"))],  # the hub's
    indirect=["name"],
)
def test_numbered_parts_give_the_same_file(name, toy, folder, where, ends):
    get(name, to="whole")
    for split, (pixels, labels) in toy.items():
        (folder / name / f"{split}.parquet").unlink()
        images, third = [encoded(image) for image in pixels], len(labels) // 3
        for i, rows in enumerate((slice(third), slice(third, None))):
            path = folder / name / where / f"{split}-0000{i}-of-00002{ends[i]}.parquet"
            write_parquet(path, images[rows], labels[rows].tolist())
    provenance = get(name, to="parts")
    assert Path(f"whole/{name}.npz").read_bytes() == Path(f"parts/{name}.npz").read_bytes()
    assert len(provenance["files"]) == 2 * len(toy)
    (folder / name / where / f"test-00001-of-00002{ends[1]}.parquet").unlink()
    assert "test-00001-of-00002.parquet: missing" in refused(name)


@pytest.mark.parametrize("name", ["mnist", "imagenet_samples"], indirect=True)
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


@pytest.mark.parametrize("name", ["cifar10"], indirect=True)
def test_a_damaged_file_is_named(name, folder):
    path = folder / name / "test.parquet"
    whole = path.read_bytes()
    for data in (b"", whole[:2000], whole[:-1]):
        path.write_bytes(data)
        assert refused(name).startswith(f"{path}: not a readable Parquet file")
    path.write_bytes(whole[:1000] + bytes(2000) + whole[3000:])
    assert str(path) in refused(name)


@pytest.mark.parametrize("name", ["mnist"], indirect=True)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": ("img", "label")}, "no column image (struct with bytes); it has img, label"),
        ({"columns": ("image", "digit")}, "no integer column label; it has image, digit"),
        ({"label_type": pa.float64()}, "no integer column label"),
        ({"rows": -1}, "39 rows, expected 40"),
        ({"label": 1000}, "to 1000, not within 0..9"),
        ({"label": -1}, "labels run from -1 to "),
        ({"label": None}, "1 rows without a label"),
        ({"image": lambda _: None}, "row 7: no readable PNG or JPEG"),
        ({"image": lambda good: encoded(good)[:50]}, "row 7: no readable PNG or JPEG"),
        ({"image": lambda good: encoded(good[1:])}, "row 7: the image is 28x27 L, expected 28x28 L"),
        ({"image": lambda good: encoded(np.stack([good] * 3, axis=2))}, "row 7: the image is 28x28 RGB, expected 28"),
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
    assert message in line


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


@pytest.mark.parametrize("name", ["imagenet_samples"], indirect=True)
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["00000-of-00002-0123456789012345"], "test-00001-of-00002.parquet: missing"),
        (["00000-of-00001-0123456789012345", "00000-of-00001-1123456789012345"], "missing, or parts of two sets"),
        (["0-of-1"], "test-0-of-1.parquet: not named like test-00000-of-00002.parquet"),
        (["00000-of-\u0660\u0660\u0660\u0660\u0661"], "not named like"),
    ],
)
def test_parts_that_are_no_set_are_refused(name, toy, folder, names, message):
    (folder / name / "test.parquet").unlink()
    for part, named in enumerate(names):
        rows = slice(part, None, len(names))
        images, labels = toy["test"]
        write_parquet(folder / name / f"test-{named}.parquet", [encoded(image) for image in images[rows]], labels[rows])
    assert message in refused(name)


@pytest.mark.parametrize("name", ["cifar10"], indirect=True)
def test_a_doubled_column_and_equal_images_are_refused(name, toy, folder):
    path = folder / name / "test.parquet"
    table = pa.parquet.read_table(path)
    pa.parquet.write_table(table.append_column("label", table["label"]), path)
    assert refused(name) == f"{path}: 2 columns are called label: get another file"
    pixels, labels = toy["test"]
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


def test_decode_reads_jpegs_of_its_colours():
    colour = np.zeros((16, 24, 3), np.uint8)
    colour[..., 1] = 200
    assert np.abs(mirror.decode(encoded(colour, "JPEG"), (16, 24, 3)).astype(int) - colour).max() < 5
    with pytest.raises(ValueError, match="the image is 24x16 L, expected 24x16 RGB"):
        mirror.decode(encoded(colour[..., 1]), (16, 24, 3))


# --- the real mirror, where there is one ---


@pytest.mark.skipif(not os.environ.get(mirror.VARIABLE), reason="BIOROBUST_DATA_MIRROR is not set")
@pytest.mark.parametrize(
    ("real", "sizes"),
    [
        ("mnist", (60_000, 10_000)),
        ("emnist_letters", (124_800, 20_800)),
        ("cifar10", (50_000, 10_000)),
        ("svhn", (16_902, 3_756)),
        ("imagenet_samples", (0, 250)),
    ],
)
def test_the_real_mirror_is_what_the_library_expects(real, sizes):
    root = Path(os.environ[mirror.VARIABLE])
    if not (root / real).is_dir():
        pytest.skip(f"the mirror has no {real}")
    splits = [split for split, n in zip(("train", "test"), sizes, strict=True) if n]
    rows = [sum(pa.parquet.read_metadata(path).num_rows for path in mirror.find(root, real, s)) for s in splits]
    assert rows == [n for n in sizes if n]
    if real in ("mnist", "svhn", "imagenet_samples"):  # to decode the others takes long
        found = DATASETS[real].sources["mirror"].fetch()
        assert tuple(len(split.labels) for split in found) == sizes
