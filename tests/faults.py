"""What nothing may break: `python -m tests.faults [KILLS]` kills a run 40 times, or KILLS, then tries bad inputs.

Two copies of the working tree run the whole graph at scale tiny on bundled data, side by side. One is left alone. In
the other `dvc repro`, as `make repro` calls it, is ended by SIGKILL with all its processes within so many stages, of
every kind one first, at moments spread over the time that the stage takes in the first; then it is started again.
In the end every output must have the same bytes in both, which is also what two runs on one machine owe each other, and
no stage may have run again without need. The first copy then meets the cases of bad_inputs.py. What was found goes into
docs/reliability.md; exit status 1 when not all is as it should be.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from stages.common import cpu
from tests.bad_inputs import CASES
from tests.mutants import ROOT, copy

KILLS, SEED = 40, 0
DOC = Path("docs/reliability.md")
BLOCK = re.compile(r"(?<=<!-- make faults: begin -->\n).*?(?=<!-- make faults: end -->)", re.DOTALL)
RUNNING = re.compile(r"Running stage '(.+)':")
DVC = [sys.executable, "-m", "stages.lockfile"]
PATIENCE = 600.0  # seconds of waiting for the other run
STARTING = 1.0  # seconds that a stage takes beside what it notes itself: Python, its libraries, DVC's hashes
MADE = ("reports/metrics", "reports/run_info", "reports/tables", "reports/figures", "dvc.lock")
OUTPUTS = ("reports/metrics", "reports/tables", "reports/figures", "reports/report.html", "reports/summary.md", "data")


@dataclass(frozen=True)
class Kill:
    """stage: in which it was planned; ran: what DVC said last; second: of the stage, of so many that it takes."""

    stage: str
    ran: str
    second: float
    of: float


def checkout(folder: Path) -> Path:
    """The working tree as a fresh repository without results, at scale tiny on bundled data."""
    folder.mkdir()
    copy(ROOT, folder)
    subprocess.run(["rm", "-rf", *MADE], cwd=folder, check=True)
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    params["scale"], params["data"]["source"] = "tiny", "bundled"
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    own = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "-A"], [*own, "commit", "-qm", "start"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def environment() -> dict[str, str]:
    """One thread for each of the two runs, this interpreter first, and no folder of the user's data."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BIOROBUST_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "PATH": path}


