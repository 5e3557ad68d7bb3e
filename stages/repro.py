"""Run what is out of date in the graph, and say where it stands: what `make repro` calls.

The work is done by DVC's own command line in this process: what it says, its exit status and its way to end at Ctrl-C
are passed on. With nothing to do it is not even asked, because one look at the graph has said so already.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import functools
import logging
import operator
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from biorobust import params
from biorobust.core.files import read_json
from biorobust.core.scale import set_scale
from biorobust.reporting.effects import tally
from biorobust.reporting.notes import DOWNLOAD, cost, read_note
from biorobust.reporting.numbers import duration, listed
from stages.common import RUN_INFO, stage_main
from stages.lockfile import dvc
from stages.stale import stale

REPORT = Path("reports/report.html")
RECORDED = Path("reports/recorded")
AGREEMENT = Path("reports/tables/current/agreement.csv")
OVERHEAD = 1.5  # seconds a stage takes beside what it notes itself: DVC's hashes and lock file, the start of Python
KNOWN = 0.9  # share of the stages ahead that must have a time before their sum is shown
FAIR_SAMPLE = 120.0  # seconds of noted time after which this machine's speed is taken from what has been done


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.repro", description=__doc__)
    parser.add_argument("--scale", help="first set this scale in params.yaml")
    scale = parser.parse_args(argv).scale
    if scale is not None and set_scale(params.PARAMS_FILE, scale):
        print(f"{params.PARAMS_FILE} now says scale: {scale}, also for the runs after this one.", flush=True)
    settings = params.load()
    # A stage's `python` is the first one on the path: the one this environment has.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    forced = stale(settings)
    graph = look(forced)
    if graph is not None and not graph.todo:
        print("Data and pipelines are up to date.")
        print(closing())
        return
    run(graph or Graph((), ()), forced, scale=settings.scale)


def run(graph: Graph, forced: Sequence[str], *, scale: str) -> None:
    """`dvc repro`, first of the stages in `forced` whatever DVC thinks of them; a failure ends in its exit status."""
    notes = noted(graph.todo, scale=scale)
    if graph.todo:
        print(announcement(graph, notes, scale=scale), flush=True)
    narrator = Narrator(graph.todo, {stage: cost(note) for stage, note in notes.items()})
    for logger in map(logging.getLogger, ("dvc.stage", "dvc.stage.run", "dvc.stage.cache", "dvc.dvcfile")):
        logger.addFilter(narrator)
    signal.signal(signal.SIGTERM, end_stage)
    started = time.monotonic()
    commands = [["repro", "--force", "--single-item", *forced]] if forced else []
    for command in [*commands, ["repro"]]:
        status = dvc(command)
        took = duration(time.monotonic() - started)
        if status:
            if narrator.seen:
                print(f"Stopped after {took}. What is done stays done: the same command goes on.", file=sys.stderr)
            sys.exit(status)
        narrator.finish()
    print(f"Done in {took}.", closing())


def end_stage(*_: object) -> None:
    """SIGTERM goes to the stage that runs, so that none is left behind; DVC then says that it ended, and ends too."""
    import psutil

    running = psutil.Process().children(recursive=True)
    for process in running:
        process.terminate()
    if not running:
        sys.exit(143)


@dataclass(frozen=True)
class Graph:
    """Names of all stages in the order DVC takes them, and those that it may run: changed ones and all behind them."""

    stages: tuple[str, ...]
    todo: tuple[str, ...]


def look(forced: Iterable[str]) -> Graph | None:
    """What there is to do, the stages in `forced` included; None where DVC cannot say, and will say why itself."""
    from dvc.dependency import param
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    load, whole = functools.cache(param.load_path), param.read_param_file

    def read(fs: Any, path: str, keys: Sequence[str] | None, flatten: bool) -> Any:
        if not keys:
            return whole(fs, path, keys, flatten)
        found = {}
        for key in keys:
            with contextlib.suppress(KeyError, TypeError):
                found[key] = functools.reduce(operator.getitem, key.split("."), load(path, fs))
        return found

    try:
        # DVC parses params.yaml for every stage and walks through all of it for every key: longer than all the rest.
        with Repo() as repo, mock.patch.object(param, "read_param_file", read):
            changed = {*repo.status(), *forced}
            if not changed:
                return Graph((), ())
            import networkx
            from dvc.repo.reproduce import get_active_graph, plan_repro

            graph = get_active_graph(repo.index.graph)
            order = plan_repro(graph)
            first = {stage for stage in order if stage.addressing in changed}
            todo = first.union(*(networkx.ancestors(graph, stage) for stage in first))
            names = tuple(stage.addressing for stage in order)
            return Graph(names, tuple(stage.addressing for stage in order if stage in todo))
    except DvcException:
        return None


def noted(stages: Iterable[str], *, scale: str) -> dict[str, Mapping[str, Any]]:
    """Per stage the note of its last run at this scale, of this checkout or else of a recorded run."""
    snapshots = [path.parent for path in sorted(RECORDED.glob("*/manifest.json")) if read_json(path)["scale"] == scale]
    folders = [RUN_INFO, *(snapshot / "run_info" for snapshot in reversed(snapshots))]
    found = {stage: [read_note(folder, stage, scale=scale) for folder in folders] for stage in stages}
    return {stage: next(filter(None, notes)) for stage, notes in found.items() if any(notes)}


def announcement(graph: Graph, notes: Mapping[str, Mapping[str, Any]], *, scale: str) -> str:
    """How much there is to do and how long it will take, as far as notes of earlier runs can tell."""
    todo, every = len(graph.todo), len(graph.stages)
    head = f"Scale {scale}: {'all' if todo == every else f'up to {todo} of'} {every} stages to run"
    if all(stage.startswith(DOWNLOAD) for stage in notes):  # which no scale changes
        return f"{head}. How long that takes is not known: no run at this scale is on record."
    seconds = sum(cost(note) + OVERHEAD for note in notes.values())
    missing = todo - len(notes)
    about = (
        f"at least {duration(seconds)}, {missing} of them have no time yet" if missing else f"about {duration(seconds)}"
    )
    machines = dict.fromkeys(
        note["cpu"] if note["device"] == "cpu" else note["device"] for note in notes.values() if note.get("device")
    )
    threads = sorted({note["threads"] for note in notes.values()})
    days = sorted({note["finished"][:10] for note in notes.values()})
    return (
        f"{head}, {about}.\n"
        f"(Times of {' to '.join(dict.fromkeys([days[0], days[-1]]))}, on {listed(machines)} "
        f"with {listed(map(str, threads), last='or')} thread{'s' * (threads != [1])}.)"
    )


class Narrator(logging.Filter):
    """Turns what DVC logs about single stages into a count, with the time each took and the time that is left."""

    def __init__(self, todo: Sequence[str], seconds: Mapping[str, float]) -> None:
        super().__init__()
        self.todo = list(todo)
        self.seconds = {stage: seconds[stage] + OVERHEAD for stage in todo if stage in seconds}
        self.seen: set[str] = set()
        self.running: tuple[str, float] | None = None
        self.spent = self.expected = 0.0  # seconds, over the stages done whose time was noted

    def filter(self, record: logging.LogRecord) -> bool:
        """Called for every message; False leaves it out."""
        message, stage = record.msg, str(record.args[0]) if isinstance(record.args, tuple) and record.args else ""
        if message == "%s %s":  # the command that belongs to "Running stage"
            return True
        self.finish()
        if message == "Running stage '%s':":
            record.msg, record.args = f"{self.count(stage)}{self.left(stage)}", ()
            self.running = stage, time.monotonic()
        elif message == "Stage '%s' is cached - skipping run, checking out outputs":
            record.msg, record.args = f"{self.count(stage)} comes from DVC's cache", ()
        elif message == "Stage '%s' didn't change, skipping":
            if stage not in self.todo or stage in self.seen:
                return False
            record.msg, record.args = f"{self.count(stage)} is up to date after all", ()
        return True

    def count(self, stage: str) -> str:
        self.seen.add(stage)
        return f"stage {len(self.seen)} of {max(len(self.todo), len(self.seen))}: {stage}"

    def left(self, stage: str) -> str:
        """What to expect of this stage, and of all that is left with it, at the speed the run has had so far."""
        speed = self.spent / self.expected if self.expected > FAIR_SAMPLE else 1.0
        ahead = [name for name in self.todo if name not in self.seen - {stage}]
        known = [self.seconds[name] for name in ahead if name in self.seconds]
        own = f", about {duration(speed * self.seconds[stage])}" if stage in self.seconds else ""
        return f"{own}; {duration(speed * sum(known))} left in all" if len(known) > KNOWN * len(ahead) else own

    def finish(self) -> None:
        """The stage that was running has ended well."""
        if self.running is None:
            return
        stage, started = self.running
        self.running = None
        took = time.monotonic() - started
        if stage in self.seconds:
            self.spent += took
            self.expected += self.seconds[stage]
        print(f"{stage} took {duration(took)}", flush=True)


def closing() -> str:
    """Where the report lies, and whether headline effects point the same way as in the recorded runs, if any do."""
    said = f"The report: {REPORT.resolve()} (its ledger: reports/summary.md)"
    if AGREEMENT.is_file():
        with open(AGREEMENT, encoding="utf-8", newline="") as stream:
            words = [row["word"] for row in csv.DictReader(stream)]
        said += f"\nHeadline effects against the recorded runs: {tally(words)}" if words else ""
    return said


if __name__ == "__main__":
    stage_main(main)
