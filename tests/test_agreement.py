"""Small runs beside large ones: headline effects that point the same way, and a study in at most fifteen numbers."""

from importlib import import_module

import pytest
from report_checkout import FAKES, ROOT
from small_metrics import EPS, network

from biorobust.core.files import read_json
from biorobust.reporting import agreement
from biorobust.reporting.effects import MISSING, OTHER, SAME, SMALL, tally
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.registry import STUDIES, read_params
from biorobust.reporting.summary import summary

CLEAN = "plain above the V1 stage without an attack"


def run(root, plain, v1):
    """A run with right answers of 1000 images, a number for each training; no file where there is none."""
    for name, correct in (("resnet50", plain), ("voneresnet50", v1)):
        if correct:
            network(root, name, correct)
    return Measurements(root)


def of(name):
    return STUDIES[name](read_params(ROOT / "params.yaml"))


def effect(now, recorded, words=CLEAN, study="vonenet"):
    return next(item for item in agreement.compared(of(study), now, recorded) if item.effect.words == words)


# Of 1000 images each, 30 points are far more than an interval holds and 1 point is far less.
@pytest.mark.parametrize(
    ("now", "recorded", "word"),
    [
        (([800], [700]), ([900], [500]), SAME),
        (([500], [900]), ([700], [800]), SAME),  # both below 0: the same direction, whatever the effect is called
        (([700], [800]), ([900], [500]), OTHER),
        (([800], [790]), ([900], [500]), SMALL),  # this run cannot see it
        (([790], [800]), ([900], [500]), SMALL),  # and a value on the other side of 0 is none either
        (([900], [500]), ([800], [790]), SMALL),  # nor can the recorded one
        (([800], [700]), ([900], []), MISSING),
    ],
)
def test_an_effect_points_somewhere_only_where_its_interval_excludes_zero(now, recorded, word, tmp_path):
    found = effect(run(tmp_path / "now", *now), run(tmp_path / "recorded", *recorded))
    assert found.word == word
    for side in (found.now, found.recorded):
        assert side is None or side.low <= side.value <= side.high


def test_trainings_that_scatter_hide_an_effect_that_one_training_shows(tmp_path):
    recorded = run(tmp_path / "recorded", [900], [500])
    assert effect(run(tmp_path / "one", [800], [700]), recorded).word == SAME
    assert effect(run(tmp_path / "three", [800, 950, 650], [700, 550, 850]), recorded).word == SMALL


def test_without_a_recorded_run_every_effect_is_not_run(tmp_path):
    found = effect(run(tmp_path, [800], [700]), None)
    assert (found.word, found.recorded) == (MISSING, None)
    assert found.now.value == pytest.approx(0.1)


def test_a_run_without_the_first_network_of_an_effect_is_asked_with_the_next(tmp_path):
    words = "ReLU above k-WTA-0.1 without an attack"
    for cell, right in (("fast-cifar10-scratch", (600, 400)), ("resnet18-svhn-scratch", (900, 800))):
        for row, correct in zip(("relu", "kwta-low"), right, strict=True):
            network(tmp_path / cell, f"{cell}-{row}", [correct], study="kwta")
    fast, large = (Measurements(tmp_path / name) for name in ("fast-cifar10-scratch", "resnet18-svhn-scratch"))
    found = effect(fast, large, words, "kwta")
    assert found.word == SAME
    assert [side.value for side in (found.now, found.recorded) if side] == pytest.approx([0.2, 0.1])


def test_words_are_counted_against_all_effects():
    assert tally([SAME, SMALL, SAME, OTHER, SMALL]) == "same direction: 2 of 5; other direction: 1; too small to see: 2"
    assert tally([MISSING]) == "same direction: 0 of 1; not run: 1"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Every study with every run of params.yaml."""
    root = tmp_path_factory.mktemp("made")
    for name, fake in FAKES.items():
        fake.write_metrics(root / name, scale="paper")
    return {name: Measurements(root / name) for name in FAKES}


@pytest.mark.parametrize("study", list(STUDIES))
def test_every_effect_is_of_networks_and_attacks_that_are_run(study, made):
    found = agreement.compared(of(study), made[study], made[study])
    assert found
    assert [item.effect.words for item in found if item.word == MISSING] == []
    assert [item.effect.words for item in found if item.word == OTHER] == []


# --- a study in at most fifteen numbers ---


@pytest.mark.parametrize("study", list(STUDIES))
def test_a_study_is_at_most_fifteen_numbers_in_percent(study, made):
    found, asked = summary(study, made[study]), import_module(f"biorobust.{study}.report.summary")
    assert set(asked.ROWS.values()) <= set(of(study).networks)
    assert set(found) == {f"{row}_{column}" for row in asked.ROWS for column, *_ in asked.COLUMNS}
    assert 0 < len(found) <= 15
    for value in found.values():  # flat: DVC shows one column for each
        assert isinstance(value, float)
        assert 0 <= value <= 100
    assert max(found.values()) > 1


@pytest.mark.parametrize("study", list(STUDIES))
def test_its_numbers_are_those_of_the_metrics(study, made):
    found, asked = summary(study, made[study]), import_module(f"biorobust.{study}.report.summary")
    for row, name in asked.ROWS.items():
        seeds = (made[study].get(f"train/{name}") or {})["per_seed"]
        mean = sum(seed["correct"] / seed["n"] for seed in seeds) / len(seeds)
        assert found[f"{row}_clean"] == pytest.approx(100 * mean, abs=0.005)
        attacked = made[study].get(f"attack/{name}") or {}
        for column, attack, eps, _ in asked.COLUMNS:
            if attack is not None:
                seeds = attacked["attacks"][attack]["per_seed"]
                at = [round(value, 6) for value in attacked["eps"]].index(eps)
                mean = sum(seed["correct"][at] / seed["n"] for seed in seeds) / len(seeds)
                assert found[f"{row}_{column}"] == pytest.approx(100 * mean, abs=0.005)


def test_what_was_not_run_is_left_out(tmp_path):
    assert summary("vonenet", Measurements(tmp_path)) == {}
    attacked = {"pgd-cross-entropy": [{"correct": [300]}]}
    network(tmp_path, "resnet50", [800], attacked=attacked)
    network(tmp_path, "voneresnet50", [700])
    path = tmp_path / "attack/resnet50.json"
    assert read_json(path)["eps"] == [EPS]  # none of the summary's
    assert summary("vonenet", Measurements(tmp_path)) == {"resnet_clean": 80.0, "vone_clean": 70.0}
