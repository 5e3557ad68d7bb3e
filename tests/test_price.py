"""What deciding an open claim takes, on trainings whose cost is known."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from small_metrics import accuracy, judged, network, order

from biorobust.reporting.claims import judge
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.price import GPU, price

HOUR = 3600


def run(hours, *, threads=1):
    """The notes and outputs of a run in which the stage of network a, and that of b, took so many hours."""
    notes = {name: {"wall_seconds": 1, "total_seconds": hours * HOUR, "threads": threads} for name in ("one", "two")}
    outs = {"one": "reports/metrics/train/a.json", "two": "reports/metrics/train/b.json"}
    return SimpleNamespace(notes=notes, outputs={stage: (path,) for stage, path in outs.items()})


def priced(root, item, *, hours=1.0, **more):
    return price(item, metrics=Measurements(root), runs={root: run(hours, **more)}, printed={})


def open_claim(root, *, a=(800, 812, 788), b=(790, 805, 775), **flags):
    network(root, "a", a, **flags)
    network(root, "b", b)
    item = judged(root, order(accuracy("a"), accuracy("b")))
    assert item.verdict == "inconclusive"
    return item


def test_more_trainings_until_the_interval_leaves_the_border(tmp_path):
    found = priced(tmp_path, open_claim(tmp_path))
    assert found.more in (2, 4, 8, 16, 32, 64)
    assert found.hours == pytest.approx(2 * found.more)
    assert found.learns
    assert priced(tmp_path, open_claim(tmp_path), threads=2).hours == pytest.approx(4 * found.more)


def test_a_difference_at_its_border_is_never_decided(tmp_path):
    network(tmp_path, "a", (800, 812, 788))
    border = judged(tmp_path, {"label": "x", "rule": "threshold", "quantity": accuracy("a"), "at_least": 0.8})
    assert border.verdict == "inconclusive"
    assert priced(tmp_path, border).more is None


def test_a_run_that_is_too_small_is_priced_at_the_size_that_the_claim_needs(tmp_path):
    network(tmp_path, "a", (800,))
    network(tmp_path, "b", (700,))
    claim = judged(tmp_path, order(accuracy("a"), accuracy("b"))).claim
    asked = (("train/a", {"epochs": {"at_least": 40, "reported": 60}}),)
    claim = replace(claim, checks=tuple(replace(check, requires=asked) for check in claim.checks))
    (item,) = judge([claim], Measurements(tmp_path))
    assert item.verdict == "not run"
    assert priced(tmp_path, item, hours=2).hours == pytest.approx(2 * 2 * 3)  # 20 epochs of 60, two networks


def test_a_training_that_did_not_learn_is_made_again(tmp_path):
    found = priced(tmp_path, open_claim(tmp_path, a=(800, 812, 100), collapsed=(False, False, True)), hours=4)
    assert not found.learns
    assert found.hours >= 8
    assert found.gpu == (found.hours > GPU)


def test_a_stage_that_makes_several_runs_is_found_by_its_folder(tmp_path):
    item = open_claim(tmp_path)
    for name in "ab":
        (tmp_path / "group/train").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"train/{name}.json").rename(tmp_path / f"group/train/{name}.json")
    group = run(3)
    group.outputs = {"one": ("reports/metrics/group",)}
    found = price(item, metrics=Measurements(tmp_path), runs={tmp_path: group}, printed={})
    assert found.hours == pytest.approx(3 * found.more)


def test_a_part_that_nobody_can_price_makes_it_a_lower_bound(tmp_path):
    both = order(accuracy("a"), accuracy("b")), order(accuracy("a"), accuracy("c"))
    for name, correct in {"a": (800, 812, 788), "b": (790, 805, 775), "c": (790, 805, 775)}.items():
        network(tmp_path, name, correct)
    alone, all_of_it = (priced(tmp_path, judged(tmp_path, *parts)) for parts in (both[:1], both))
    assert (alone.complete, all_of_it.complete) == (True, False)
    assert alone.hours == all_of_it.hours


def test_only_what_is_open_and_was_measured_is_priced_in_hours_where_they_are_known(tmp_path):
    network(tmp_path, "a", (900, 905, 895))
    network(tmp_path, "b", (760, 765, 755))
    assert priced(tmp_path, judged(tmp_path, order(accuracy("a"), accuracy("b")))) is None
    item = open_claim(tmp_path)
    unknown = run(1)
    del unknown.notes["one"]["total_seconds"]  # an old note: the time of its last start alone
    found = price(item, metrics=Measurements(tmp_path), runs={tmp_path: unknown}, printed={})
    assert not found.complete
    assert found.hours == found.more  # of the other stage
    del unknown.notes["two"]["total_seconds"]
    assert price(item, metrics=Measurements(tmp_path), runs={tmp_path: unknown}, printed={}).hours == 0
    (tmp_path / "train/b.json").unlink()
    (again,) = judge([item.claim], Measurements(tmp_path))
    assert priced(tmp_path, again) is None
