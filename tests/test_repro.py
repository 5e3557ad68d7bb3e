"""`make repro` on a small graph: what it says before, during and after, and that DVC's own errors come through."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from stages import repro
from stages.record import set_values

ROOT = Path(__file__).resolve().parent.parent
UP_TO_DATE = "Data and pipelines are up to date."
# A line of three stages: the second writes the same whatever the first says, the third copies the second. And one that
# gets data, where nothing has to be done.
STAGES = {
    "first": {"cmd": "python -c \"open('a', 'w').write(open('in').read())\"", "deps": ["in"], "outs": ["a"]},
    "second": {
        "cmd": "python -c \"open('b', 'w').write('same')\"",
        "deps": ["a"],
        "outs": ["b"],
        "params": ["kwta.gamma", "relu"],
    },
    "third": {"cmd": "python -c \"open('c', 'w').write(open('b').read())\"", "deps": ["b"], "outs": ["c"]},
    "download": {"foreach": ["mnist"], "do": {"cmd": "echo again >> log", "outs": [{"log": {"persist": True}}]}},
}
NAMES = ("first", "second", "third", "download@mnist")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A repository with that graph, the project's parameters and stages, after its first run; what that run said."""
    folder = tmp_path_factory.mktemp("repro") / "checkout"
    folder.mkdir()
    for name in ("stages", "src"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "params.yaml", folder / "params.yaml")
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}, sort_keys=False))
    (folder / "in").write_text("1")
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True)
    return folder, run(folder=folder)


