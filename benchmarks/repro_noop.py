"""`make repro` with nothing to do: what every look at an unchanged checkout costs."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks import ROOT
from benchmarks.timing import Measurement, Skipped, paired, single

BUDGET_S = 3.5
IN_SECONDS = "make repro with nothing to do, against 3.5 s"
AGAINST_START = "make repro with nothing to do, against starting DVC"
LIMITS = {IN_SECONDS: 1.0, AGAINST_START: 11.0}
REPEATS = 3
NOTHING_TO_DO = "Data and pipelines are up to date."


def module(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True)


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return ((done.stdout + done.stderr).strip().splitlines() or ["no message"])[-1]


def changed_stages(status: subprocess.CompletedProcess[str]) -> list[str]:
    """Stages that `dvc status --json` lists. Raises Skipped when DVC itself could not tell."""
    if status.returncode:
        raise Skipped(f"dvc status failed ({last_line(status)})")
    return sorted(json.loads(status.stdout))


def measure() -> list[Measurement]:
    changed = changed_stages(module("dvc", "status", "--json")) + module("stages.stale").stdout.split()
    if changed:
        raise Skipped(f"{len(changed)} stages have something to do ({changed[0]}, ...): run `make repro` first")

    def repro() -> None:
        done = module("stages.repro")
        if NOTHING_TO_DO not in done.stdout + done.stderr:
            raise Skipped(f"make repro did not find everything up to date ({last_line(done)})")

    relative = paired(AGAINST_START, repro, lambda: module("dvc", "root"), repeats=REPEATS)
    return [single(IN_SECONDS, unit="s", ours=relative.ours, reference=BUDGET_S), relative]
