"""A study recorded part by part: older runs stand in for networks that the newest one lacks, and for nothing else."""

import numpy as np
import pytest
from report_checkout import alone, copied, draw_and_tabulate, edit, record, text, write_checkout

from biorobust.core import outcomes
from biorobust.core.files import read_json, write_json
from biorobust.reporting import snapshot
from biorobust.reporting.estimates import accuracy
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.render import render
from biorobust.reporting.source import recorded

LACKED, HAD = "report-uniform", "report-normal"
only_hebbian = alone("hebbian")


def without(*runs):
    """For `write_checkout`: some networks were left out, and their curves and outcomes are empty."""

    def change(metrics):
        for run in runs:
            for path in (metrics / f"train/{run}.json", metrics / f"attack/{run}.json"):
                kept = {
                    key: value for key, value in read_json(path).items() if key in ("run", "study", "scale", "dataset")
                }
                write_json(path, kept | {"status": "unavailable", "reason": "not at this scale (paper)"})
            (metrics / f"curves/{run}.csv").unlink()
        path = metrics / "outcomes/hebbian.npz"
        outcomes.write(path, {cell: of for cell, of in outcomes.read(path).items() if cell.run not in runs})

    return change


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A checkout with a whole recorded run and a newer one without a network, and the one this was recorded from."""
    root, newer, whole = (tmp_path_factory.mktemp(name) for name in ("here", "newer", "whole"))
    write_checkout(root, scale="tiny", fidelity="stand-in", seeds=(0,))
    date(record(root, write_checkout(whole), "whole"), "2026-01-01T00:00:00+00:00")
    record(root, write_checkout(newer, change=without(LACKED), seeds=(3, 4, 5)), "part")
    return root, newer, whole


@pytest.fixture
def parts(made, tmp_path):
    """A copy of that checkout: (root, folders of the metrics of both runs)."""
    root = copied(made[0], tmp_path)
    return root, root / "reports/recorded/part/metrics", root / "reports/recorded/whole/metrics"


def date(path, when):
    write_json(path / "manifest.json", read_json(path / "manifest.json") | {"recorded_at": when})


def source(root):
    return recorded(snapshot.snapshots(root / snapshot.RECORDED), "hebbian")


def test_a_network_that_the_newest_run_lacks_comes_whole_from_the_one_before(parts):
    _, newer, older = parts
    both, old, new = Measurements(newer, older), Measurements(older), Measurements(newer)
    assert new.ran(f"train/{LACKED}") is None
    assert accuracy(both, LACKED) == accuracy(old, LACKED)
    assert both.curve(LACKED) == old.curve(LACKED)
    assert both.path(f"attack/{LACKED}").is_relative_to(older)
    assert accuracy(both, HAD) == accuracy(new, HAD)
    assert accuracy(both, HAD, attack="fgsm-report", eps=0.1) == accuracy(new, HAD, attack="fgsm-report", eps=0.1)
    kept, first = both.outcomes("hebbian"), outcomes.cell(LACKED, outcomes.CLEAN, 0.0)
    assert np.array_equal(kept[first].right, old.outcomes("hebbian")[first].right)
    assert kept[outcomes.cell(HAD, outcomes.CLEAN, 0.0)].seeds == (3, 4, 5)


def test_so_does_what_belongs_to_other_trainings(parts):
    _, newer, older = parts
    path = newer / "pretrain/uniform.json"
    write_json(path, read_json(path) | {"status": "unavailable", "reason": "not at this scale (paper)"})
    both = Measurements(newer, older)
    assert both.path("pretrain/uniform").is_relative_to(older)
    assert both.file("curves/weights-uniform.csv").is_relative_to(older)
    assert both.file("curves/weights-normal.csv").is_relative_to(newer)


def test_what_no_run_has_is_explained_by_the_one_that_knows_why(parts):
    _, newer, older = parts
    path = older / f"train/{LACKED}.json"
    write_json(path, read_json(newer / f"train/{LACKED}.json") | {"reason": "its file cannot be had"})
    assert Measurements(newer, older).get(f"train/{LACKED}")["reason"] == "its file cannot be had"
    assert Measurements(newer, older).get("train/added-since") is None


def test_nothing_of_an_older_network_is_mixed_into_a_newer_one(parts):
    _, newer, older = parts
    (newer / f"curves/{HAD}.csv").unlink()
    (newer / f"attack/{HAD}.json").unlink()
    both = Measurements(newer, older)
    assert both.curve(HAD) is None
    assert both.get(f"attack/{HAD}") is None


def test_the_report_shows_all_networks_and_names_both_runs(parts):
    root, *folders = parts
    assert source(root).folders == tuple(folders)
    draw_and_tabulate(root)
    page = render(root).html
    assert "All numbers here are of recorded runs part and whole" in text(page)
    assert page.count("<h3>Recorded run part</h3>") == page.count("<h3>Recorded run whole</h3>") == 1


def test_a_run_that_adds_nothing_is_not_named(parts, made):
    date(record(parts[0], made[2], "again"), "2099-01-01T00:00:00+00:00")
    assert source(parts[0]).label == "recorded run again"


def test_other_data_are_not_mixed_in(parts, made, tmp_path):
    other = copied(made[1], tmp_path / "other")
    edit(other, "data/mnist", lambda content: content.update(sha256="9" * 64))
    date(record(parts[0], other, "other-data"), "2099-01-01T00:00:00+00:00")
    assert source(parts[0]).label == "recorded run other-data"
