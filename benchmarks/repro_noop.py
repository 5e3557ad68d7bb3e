"""`dvc repro` with nothing to do: what every look at an unchanged checkout costs."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks import ROOT
from benchmarks.timing import Measurement, Skipped, paired, single, wall_seconds

BUDGET_S = 5.0
IN_SECONDS = "dvc repro with nothing to do, against 5 s"
AGAINST_START = "dvc repro with nothing to do, against starting DVC"
LIMITS = {IN_SECONDS: 1.0, AGAINST_START: 6.0}
REPEATS = 3
NOTHING_TO_DO = "Data and pipelines are up to date."


def dvc(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=ROOT, capture_output=True, text=True)


def changed_stages(status: subprocess.CompletedProcess[str]) -> list[str]:
    """Stages that `dvc status --json` lists. Raises Skipped when DVC itself could not tell."""
    if status.returncode:
        reason = (status.stderr.strip().splitlines() or ["no message"])[-1]
        raise Skipped(f"dvc status failed ({reason})")
    return sorted(json.loads(status.stdout))


def measure() -> list[Measurement]:
    changed = changed_stages(dvc("status", "--json"))
    if changed:
        raise Skipped(f"{len(changed)} stages have something to do ({changed[0]}, ...): run `dvc repro` first")

    def repro() -> None:
        done = dvc("repro")
        assert NOTHING_TO_DO in done.stdout + done.stderr, done.stdout + done.stderr

    relative = paired(AGAINST_START, repro, lambda: dvc("root"), repeats=REPEATS, clock=wall_seconds)
    return [single(IN_SECONDS, unit="s", ours=relative.ours, reference=BUDGET_S), relative]
