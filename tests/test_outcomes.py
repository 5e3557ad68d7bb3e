"""The packed file of which images each training gets right: what is written is read again, and damage is one line."""

import json

import numpy as np
import pytest

from biorobust.core import outcomes
from biorobust.core.errors import BiorobustError
from biorobust.core.files import write_npz
from biorobust.core.outcomes import Outcome

# 11 and 13 images: neither fills its last byte.
FIRST, SECOND = np.array([3, 0, 7, 12, 9, 1, 4, 10, 2, 5, 8]), np.arange(13)


def made_up():
    rng = np.random.default_rng(0)

    def outcome(index, *seeds):
        return Outcome(seeds, index, rng.random((len(seeds), len(index))) < 0.6)

    return {
        outcomes.cell("a", outcomes.CLEAN, 0.0): outcome(SECOND, 0, 1, 2),
        outcomes.cell("a", "pgd", 0.031): outcome(FIRST, 0, 1, 2),
        outcomes.cell("b", "pgd", 0.031): outcome(FIRST, 5),
        outcomes.cell("b", "pgd", 0.05 * 3): Outcome((5,), FIRST, np.ones((1, 11), bool)),
    }


@pytest.fixture
def path(tmp_path):
    outcomes.write(tmp_path / "study.npz", made_up())
    return tmp_path / "study.npz"


def test_what_is_written_is_read(path):
    found, wanted = outcomes.read(path), made_up()
    assert list(found) == list(wanted)
    for cell, outcome in wanted.items():
        assert found[cell].seeds == outcome.seeds
        assert found[cell].right.dtype == bool
        np.testing.assert_array_equal(found[cell].images, outcome.images)
        np.testing.assert_array_equal(found[cell].right, outcome.right)


def test_equal_outcomes_give_equal_bytes(path, tmp_path):
    again = tmp_path / "again.npz"
    for equal in (made_up(), outcomes.read(path)):
        outcomes.write(again, equal)
        assert again.read_bytes() == path.read_bytes()


def test_an_image_costs_a_bit_and_equal_images_are_listed_once(tmp_path):
    right = np.random.default_rng(0).random((5, 3, 10_000)) < 0.5
    cells = {outcomes.cell("run", "pgd", i): Outcome((0, 1, 2), np.arange(10_000), of) for i, of in enumerate(right)}
    outcomes.write(tmp_path / "study.npz", cells)
    assert (tmp_path / "study.npz").stat().st_size < right.size / 8 + 20_000  # one list of images takes 16 kB


@pytest.mark.parametrize(("seeds", "kind"), [((0, 1), bool), ((0,), int)])
def test_arrays_that_do_not_fit_are_refused_and_leave_nothing(tmp_path, seeds, kind):
    outcome = Outcome(seeds, FIRST, np.ones((1, 11), kind))
    with pytest.raises(ValueError, match="need bool of shape"):
        outcomes.write(tmp_path / "study.npz", {outcomes.cell("a", "pgd", 0.1): outcome})
    assert list(tmp_path.iterdir()) == []


def refused(path):
    """Whether a file is refused, in one clear line."""
    try:
        outcomes.read(path)
    except BiorobustError as error:
        said = str(error)
        assert str(path) in said
        assert "dvc repro" in said
        assert "\n" not in said
        return True
    return False


def test_no_damaged_byte_gives_anything_but_outcomes_or_one_clear_line(path):
    whole = path.read_bytes()
    places = range(0, len(whole), 13)
    n_refused = 0
    for position in places:
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        n_refused += refused(path)
    assert n_refused > len(places) / 4


def test_another_files_content_is_one_clear_line(path):
    path.write_text("a,b,attack\n")
    assert refused(path)
    write_npz(path, {"index-0": FIRST})
    assert refused(path)
    path.unlink()
    assert refused(path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda entries: entries[0].update(seeds=[0, 1]),  # of three rows
        lambda entries: entries[0].update(index=7),
        lambda entries: entries[0].pop("eps"),
        lambda entries: entries.__setitem__(0, "a"),
    ],
)
def test_a_table_of_contents_that_does_not_fit_is_one_clear_line(path, spoil):
    with np.load(path) as stored:
        arrays = dict(stored)
    entries = json.loads(arrays["cells"].tobytes())
    spoil(entries)
    write_npz(path, {**arrays, "cells": np.frombuffer(json.dumps(entries).encode(), dtype=np.uint8)})
    assert refused(path)