def start(command: list[str], folder: Path) -> subprocess.Popen[str]:
    """A program in a group of its own, with all it says on one stream."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def plan(stages: Sequence[str], n: int) -> dict[str, float]:
    """Stage -> share of its time after which it is killed: n stages, of every kind one first, at even shares."""
    draw = random.Random(SEED)
    shuffled = draw.sample(stages, k=len(stages))
    kinds = {stage.partition("@")[0]: stage for stage in reversed(shuffled)}
    chosen = [*kinds.values(), *(stage for stage in shuffled if stage not in kinds.values())][:n]
    shares = draw.sample([(i + 0.5) / len(chosen) for i in range(len(chosen))], k=len(chosen))
    return dict(zip(chosen, shares, strict=True))


def seconds(alone: Path, stage: str) -> float:
    """How long a stage took in the run that is left alone; waits until that one has got so far."""
    note, patience = alone / f"reports/run_info/{stage}.json", time.monotonic() + PATIENCE
    while not note.exists():
        if time.monotonic() > patience:
            raise RuntimeError(f"the run that is left alone does not get to {stage}: see {alone}.log")
        time.sleep(0.2)
    return STARTING + float(json.loads(note.read_text(encoding="utf-8"))["wall_seconds"])


def killed(folder: Path, moments: Mapping[str, float], *, alone: Path, starts: Counter[str]) -> Iterator[Kill]:
    """`dvc repro` again and again until it comes to its end, killed at each of the moments. Raises RuntimeError.

    starts: gets how often every stage was started.
    """
    left = dict(moments)
    while True:
        process = start([*DVC, "repro"], folder)
        assert process.stdout is not None
        said, planned, timer = [], "", None
        for line in process.stdout:
            said.append(line)
            if not (found := RUNNING.match(line)):
                continue
            ran = found[1]
            starts.update([ran])
            if ran in left and timer is None:
                planned, begun, of = ran, time.monotonic(), seconds(alone, ran)
                wait = begun + left.pop(ran) * of - time.monotonic()
                timer = threading.Timer(max(0.0, wait), os.killpg, (process.pid, signal.SIGKILL))
                timer.start()
        if timer:
            timer.cancel()
        status = process.wait()
        if not status:
            return
        if status != -signal.SIGKILL:
            raise RuntimeError(f"dvc repro failed after a kill:\n{''.join(said[-30:])}")
        yield Kill(planned, ran, time.monotonic() - begun, of)


def files(root: Path) -> dict[str, bytes]:
    """Every output of a checkout, and half of one."""
    paths = [path for name in OUTPUTS for path in (root / name, *(root / name).rglob("*"))]
    kept = {path.relative_to(root).as_posix(): path for path in paths if path.is_file()}
    return {name: path.read_bytes() for name, path in kept.items() if not name.startswith("data/work/notebooks/")}


def differences(alone: Path, other: Path) -> tuple[int, list[str]]:
    """How many outputs there are, and what is wrong with those of `other`.

    The page shows what the stages noted about time and memory: `other` first gets the notes of `alone`.
    """
    subprocess.run(["cp", "-r", f"{alone}/reports/run_info", f"{other}/reports/"], check=True)
    for folder in (alone, other):
        subprocess.run([sys.executable, "-m", "stages.report"], cwd=folder, env=environment(), check=True)
    ours, theirs = files(alone), files(other)
    wrong = [f"{name} differs" for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)]
    wrong += [f"{path.relative_to(other)} is half a file" for path in sorted(other.rglob("*.part"))]
    locks = [yaml.safe_load((root / "dvc.lock").read_text(encoding="utf-8")) for root in (alone, other)]
    for lock in locks:
        del lock["stages"]["report"]  # of the page before it was drawn again
    wrong += ["dvc.lock differs"] if locks[0] != locks[1] else []
    return len(ours), wrong + [f"{name} still runs" for name in running(other)]


def running(folder: Path) -> list[str]:
    """Processes that were started in a folder and are still there."""
    found = psutil.process_iter(["name", "cwd"])
    return [process.info["name"] for process in found if str(process.info["cwd"] or "").startswith(str(folder))]


def by_kind(kills: Iterable[Kill]) -> list[str]:
    """Lines of a table: what kind of stage, and when each of its stages was killed."""
    kinds: dict[str, list[str]] = {}
    for kill in kills:
        kinds.setdefault(kill.stage.partition("@")[0], []).append(f"{kill.second:.1f} of {kill.of:.1f}")
    return [f"| `{kind}` | {', '.join(moments)} |" for kind, moments in sorted(kinds.items())]


def main(n_kills: int = KILLS) -> int:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as place:
        Path(place).chmod(0o755)  # cases of bad_inputs.py run as another user
        alone, other = (checkout(Path(place).resolve() / name) for name in ("alone", "killed"))
        with open(f"{alone}.log", "w", encoding="utf-8") as log:
            run = subprocess.Popen([*DVC, "repro"], cwd=alone, env=environment(), stdout=log, stderr=log)
        stages = subprocess.run([*DVC, "stage", "list", "--name-only"], cwd=other, capture_output=True, text=True)
        kills, starts = [], Counter[str]()
        for kill in killed(other, plan(stages.stdout.split(), n_kills), alone=alone, starts=starts):
            kills.append(kill)
            said = f"{len(kills):2} {kill.stage}: killed {kill.second:.1f} s of {kill.of:.1f} in, at {kill.ran}"
            print(said, flush=True)
        if run.wait():
            raise RuntimeError(f"the run that was left alone failed:\n{Path(f'{alone}.log').read_text()[-3000:]}")
        n, wrong = differences(alone, other)
        needed = Counter(stages.stdout.split()) + Counter(kill.ran for kill in kills)
        wrong += [f"{stage} ran {times} times more than it had to" for stage, times in (starts - needed).items()]
        equal = f"after {len(kills)} kills all {n} outputs have the bytes of the other run"
        print("\n".join(wrong) or equal, flush=True)
        took = time.monotonic() - begun
        tried = start([sys.executable, "-m", "tests.bad_inputs"], alone)
        assert tried.stdout is not None
        for line in tried.stdout:
            print(line, end="", flush=True)
        bad = tried.wait()
    lines = [
        f"{len(kills)} of {n_kills} kills, then {n} outputs, {len(wrong)} of them not as in the run left alone, "
        f"in {took / 60:.0f} minutes; {line.rstrip()}, in {(time.monotonic() - begun - took) / 60:.0f} more "
        f"({os.cpu_count()} cores of {cpu()}).",
        "",
        "| kind of stage | killed so many seconds in, of so many that it takes |",
        "|---|---|",
        *by_kind(kills),
        "",
        "| bad input | cases |",
        "|---|--:|",
        *(f"| {kind} | {len(cases)} |" for kind, cases in CASES.items()),
    ]
    page = ROOT / DOC
    page.write_text(BLOCK.sub(lambda _: "\n".join(lines) + "\n", page.read_text(encoding="utf-8")), encoding="utf-8")
    return int(bool(wrong or bad or len(kills) < n_kills))


if __name__ == "__main__":
    if not all(text.isdecimal() and int(text) for text in sys.argv[1:]):
        sys.exit(f"KILLS={' '.join(sys.argv[1:])}: must be an integer of 1 or more")
    sys.exit(main(*map(int, sys.argv[1:])))
