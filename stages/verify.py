"""Run a recorded run again and compare every number: `python -m stages.verify hebbian-paper-3 --study hebbian`.

The run is repeated from its commit and its params.yaml in a clone at `data/work/verify-NAME` (or in $BIOROBUST_WORK),
with a cache of its own, so that nothing is only restored. An interrupted clone is gone on with; a whole one is removed
unless --keep is given. Data come from where the environment says. The exit status is 1 where numbers differ.
"""

from __future__ import annotations

import argparse
import difflib
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from biorobust.core import work
from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_yaml, sha256
from biorobust.reporting import snapshot, verification
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.registry import STUDIES, read_params
from biorobust.reporting.snapshot import RECORDED, Snapshot
from biorobust.reporting.verification import DIFFERS, Number
from stages import ROOT
from stages.common import git, stage_main
from stages.record import repro

METRICS = Path("reports/metrics")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="a folder of reports/recorded")
    parser.add_argument("--study", help="of the run's studies, this one only")
    parser.add_argument("--stage", help="this stage alone, with those before it, such as train_controls@simple-conv")
    parser.add_argument("--keep", action="store_true", help="keep the clone")
    arguments = parser.parse_args(argv)
    numbers = verify(arguments.name, study=arguments.study, stage=arguments.stage, keep=arguments.keep, root=ROOT)
    sys.exit(any(number.verdict == DIFFERS for number in numbers))


def verify(name: str, *, study: str | None, stage: str | None, keep: bool, root: Path) -> list[Number]:
    """Repeat a recorded run of the checkout `root`, or a part of it, and print how its numbers compare.

    Raises BiorobustError for an unknown name, study or stage, a commit that is not here, or a stage that failed.
    """
    recorded = find(name, root=root)
    targets = wanted(recorded, study=study, stage=stage)
    clone = prepared(work.folder().absolute() / f"verify-{name}", recorded, root=root)
    repro(clone, targets, work=clone / "data" / "work")
    numbers = compare(recorded, clone)
    if keep:
        print(f"The clone: {clone}")
    else:
        shutil.rmtree(clone)
    return numbers


def find(name: str, *, root: Path) -> Snapshot:
    """The recorded run of that name. Raises BiorobustError naming those there are, or what does not fit."""
    names = sorted(path.parent.name for path in (root / RECORDED).glob(f"*/{snapshot.MANIFEST}"))
    if name not in names:
        raise BiorobustError(f"no recorded run {name!r}; there are {', '.join(names) or 'none'}")
    return snapshot.load(root / RECORDED / name)


def wanted(recorded: Snapshot, *, study: str | None, stage: str | None) -> list[str]:
    """The stages to ask DVC for. Raises BiorobustError for a study or stage that the run does not have."""
    if study is not None and study not in recorded.studies:
        raise BiorobustError(f"{recorded.name} has no study {study!r}; it has {', '.join(recorded.studies)}")
    if stage is None:
        listed = read_params(recorded.path / "params.yaml")
        return [end for one in ([study] if study else recorded.studies) for end in STUDIES[one](listed).ends()]
    known = list(read_yaml(recorded.path / "dvc.lock")["stages"])
    if stage not in known:
        near = difflib.get_close_matches(stage, known, cutoff=0.4) or known[:5]
        raise BiorobustError(f"{recorded.name} has no stage {stage!r}; it has, for example, {', '.join(near)}")
    return [stage]


def prepared(clone: Path, recorded: Snapshot, *, root: Path) -> Path:
    """A clone at the run's commit with its parameters and none of the results that the commit holds."""
    commit = recorded.commit
    try:
        git(root, "cat-file", "-e", f"{commit}^{{commit}}")
    except BiorobustError:
        message = f"{recorded.name}: its commit {commit[:10]} is not in this repository's history, so it cannot be run"
        raise BiorobustError(f"{message}; a shallow clone gets it with `git fetch --unshallow`") from None
    params = clone / "params.yaml"
    if not params.exists() or git(clone, "rev-parse", "HEAD") != commit:
        shutil.rmtree(clone, ignore_errors=True)
        git(root, "clone", "--quiet", "--local", "--no-checkout", ".", str(clone))
        git(clone, "checkout", "--quiet", "--detach", commit)
        shutil.rmtree(clone / METRICS, ignore_errors=True)
        # Without it DVC runs every stage; last of all, as a clone that has it is gone on with.
        (clone / "dvc.lock").unlink(missing_ok=True)
    shutil.copyfile(recorded.path / "params.yaml", params)
    return clone


def compare(recorded: Snapshot, clone: Path) -> list[Number]:
    before, now = recorded.path / "metrics", clone / METRICS
    files = sorted(path.relative_to(before) for path in made(clone, before) if path.is_file())
    # A summary repeats numbers of other files, and is empty where a part of a study was recorded.
    of_runs = [path for path in files if path.suffix == ".json" and path.parent.name != "summary"]
    names = ["/".join(path.with_suffix("").parts[-2:]) for path in of_runs]
    was, is_ = Measurements(before), Measurements(now)
    for name in (name for name in names if name.startswith("data/")):
        print(data(name, was, is_))
    numbers = list(verification.compared(names, was, is_))
    print(aligned(verification.table(numbers)))
    rest = [path for path in files if path.suffix != ".json"]
    same = [(now / path).is_file() and sha256(before / path) == sha256(now / path) for path in rest]
    if rest:
        print(f"{len(same)} files of curves, pictures and single images: {sum(same)} equal byte for byte")
    print(verification.total(numbers))
    return numbers


def made(clone: Path, metrics: Path) -> Iterable[Path]:
    """Files and folders of the recorded metrics that stages of the clone have made again."""
    for stage in read_yaml(clone / "dvc.lock")["stages"].values():
        for out in stage.get("outs", ()):
            if METRICS in Path(out["path"]).parents:
                path = metrics / Path(out["path"]).relative_to(METRICS)
                yield from path.rglob("*") if path.is_dir() else [path]


def data(name: str, was: Measurements, now: Measurements) -> str:
    before, after = was.get(name) or {}, now.get(name) or {}
    title = name.partition("/")[2]
    if before.get("sha256") == after.get("sha256"):
        return f"{title}: the recorded data (SHA-256 {str(after.get('sha256'))[:10]})"
    here, there = (f"{found.get('source', 'none')}, {found.get('fidelity', 'missing')}" for found in (after, before))
    return f"{title}: other data ({here}) than recorded ({there}), so numbers can only agree within their intervals"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    stage_main(main)
