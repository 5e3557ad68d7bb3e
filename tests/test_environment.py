"""The environment: checked before it is made, made once, shared by checkouts that each go on running their own code."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from biorobust.core.scale import SCALES
from stages import environment

ROOT = Path(__file__).resolve().parent.parent
PACKAGED = ("pyproject.toml", "README.md", "LICENSE", "Makefile", "requirements.lock", "src", "stages")
# Says whose library a stage runs with.
WHERE = """
from pathlib import Path
import biorobust, stages
Path("where.txt").write_text(f"{Path(biorobust.__file__).parents[2]}\\n{stages.ROOT}\\n")
"""


def run(*command, folder, **variables):
    """A command with the variables of this process, but for those that would change where Python looks."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MAKE", "BIOROBUST_"))}
    environment = kept | {key: str(value) for key, value in variables.items()}
    return subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, env=environment)


def checkout(folder):
    """A copy of what is installed and of the stages, as a git repository with a stage that says where it runs."""
    folder.mkdir(parents=True)
    for name in PACKAGED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, folder / name)
    (folder / "stages/where.py").write_text(WHERE)
    assert run("git", "init", "-q", folder=folder).returncode == 0
    return folder


def stamp(env):
    """Mark the locked packages as installed."""
    digest = hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()
    (env / f".locked-{digest[:12]}").touch()


def test_every_checkout_runs_its_own_code_in_a_shared_environment(tmp_path):
    """Two checkouts and an environment that holds the first, with blanks in its path and the packages of this one."""
    folder = tmp_path / "shared with blanks"
    one, two = (checkout(folder / name) for name in ("one", "two"))
    env = folder / "an environment"
    venv.create(env, with_pip=False)
    (environment.site_packages(env) / "packages.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    stamp(env)
    made = run("make", "environment", f"VENV={env}", folder=one)
    assert (made.returncode, made.stderr) == (0, "")
    for place, safe in ((one, {}), (two, {}), (two, {"PYTHONSAFEPATH": 1})):
        done = run(env / "bin/python", "-m", "stages.where", folder=place, **safe)
        assert done.returncode == 0, done.stderr
        assert (place / "where.txt").read_text().split("\n")[:2] == [str(place), str(place)]
        (place / "where.txt").unlink()


def hold(env, checkout):
    """Note a checkout in an environment as the one that it holds."""
    note = env / "lib/python3.11/site-packages/biorobust-0.1.0.dist-info/direct_url.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({"url": checkout.as_uri()}))


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A pip that only notes what it was asked for, and an environment for it."""
    asked = []

    def pip(python, *arguments, log):
        asked.append(arguments)
        if "--editable" in arguments:
            hold(tmp_path / "env", ROOT)

    lock = tmp_path / "requirements.lock"
    lock.write_text("a==1\n")
    monkeypatch.setattr(environment, "LOCK", lock)
    monkeypatch.setattr(environment, "pip", pip)
    (tmp_path / "env/lib/python3.11/site-packages").mkdir(parents=True)
    monkeypatch.setattr(environment, "make", lambda folder: folder / "bin/python")
    return asked, lock, tmp_path / "env"


def test_packages_are_installed_again_for_another_lock_only(recorded):
    asked, lock, env = recorded
    environment.install(env)
    assert [arguments[-1] for arguments in asked] == [str(lock), str(ROOT)]
    environment.install(env)
    os.utime(lock)
    environment.install(env)
    assert len(asked) == 2
    lock.write_text("a==2\n")
    environment.install(env)
    assert asked[2:] == [("--require-hashes", "-r", str(lock))]
    assert len(list(env.glob(".locked-*"))) == 1


def test_when_its_checkout_is_gone_the_environment_holds_the_next_one(recorded, tmp_path):
    asked, _, env = recorded
    environment.install(env)
    hold(env, tmp_path / "moved away")
    assert environment.checkout_in(env) is None
    environment.install(env)
    assert asked[2:] == [("--no-deps", "--no-build-isolation", "--editable", str(ROOT))]
    assert environment.checkout_in(env) == ROOT


def test_an_installation_that_failed_is_not_taken_for_done(recorded, monkeypatch):
    asked, lock, env = recorded
    environment.install(env)
    lock.write_text("a==2\n")
    with monkeypatch.context() as broken:
        broken.setattr(environment, "pip", lambda *_, **__: (_ for _ in ()).throw(environment.Stop("no network")))
        with pytest.raises(environment.Stop):
            environment.install(env)
    assert not list(env.glob(".locked-*"))
    lock.write_text("a==1\n")
    environment.install(env)
    assert len(asked) == 3


def assert_one_error(done, *words):
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == 1
    assert all(word in lines[0] for word in ("error: ", *words)), lines


def test_scale_and_git_are_checked_before_anything_is_made(tmp_path):
    done = run("make", "repro", "SCALE=huge", f"VENV={tmp_path / 'env'}", folder=ROOT)
    assert_one_error(done, "SCALE=huge", *SCALES)
    copy = tmp_path / "downloaded"
    shutil.copytree(ROOT / "stages", copy / "stages")
    shutil.copytree(ROOT / "src", copy / "src")
    shutil.copy(ROOT / "Makefile", copy / "Makefile")
    done = run("make", "repro", "VENV=env", folder=copy, GIT_CEILING_DIRECTORIES=tmp_path)
    assert_one_error(done, "not a git repository", "git init")
    assert not (tmp_path / "env").exists()
    assert not (copy / "env").exists()


def test_a_repository_of_another_user_is_named_with_what_git_advises(told):
    nobodys = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": 1, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    said = told("repro", **nobodys).splitlines()
    assert said[0].startswith("error: git says: detected dubious ownership in repository")
    assert "git config --global --add safe.directory" in said[0]
    assert "git init" not in said[0]
    done = run(sys.executable, "-m", "stages.experiment", "mine", folder=ROOT, **nobodys)
    assert_one_error(done, "detected dubious ownership", "safe.directory")


def test_an_older_python_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "NEEDED", (99, 0))
    with pytest.raises(environment.Stop, match="PYTHON="):
        environment.make(tmp_path / "env")
    assert not (tmp_path / "env").exists()


@pytest.fixture
def told(tmp_path):
    """Runs make with an environment whose Python only prints what it is told to do."""
    env = tmp_path / "env with /blanks"
    (env / "bin").mkdir(parents=True)
    (env / "bin/python").write_text('#!/bin/sh\necho "$@" $PYTHONSAFEPATH $PYTHONHOME\n')
    (env / "bin/python").chmod(0o755)
    stamp(env)
    hold(env, ROOT)

    def make(*arguments, venv=env, **variables):
        done = run("make", "--no-print-directory", *arguments, f"VENV={venv}", folder=ROOT, **variables)
        return done.stdout.strip() or done.stderr.strip()

    return make


def test_make_hands_over_what_stands_on_its_command_line(told):
    assert told("repro") == "-m stages.repro"
    assert told("repro", "SCALE=tiny") == "-m stages.repro --scale tiny"
    assert told("record", "NAME=mine", "SCALE=cpu", NAME="other") == "-m stages.record mine --scale cpu"
    assert told("compare", "EXP=a b") == "-m stages.experiment a b"


@pytest.mark.parametrize("target", ["repro", "record", "compare"])
def test_variables_of_the_shell_change_no_target(told, target):
    given = ("NAME=mine", "EXP=mine")
    alien = {"SCALE": "huge", "STUDY": "x", "AGAINST": "x", "VENV": "/no/where", "PYTHON": "false"}
    assert told(target, *given, PYTHONSAFEPATH=1, **alien) == told(target, *given)