@pytest.fixture
def checkout(finished, tmp_path, monkeypatch):
    """A copy of it; the current folder."""
    folder = tmp_path / "checkout"
    shutil.copytree(finished[0], folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def environment():
    """This process's variables without those that name data or weights, and a path that has no Python on it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("BIOROBUST_")}
    return kept | {"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}


def run(folder=None, **variables):
    command = [sys.executable, "-m", "stages.repro"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment() | variables)


def counted(done):
    """What a run says of each stage as it begins, without times."""
    return [line.split(",")[0] for line in done.stdout.splitlines() if line.startswith("stage ")]


def change(name, **keys):
    graph = yaml.safe_load(Path("dvc.yaml").read_text())
    graph["stages"][name] |= keys
    Path("dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False))


def note(folder, stage, *, seconds, scale="laptop", **others):
    folder.mkdir(parents=True, exist_ok=True)
    values = {"scale": scale, "wall_seconds": seconds, "device": "cpu", "cpu": "a processor", "threads": 2}
    (folder / f"{stage}.json").write_text(json.dumps(values | {"finished": "2026-01-02T03:04:05"} | others))


def test_only_a_parameter_that_a_stage_names_gives_it_something_to_do(checkout):
    set_values(Path("params.yaml"), ["kwta_low.gamma=0.31"])
    assert repro.look([]).todo == ()
    set_values(Path("params.yaml"), ["kwta.gamma=0.31"])
    assert set(repro.look([]).todo) == {"second", "third"}


def test_a_first_run_counts_its_stages_and_a_second_has_nothing_to_do(finished, checkout):
    _, done = finished
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Scale laptop: all 4 stages to run.")
    assert "not known" in lines[0]
    assert counted(done) == [f"stage {n} of 4: {name}" for n, name in enumerate(NAMES, start=1)]
    assert [line.split(" took ")[0] for line in lines if " took " in line] == list(NAMES)
    assert "Done in" in done.stdout
    assert "/reports/report.html" in done.stdout
    again = run()
    assert (again.returncode, again.stdout.splitlines()[0], counted(again)) == (0, UP_TO_DATE, [])


def test_a_kill_while_dvc_writes_its_lock_file_loses_no_stage(checkout):
    """In the middle of the file, which DVC itself would leave halved."""
    before = (checkout / "dvc.lock").read_bytes()
    (checkout / "in").write_text("2")
    program = (
        "import os, signal, sys\nfrom dvc.utils.serialize import _yaml\nfrom stages.lockfile import dvc\n"
        "def half(data, stream):\n stream.write('schema'), stream.flush(), os.kill(os.getpid(), signal.SIGKILL)\n"
        "_yaml._dump = half\ndvc(['repro'])"
    )
    command = [sys.executable, "-c", program]
    environ = environment() | {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    assert subprocess.run(command, env=environ, capture_output=True).returncode == -signal.SIGKILL
    assert (checkout / "dvc.lock").read_bytes() == before
    assert counted(run()) == [
        "stage 1 of 3: first",
        "stage 2 of 3: second",
        "stage 3 of 3: third is up to date after all",
    ]
    assert not list(checkout.glob("*.part"))


def test_the_estimate_is_of_the_stages_to_run_at_their_last_time_at_this_scale(checkout):
    here = checkout / repro.RUN_INFO
    note(here, "first", seconds=100)
    note(here, "second", seconds=200, threads=1)
    note(here, "third", seconds=300)
    graph = repro.Graph(NAMES[:3], NAMES[:3])
    said = repro.announcement(graph, repro.noted(graph.todo, scale="laptop"), scale="laptop")
    assert "about 10 min" in said
    assert "2026-01-02, on a processor with 1 or 2 threads" in said
    only = repro.Graph(NAMES[:3], ("second",))
    said = repro.announcement(only, repro.noted(only.todo, scale="laptop"), scale="laptop")
    assert "up to 1 of 3 stages to run, about 3 min" in said
    note(here, "third", seconds=300, scale="cpu")
    notes = repro.noted(graph.todo, scale="laptop")
    assert "at least 5 min, 1 of them have no time yet" in repro.announcement(graph, notes, scale="laptop")
    assert "not known" in repro.announcement(graph, repro.noted(graph.todo, scale="tiny"), scale="tiny")
    # A scale that was only recorded is estimated from the recorded run.
    recorded = checkout / repro.RECORDED / "big"
    note(recorded / "run_info", "first", seconds=7200, scale="paper")
    (recorded / "manifest.json").write_text(json.dumps({"scale": "paper"}))
    found = repro.noted(NAMES, scale="paper")
    assert {stage: entry["wall_seconds"] for stage, entry in found.items()} == {"first": 7200}


def test_the_time_left_follows_the_speed_of_this_machine(monkeypatch, capsys):
    now = iter([0.0, 404.0, 404.0, 500.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    narrator = repro.Narrator(["a", "b", "c"], {"a": 201.0, "b": 59.0, "c": 119.0})

    def say(message, *arguments):
        record = logging.LogRecord("dvc.stage", logging.INFO, "", 0, message, arguments, None)
        return narrator.filter(record), record.getMessage()

    assert say("Running stage '%s':", "a") == (True, "stage 1 of 3: a, about 3 min; 6 min left in all")
    assert say("%s %s", ">", "python") == (True, "> python")
    assert say("Running stage '%s':", "b") == (True, "stage 2 of 3: b, about 2 min; 6 min left in all")
    assert capsys.readouterr().out == "a took 7 min\n"  # twice as long as noted, so is what comes
    assert say("Stage '%s' didn't change, skipping", "unplanned")[0] is False


def test_a_failure_is_dvcs_own_and_the_next_call_goes_on(checkout):
    change("second", cmd="echo this went wrong >&2; exit 3")
    done = run()
    assert done.returncode == 255
    assert "this went wrong" in done.stderr
    assert "ERROR: failed to reproduce 'second'" in done.stderr
    assert "Stopped after" in done.stderr
    assert "second took" not in done.stdout
    change("second", **STAGES["second"])
    cached = "stage 1 of 2: second comes from DVC's cache"
    assert counted(run()) == [cached, "stage 2 of 2: third is up to date after all"]


@pytest.mark.parametrize("end", [lambda pid: os.killpg(pid, signal.SIGINT), lambda pid: os.kill(pid, signal.SIGTERM)])
def test_ctrl_c_and_sigterm_end_the_stage_and_dvc_says_so(checkout, end):
    change("second", cmd="python -c \"import time; print('working', flush=True); time.sleep(60)\"")
    running = subprocess.Popen(
        [sys.executable, "-m", "stages.repro"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
    )
    for line in running.stdout:
        if line == "working\n":
            break
    time.sleep(0.5)  # DVC sets its handlers after it has started the command
    end(running.pid)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 255
    assert "failed to reproduce 'second'" in errors
    assert "Stopped after" in errors


def test_real_data_that_has_come_since_is_taken_first(checkout):
    (checkout / "reports/metrics/data").mkdir(parents=True)
    (checkout / "reports/metrics/data/mnist.json").write_text('{"source": "bundled"}')
    (checkout / "mirror/mnist").mkdir(parents=True)
    done = run(BIOROBUST_DATA_MIRROR=str(checkout / "mirror"))
    assert done.returncode == 0, done.stderr
    assert counted(done) == ["stage 1 of 1: download@mnist"]
    assert (checkout / "log").read_text() == "again\n" * 2


def test_the_scale_is_set_first(checkout, capsys, monkeypatch):
    monkeypatch.setenv("PATH", os.environ["PATH"])  # which it changes
    before = (checkout / "params.yaml").read_text()
    for said in ("params.yaml now says scale: tiny, also for the runs after this one.", UP_TO_DATE):
        repro.main(["--scale", "tiny"])
        assert capsys.readouterr().out.splitlines()[0] == said
    assert (checkout / "params.yaml").read_text() == before.replace("\nscale: laptop", "\nscale: tiny")


def test_the_last_line_compares_with_the_recorded_runs(checkout):
    assert "\n" not in repro.closing()
    path = checkout / repro.AGREEMENT
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("effect,word\na,same direction\nb,too small to see\nc,same direction\n")
    said = "Headline effects against the recorded runs: same direction: 2 of 3; too small to see: 1"
    assert repro.closing().splitlines()[1:] == [said]
