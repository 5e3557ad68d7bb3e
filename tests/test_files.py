"""Writing: whole or not at all, by several programs at once, and on a disk that takes nothing more."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import SafetensorError

from biorobust.core import files, work
from biorobust.core.errors import BiorobustError
from stages.common import stage_main

ROOT = Path(__file__).resolve().parent.parent
WRITERS = {
    "text": lambda path: files.write_text(path, "x" * 100_000),
    "json": lambda path: files.write_json(path, list(range(10_000))),
    "npz": lambda path: files.write_npz(path, {"a": np.random.default_rng(0).random(20_000)}),
    "csv": lambda path: files.write_csv(path, pd.DataFrame({"a": range(20_000)})),
    "parquet": lambda path: files.write_parquet(path, pd.DataFrame({"a": range(20_000)})),
    "tensors": lambda path: files.write_tensors(path, {"a": torch.zeros(20_000)}),
    "state": lambda path: work.save_state(path, {"a": torch.zeros(20_000)}),
}


@pytest.fixture(params=WRITERS)
def write(request):
    return WRITERS[request.param]


def test_two_writers_of_one_file_never_meet(tmp_path):
    target = tmp_path / "a"
    with files.atomic(target) as one, files.atomic(target) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "one")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_one_line_and_leaves_the_old_file(write, tmp_path, monkeypatch):
    target = tmp_path / "a"
    target.write_text("old")
    monkeypatch.setattr(files, "temporary", lambda path: path.with_name("a.part"))
    (tmp_path / "a.part").symlink_to("/dev/full")

    def save_file(*_):  # the real one writes a file of its own and renames it; its words on a full disk
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", save_file)
    with pytest.raises(BiorobustError) as error:
        write(target)
    assert str(error.value) == f"{target} cannot be written: the disk is full"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


def test_a_folder_that_may_not_be_written_is_one_line(write, tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    folder = tmp_path / "folder"
    folder.mkdir()
    if os.geteuid():
        folder.chmod(0o500)
    else:  # the administrator may write everywhere
        monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(BiorobustError) as error:
        write(folder / "a")
    assert str(error.value) == f"{folder}/a cannot be written: you may not write there"
    assert not list(folder.iterdir())


def test_a_file_where_a_folder_should_be_is_one_line(write, tmp_path):
    (tmp_path / "taken").write_text("")
    for target in ("taken/a", "taken/deeper/a"):
        with pytest.raises(BiorobustError, match=r"taken/.* cannot be written: (Not a directory|File exists)"):
            write(tmp_path / target)
    (tmp_path / "folder").mkdir()
    with pytest.raises(BiorobustError, match=r"folder cannot be written: Is a directory"):
        write(tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "taken"]


def half(target, *, write):
    """Begin to write, and fail for another reason than the disk."""
    with files.atomic(target) as part:
        write(part)
        raise ZeroDivisionError


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), files.atomic(tmp_path / "a"):
        (tmp_path / "not there").read_text()
    with pytest.raises(ZeroDivisionError):
        half(tmp_path / "a", write=lambda part: part.write_text("half"))
    assert not list(tmp_path.iterdir())


def test_a_folder_is_replaced_whole(tmp_path):
    (tmp_path / "a/old").mkdir(parents=True)
    with pytest.raises(ZeroDivisionError):
        half(tmp_path / "a", write=lambda part: files.write_text(part / "new/b", "half"))
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "old"]
    with files.atomic(tmp_path / "a") as part:
        files.write_text(part / "new/b", "whole")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "new"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "error: writing a file: No space left on device\n"),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), "error: a/b: Permission denied\n"),
    ],
)
def test_a_stage_says_in_one_line_what_the_disk_refuses(error, said, capsys, monkeypatch):
    def fail():
        raise error

    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as stop:
        stage_main(fail)
    assert (stop.value.code, capsys.readouterr().err) == (2, said)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_one_line(content, tmp_path):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(BiorobustError, match=r"a\.json is not valid JSON \(.*\): delete it and run `dvc repro`"):
        files.read_json(tmp_path / "a.json")


def test_a_writer_that_is_ended_leaves_nothing(tmp_path):
    program = (
        "import os, signal, sys\nfrom biorobust.core.files import atomic\nfrom stages.common import stage_main\n"
        "def main():\n with atomic(sys.argv[1]) as part:\n  part.write_text('half')\n"
        "  os.kill(os.getpid(), signal.SIGTERM)\n  signal.pause()\nstage_main(main)"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT}/src{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "a"], env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (143, b"")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_writer_left_goes_with_the_next_one_and_what_a_living_one_writes_stays(tmp_path):
    """Files and folders; another process is still at its half, and a target of a longer name keeps its own."""
    program = (
        "import os, sys, time\nfrom biorobust.core.files import atomic\n"
        "with atomic('a') as file, atomic('b') as folder, atomic('a.b') as longer:\n"
        " file.write_text('half'), longer.write_text('half'), folder.mkdir(), (folder / 'c').write_text('half')\n"
        " print('written', flush=True)\n time.sleep(60)"
    )

    def start():
        environment = os.environ | {"PYTHONPATH": f"{ROOT}/src"}
        command = [sys.executable, "-c", program]
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "written\n"
        return process

    dead = start()
    dead.kill()
    dead.communicate()
    alive = start()  # of the same targets: this one has removed what the dead one left
    assert len(list(tmp_path.glob("*.part"))) == 3
    for name in ("a", "b"):
        with files.atomic(tmp_path / name) as part:
            part.write_text("whole")
    assert len(list(tmp_path.glob("*.part"))) == 3
    alive.kill()
    alive.communicate()
    for name in ("a", "b"):
        with files.atomic(tmp_path / name) as part:
            part.write_text("whole")
    assert [path.name.startswith("a.b.") for path in tmp_path.glob("*.part")] == [True]
    assert [(tmp_path / name).read_text() for name in ("a", "b")] == ["whole", "whole"]


@pytest.mark.parametrize(("value", "folder"), [("", "data/work"), ("mine", "{here}/mine"), ("~/x", "{home}/x")])
def test_states_lie_in_the_folder_the_user_names(value, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BIOROBUST_WORK", value)
    wanted = folder.format(here=tmp_path, home=tmp_path / "home")
    assert str(work.state_path("a", {}, code=(files,)).parent) == wanted
