"""What a result cost: seconds of all starts that made it, whether they were interrupted or left states for another."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from biorobust.core import work
from biorobust.core.files import read_json
from stages.common import run_info

ROOT = Path(__file__).parent.parent
LONG = 5.0  # seconds that the work on a state takes, by a clock that nothing else moves
clock = SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(work, "time", clock)
    for name in ("BIOROBUST_WORK", "BIOROBUST_KEEP_STATES"):
        monkeypatch.delenv(name, raising=False)
    shutil.copy(ROOT / "params.yaml", tmp_path)


def compute(name):
    """A piece of work that a restart finds done."""

    def slow():
        clock.now += LONG
        return {"name": name}

    assert work.once(work.state_path(name, {}, code=(work,)), slow) == {"name": name}


def note(stage="a"):
    return read_json(f"reports/run_info/{stage}.json")


def test_an_undisturbed_stage_cost_its_only_start():
    with run_info("a"):
        compute("one")
    assert note()["starts"] == 1
    assert note()["total_seconds"] == note()["wall_seconds"] == LONG
    assert list(Path("data/work").iterdir()) == []


def test_interrupted_starts_count_whether_or_not_they_left_a_state():
    for pieces in (["one"], [], ["one", "two"]):
        with pytest.raises(KeyboardInterrupt), run_info("a"):  # noqa: PT012
            for piece in pieces:
                compute(piece)
            clock.now += 1
            raise KeyboardInterrupt
    with run_info("b"):  # another stage
        compute("three")
    assert note("b")["starts"] == 1
    with run_info("a"):
        for piece in ("one", "two"):
            compute(piece)
    assert note()["starts"] == 4
    assert (note()["wall_seconds"], note()["total_seconds"]) == (0, 2 * LONG + 3)
    assert list(Path("data/work").iterdir()) == []


def test_states_bring_the_time_of_those_who_made_them(monkeypatch):
    """A finished stage that kept its states, and a process that made one for the stage to find."""
    monkeypatch.setenv("BIOROBUST_KEEP_STATES", "1")
    with run_info("a"):
        compute("one")
        clock.now += 2 * LONG  # an evaluation, which the next start does itself
    work.begin("a process of one piece", settings="other")
    compute("two")
    with run_info("a"):
        compute("one")
        compute("two")
    assert note()["starts"] == 3
    assert (note()["wall_seconds"], note()["total_seconds"]) == (0, 2 * LONG)


def test_starts_with_other_parameters_cost_something_else():
    with pytest.raises(KeyboardInterrupt), run_info("a"):
        raise KeyboardInterrupt
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("gamma: 0.2", "gamma: 0.3"))
    with run_info("a"):
        pass
    assert note()["starts"] == 1
