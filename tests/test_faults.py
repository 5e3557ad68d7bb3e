"""The programs of `make faults` in small: a kill in a graph of two stages, and a few bad inputs."""

import shutil
import subprocess
import sys
from collections import Counter

from mutants import ROOT

from biorobust.core.files import write_json, write_text

GRAPH = """
stages:
  first:
    cmd: python -c "import time; time.sleep(1.0); open('first.txt', 'w').write('1')"
    outs: [first.txt]
  second:
    cmd: python -c "import time; time.sleep(1.0); open('second.txt', 'w').write('2')"
    deps: [first.txt]
    outs: [second.txt]
"""


def test_a_run_that_was_killed_in_every_stage_comes_to_its_end(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from tests.faults import DVC, killed

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for stage in ("first", "second"):
        write_json(tmp_path / f"alone/reports/run_info/{stage}.json", {"wall_seconds": 0.2})
    folder = tmp_path / "killed"
    write_text(folder / "dvc.yaml", GRAPH)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run([*DVC, "init", "-q"], cwd=folder, check=True)
    starts = Counter[str]()
    kills = list(killed(folder, {"first": 0.3, "second": 0.6}, alone=tmp_path / "alone", starts=starts))
    assert [kill.ran for kill in kills] == ["first", "second"]
    assert starts == {"first": 2, "second": 2}
    assert [(folder / f"{name}.txt").read_text() for name in ("first", "second")] == ["1", "2"]


def test_bad_inputs_that_need_no_results(tmp_path):
    for name in ("src", "stages", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    command = [sys.executable, "-m", "tests.bad_inputs", "params.yaml seed"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("3 of 3 bad inputs end in one clear line\n"), done.stdout + done.stderr
    assert not done.returncode


def test_what_counts_as_one_clear_line(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from tests.bad_inputs import PARAMS, fault

    case, line = PARAMS[0], "error: params.yaml is missing: get it back"
    assert not fault(case, 2, [line], set())
    for status, lines in ((None, [line]), (0, [line]), (2, []), (2, ["Traceback", line]), (2, ["error: something"])):
        assert fault(case, status, lines, set()), (status, lines)
    assert fault(case, 2, [line], {"dvc.lock"})
