"""Run studies in a clean clone of this commit and keep the results: `python -m stages.record NAME --scale paper`.

The clone lies at `.record/NAME` and is gone on with after an interruption; the snapshot goes to
`reports/recorded/NAME` of this checkout. Nothing else here is touched.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from biorobust import params
from biorobust.errors import BiorobustError
from biorobust.files import write_text
from biorobust.reporting import snapshot
from biorobust.reporting.study import STUDIES
from stages import ROOT
from stages.common import stage_main

CLONES = ".record"
# What a run changes in a checkout; an edit of anything else means that the commit is not what ran.
RESULTS = ("params.yaml", "dvc.lock", "reports/")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="name of the snapshot: a-z, 0-9 and -")
    parser.add_argument("--scale", choices=params.SCALES, help="as in params.yaml by default")
    parser.add_argument("--study", choices=sorted(STUDIES), action="append", help="all studies by default")
    parser.add_argument("--from", dest="finished", type=Path, help="take the results of this finished checkout")
    parser.add_argument("--restart", action="store_true", help="begin with a new clone")
    arguments = parser.parse_args(argv)
    studies = arguments.study or sorted(STUDIES)
    if arguments.finished is not None:
        take(arguments.name, source=arguments.finished, studies=studies, root=ROOT)
    else:
        record(arguments.name, scale=arguments.scale, studies=studies, restart=arguments.restart, root=ROOT)
    print(f"The snapshot: {ROOT / snapshot.RECORDED / arguments.name}")


def record(name: str, *, scale: str | None, studies: Sequence[str], restart: bool, root: Path) -> None:
    """Clone HEAD of the checkout `root`, run the studies there and take a snapshot.

    Raises BiorobustError for a taken name, uncommitted changes, a clone of another commit, or a stage that failed.
    """
    snapshot.check_name(name)
    if (root / snapshot.RECORDED / name).exists():
        raise BiorobustError(f"{root / snapshot.RECORDED / name} exists: choose another name, or delete it first")
    changed = git(root, "status", "--porcelain").splitlines()
    if changed:
        raise BiorobustError(f"uncommitted changes ({changed[0].split()[-1]} first): commit or stash them, then record")
    clone = root / CLONES / name
    if restart:
        shutil.rmtree(clone, ignore_errors=True)
    fresh = not clone.exists()
    if fresh:
        git(root, "clone", "--quiet", "--local", ".", str(clone))
    there, here = git(clone, "rev-parse", "HEAD"), git(root, "rev-parse", "HEAD")
    if there != here:
        raise BiorobustError(f"{clone} is of commit {there[:10]}, this checkout of {here[:10]}: add --restart")
    set_scale(clone / "params.yaml", scale or params.load(root / "params.yaml").scale)
    repro(clone, studies, work=root / "data" / "work")
    take(name, source=clone, studies=studies, root=root)


def take(name: str, *, source: Path, studies: Sequence[str], root: Path) -> None:
    """Snapshot a finished checkout. Raises BiorobustError if its code or claims were edited after its commit."""
    commit = git(source, "rev-parse", "HEAD")
    for line in git(source, "status", "--porcelain").splitlines():
        path = line[2:].strip()
        if not path.startswith(RESULTS) or path == "reports/claims.yaml":
            raise BiorobustError(f"{source}: {path} differs from commit {commit[:10]}: commit it and run again")
    snapshot.create(name, root=root, source=source, studies=studies, commit=commit)


def set_scale(path: Path, scale: str) -> None:
    """Change the one line `scale: ...` of a params.yaml, comments and all else kept."""
    write_text(path, re.sub(r"^scale: [a-z]*", f"scale: {scale}", path.read_text(encoding="utf-8"), flags=re.MULTILINE))


def repro(clone: Path, studies: Sequence[str], *, work: Path) -> None:
    """`dvc repro` of the studies' comparison and all it needs, in this environment.

    Unfinished training lies in `work`, so another recording goes on with it. Raises BiorobustError when a stage failed.
    """
    binaries = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}",
        "BIOROBUST_WORK": str(work.resolve()),
    }
    targets = [f"compare@{study}" for study in studies]
    done = subprocess.run([sys.executable, "-m", "dvc", "repro", *targets], cwd=clone, env=environment, check=False)
    if done.returncode:
        raise BiorobustError(f"a stage failed in {clone} (see above): the same command goes on from there")


def git(checkout: Path, *arguments: str) -> str:
    """Output of a git command. Raises BiorobustError with git's first line when it fails."""
    done = subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode:
        message = (done.stderr.strip().splitlines() or ["no message"])[0]
        raise BiorobustError(f"git {arguments[0]} failed in {checkout}: {message}")
    return done.stdout.rstrip()


if __name__ == "__main__":
    stage_main(main)
