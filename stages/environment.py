"""Put the locked packages and this checkout into an environment: `python stages/environment.py .venv`.

What `make` runs first, with any Python and nothing installed, so it needs the standard library alone. It first checks
what would stop everything later: the scale, git and the version of Python. What is in place already is left alone.

Several checkouts may share an environment. Stages and tests always run the code of the checkout they are started in;
elsewhere `import biorobust` means the first of them that is still there.
"""

from __future__ import annotations  # so that an older Python gets as far as the line that refuses it

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
NEEDED = (3, 11)
LOG = "install.log"
# `python -m stages.x` has to find the folder it is started in, in a shell where PYTHONSAFEPATH keeps that off the path.
STAGES = 'import os, sys; os.path.isfile("stages/__init__.py") and sys.path.append(os.getcwd())\n'


class Stop(Exception):
    """What the user has to put right, in one line."""


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("venv", type=Path, help="folder of the environment; made if it is not there")
    parser.add_argument("--scale", help="stop if there is no such scale")
    arguments = parser.parse_args(argv)
    check_scale(arguments.scale)
    check_git()
    install(arguments.venv)


def check_scale(scale: str | None) -> None:
    sys.path.insert(0, str(ROOT / "src"))
    from biorobust.core.scale import SCALES, unknown_scale

    if scale is not None and scale not in SCALES:
        raise Stop(unknown_scale(scale))


def check_git() -> None:
    try:
        command, english = ["git", "rev-parse", "--git-dir"], os.environ | {"LC_ALL": "C"}
        done = subprocess.run(command, cwd=ROOT, env=english, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Stop("git is not installed: DVC and the recorded runs need it") from None
    if done.returncode:
        reason = " ".join(done.stderr.split()).removeprefix("fatal: ") or "no message"
        if "not a git repository" in reason:
            reason += ". A downloaded archive becomes one with: git init && git add -A && git commit -m start"
        raise Stop(f"git says: {reason}")


def install(venv: Path) -> None:
    """Bring the environment up to the lock, and this package into it, unless both are there. Raises Stop."""
    stamp = venv / f".locked-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    if stamp.exists() and checkout_in(venv):
        return
    with alone(venv):
        if not stamp.exists():
            python = make(venv)
            print(f"Installing the locked packages into {venv} (about 2 minutes, 6 GB)", flush=True)
            for old in venv.glob(".locked-*"):
                old.unlink()
            pip(python, "--require-hashes", "-r", str(LOCK), log=venv / LOG)
            stamp.touch()
        if not checkout_in(venv):
            pip(venv / "bin/python", "--no-deps", "--no-build-isolation", "--editable", str(ROOT), log=venv / LOG)
            (site_packages(venv) / "biorobust-stages.pth").write_text(STAGES, encoding="utf-8")


@contextlib.contextmanager
def alone(venv: Path) -> Iterator[None]:
    """Only one installation into an environment at a time; others wait for it."""
    try:
        venv.mkdir(parents=True, exist_ok=True)
        stream = open(venv / ".installing", "w", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise Stop(f"{venv} cannot be written ({error.strerror}): name another folder with VENV=") from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for another installation into {venv}", flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def make(venv: Path) -> Path:
    """The environment's Python, with pip; a new environment if there is none."""
    python = venv / "bin/python"
    if not succeeds(python, "-m", "pip", "--version"):
        if sys.version_info < NEEDED:
            raise Stop(
                f"this is Python {sys.version.split()[0]}, 3.11 or newer is needed: "
                "name one, for example make repro PYTHON=python3.12"
            )
        if not succeeds(sys.executable, "-m", "venv", venv):
            raise Stop(f"no environment could be made in {venv}: delete it, on Debian install python3-venv, try again")
    if not succeeds(python, "-c", f"import sys; sys.exit(sys.version_info < {NEEDED})"):
        raise Stop(f"the Python of {venv} is older than 3.11: delete that folder, or name another one with VENV=")
    return python


def succeeds(*command: str | Path) -> bool:
    """Whether a program starts and ends with status 0; what it says is left out."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def pip(python: Path, *arguments: str, log: Path) -> None:
    """`pip install` in silence. Raises Stop with the last of what it said when it fails."""
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    with open(log, "w", encoding="utf-8") as stream:
        status = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, check=False).returncode
    if status:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        print("\n".join([line for line in lines if "Location" not in line][-15:]), file=sys.stderr)
        raise Stop(f"pip failed, its last words stand above; all of them: {log}")


def checkout_in(venv: Path) -> Path | None:
    """The checkout that the environment's `biorobust` is, or None if it has none or that one is gone."""
    for note in venv.glob("lib/python3*/site-packages/biorobust-*.dist-info/direct_url.json"):
        place = Path(unquote(urlparse(json.loads(note.read_text(encoding="utf-8"))["url"]).path))
        if (place / "src/biorobust").is_dir():
            return place
    return None


def site_packages(venv: Path) -> Path:
    return next(venv.glob("lib/python3*/site-packages"))


if __name__ == "__main__":
    try:
        main()
    except Stop as stop:
        print(f"error: {stop}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # a full disk, a folder that may not be written
        print(f"error: {error.filename or sys.argv[1]}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
