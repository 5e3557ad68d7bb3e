"""Run studies in a clean clone of this commit and keep the results: `python -m stages.record NAME --scale paper`.

The clone lies at `.record/NAME` and is gone on with after an interruption. When this checkout has moved to another
commit meanwhile, the clone follows and DVC runs again what the change affects. The snapshot goes to
`reports/recorded/NAME` of this checkout. Nothing else here is touched.

`--set` changes a parameter of the clone, such as `scales.cpu.question.trained=none`. So a study can be recorded part by
part: the report takes networks that the newest snapshot lacks from older ones.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from biorobust import params, recorded
from biorobust.core.errors import BiorobustError
from biorobust.core.files import folder_of, parse_yaml, read_yaml, write_json, write_text
from biorobust.core.scale import set_scale
from biorobust.reporting import snapshot
from biorobust.reporting.notes import read_note
from biorobust.reporting.registry import STUDIES, read_params
from stages import ROOT
from stages.common import git, stage_main

CLONES = ".record"
FOLDERS = ("BIOROBUST_DATA_MIRROR", "BIOROBUST_IMAGENET", "BIOROBUST_WEIGHTS")
# In the clone, whose stages run their own code: the command line of this checkout.
REPRO = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from stages.lockfile import dvc
sys.exit(dvc(["repro", *sys.argv[1:]]))
"""
# What a run changes in a checkout; an edit of anything else means that the commit is not what ran.
RESULTS = ("params.yaml", "dvc.lock", "reports/")
CLAIMS = ("reports/claims/", "reports/reported/")
# What DVC and the stages write, and a clone keeps when it moves to another commit.
MADE = ("dvc.lock", "reports/metrics", "reports/run_info", "reports/tables", "reports/figures", "reports/*.html")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="name of the snapshot: a-z, 0-9 and -")
    parser.add_argument("--scale", choices=params.SCALES, help="as in params.yaml by default")
    parser.add_argument("--study", choices=sorted(STUDIES), action="append", help="all studies by default")
    parser.add_argument("--set", dest="values", action="append", default=[], metavar="KEY=VALUE", help="a parameter")
    parser.add_argument("--from", dest="finished", type=Path, help="take the results of this finished checkout")
    parser.add_argument("--restart", action="store_true", help="begin with a new clone")
    given = parser.parse_args(argv)
    studies = given.study or sorted(STUDIES)
    if given.finished is not None:
        take(given.name, source=given.finished, studies=studies, root=ROOT)
    else:
        record(given.name, scale=given.scale, values=given.values, studies=studies, restart=given.restart, root=ROOT)
    print(f"The snapshot: {ROOT / snapshot.RECORDED / given.name}")


def record(
    name: str, *, scale: str | None, values: Sequence[str] = (), studies: Sequence[str], restart: bool, root: Path
) -> None:
    """Clone HEAD of the checkout `root`, run the studies there and take a snapshot.

    Raises BiorobustError for a taken name, uncommitted changes, or a stage that failed.
    """
    snapshot.check_new(name, root=root)
    changed = git(root, "status", "--porcelain").splitlines()
    if changed:
        raise BiorobustError(f"uncommitted changes ({changed[0].split()[-1]} first): commit or stash them, then record")
    clone = root / CLONES / name
    if restart:
        shutil.rmtree(clone, ignore_errors=True)
    if not clone.exists():
        git(root, "clone", "--quiet", "--local", ".", str(clone))
    bring(clone, git(root, "rev-parse", "HEAD"))
    # A stage that this checkout has run before with the same code, data and parameters comes from its cache.
    write_text(clone / ".dvc" / "config.local", f"[cache]\n    dir = {root.resolve() / '.dvc' / 'cache'}\n")
    git(clone, "checkout", "--quiet", "HEAD", "--", "params.yaml")  # without what an earlier start had set
    set_scale(clone / "params.yaml", scale or params.load(root / "params.yaml").scale)
    set_values(clone / "params.yaml", values)
    listed = read_params(clone / "params.yaml")
    repro(clone, [stage for study in studies for stage in STUDIES[study](listed).ends()], work=root / "data" / "work")
    copy_notes(clone, root)
    take(name, source=clone, studies=studies, root=root)


def set_values(path: Path, values: Sequence[str]) -> None:
    """Change `block.key=value` each in a params.yaml. Raises BiorobustError for a key that it does not have."""
    from dvc.utils.serialize import modify_yaml

    for item in values:
        key, _, value = item.partition("=")
        *blocks, last = key.split(".")
        with modify_yaml(str(path)) as content:
            block = content
            for name in blocks:
                block = block.get(name) if isinstance(block, dict) else None
            if not isinstance(block, dict) or last not in block:
                raise BiorobustError(f"--set {item}: params.yaml has no {key}")
            block[last] = parse_yaml(value.encode(), name=f"--set {item}")


def bring(clone: Path, commit: str) -> None:
    """Move a clone to another commit of its origin, keeping what its stages have made so far."""
    if git(clone, "rev-parse", "HEAD") == commit:
        return
    git(clone, "fetch", "--quiet", "origin")
    git(clone, "reset", "--quiet", commit)
    git(clone, "checkout", "--quiet", "--", ".", *(f":(exclude){path}" for path in MADE))
    git(clone, "clean", "--quiet", "--force", "-d", "--", ".", *(f":(exclude){path}" for path in MADE))


def copy_notes(clone: Path, root: Path) -> None:
    """What the checkout noted of stages whose results came from its cache: they did not run in the clone."""
    scale = params.load(clone / "params.yaml").scale
    locks = (path / "dvc.lock" for path in (clone, root))
    done, known = (read_yaml(lock)["stages"] if lock.exists() else {} for lock in locks)
    for stage, entry in done.items():
        if entry == known.get(stage) and read_note(clone / snapshot.RUN_INFO, stage, scale=scale) is None:
            note = read_note(root / snapshot.RUN_INFO, stage, scale=scale)
            if note is not None:
                write_json(clone / snapshot.RUN_INFO / f"{stage}.json", note)


def take(name: str, *, source: Path, studies: Sequence[str], root: Path) -> None:
    """Snapshot a finished checkout. Raises BiorobustError if its code or claims were edited after its commit."""
    commit = git(source, "rev-parse", "HEAD")
    for line in git(source, "status", "--porcelain").splitlines():
        path = line[2:].strip()
        if not path.startswith(RESULTS) or path.startswith(CLAIMS):
            raise BiorobustError(f"{source}: {path} differs from commit {commit[:10]}: commit it and run again")
    networks = partial(recorded.keep, source=source.resolve(), root=root, studies=studies)
    snapshot.create(name, root=root, source=source, studies=studies, commit=commit, keep_networks=networks)


def repro(clone: Path, targets: Sequence[str], *, work: Path) -> None:
    """`dvc repro` of these stages and all they need, in this environment.

    Unfinished training lies in `work`, so another recording goes on with it. Raises BiorobustError when a stage failed.
    """
    binaries = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}",
        "BIOROBUST_WORK": str(work.resolve()),
    }
    # The stages start in the clone: what is named relative to this folder has to be found from there.
    environment |= {name: str(folder) for name in FOLDERS if (folder := folder_of(name))}
    done = subprocess.run([sys.executable, "-c", REPRO, *targets], cwd=clone, env=environment, check=False)
    if done.returncode:
        raise BiorobustError(f"a stage failed in {clone} (see above): the same command goes on from there")


if __name__ == "__main__":
    stage_main(main)
