"""Bad inputs: does each end in one clear line? `python -m tests.bad_inputs` in a checkout whose stages have run.

A case says what is done to one file, which stage meets it and what the line must name. Required: an exit status other
than 0, nothing on stderr but that line, and every file as it was. `make faults` makes the checkout and calls this.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import resource
import runpy
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

LIMIT = 120  # seconds for one case
IGNORED = (".git", ".dvc", "data/work", "__pycache__")  # states and notes of starts may come and go
GONE = object()


@dataclass(frozen=True)
class Change:
    """What is done to a file, in words and as a function of its bytes (none of a file that is not there)."""

    words: str
    apply: Callable[[bytes], bytes | None]


@dataclass(frozen=True)
class Case:
    """`stage` with its arguments meets `file` after `change`; `says`: what its line has to hold."""

    file: str
    change: Change
    stage: str
    says: str
    environment: Mapping[str, str] = field(default_factory=dict)
    also: Mapping[str, Change] = field(default_factory=dict)  # what is done to other files, to get there
    largest_file: int = resource.RLIM_INFINITY  # bytes, as on a full disk


gone, empty = Change("is missing", lambda _: None), Change("is empty", lambda _: b"")
nothing = Change("as it was", lambda old: old or None)


def cut(share: float) -> Change:
    return Change(f"ends after {share:.0%}", lambda old: old[: int(share * len(old))])


def text(new: str | bytes) -> Change:
    shown = new if isinstance(new, str) else repr(new)
    return Change(f"holds {shown[:30]!r}", lambda _: new if isinstance(new, bytes) else new.encode())


def swap(old: str, new: str) -> Change:
    def apply(content: bytes) -> bytes:
        assert old.encode() in content, old
        return content.replace(old.encode(), new.encode(), 1)

    return Change(f"{old.strip()!r} becomes {new.strip()!r}", apply)


def key(path: str, value: object) -> Change:
    """Another value, or GONE, at a path with slashes in YAML or JSON."""

    def apply(content: bytes) -> bytes:
        whole = yaml.safe_load(content)  # JSON is YAML
        *parents, last = path.split("/")
        inside: Any = whole
        for parent in parents:
            inside = inside[int(parent)] if isinstance(inside, list) else inside[parent]
        place = int(last) if isinstance(inside, list) else last
        if value is GONE:
            del inside[place]
        else:
            inside[place] = value
        return (json.dumps(whole) if content[:1] in b"[{" else yaml.safe_dump(whole)).encode()

    return Change(f"{path} is missing" if value is GONE else f"{path}: {value!r}"[:60], apply)


def stored(words: str, change: Callable[[Any], Any]) -> Change:
    """Arrays of an npz, rows of a table or tensors, made anew from those there are."""

    def apply(content: bytes) -> bytes:
        from safetensors.torch import load, save

        stream = io.BytesIO()
        if content.startswith(b"PK"):
            np.savez(stream, **change(dict(np.load(io.BytesIO(content)))))
        elif content.startswith(b"PAR1"):
            change(pd.read_parquet(io.BytesIO(content))).to_parquet(stream)
        else:
            return save(change(load(content)))
        return stream.getvalue()

    return Change(words, apply)


def cases(file: str, stage: str, *met: Change | tuple[Change, str], **more: Any) -> list[Case]:
    """A stage that meets a file after each of these changes; the line names the file where nothing else is given."""
    pairs = (item if isinstance(item, tuple) else (item, file) for item in met)
    return [Case(file, change, stage, says, **more) for change, says in pairs]


P, LETTERS = "params.yaml", "download emnist_letters"
TABLES, PRETRAIN, LEARN, ATTACK = "tables", "hebbian_pretrain uniform", "train_controls end-to-end", "attack end-to-end"
PARAMS = [
    *cases(P, "repro", (gone, f"{P} is missing"), empty, (text("scale: [tiny\n"), f"{P} is not valid YAML")),
    *cases(P, LETTERS, text("[" * 5000), text("- tiny\n")),
    *cases(P, LETTERS, *((key("seed", value), "seed = ") for value in (-1, True, 2**70))),
    *cases(P, PRETRAIN, (key("hebbian/delta", float("nan")), "hebbian.delta"), (key("hebbian/k", 65), "hebbian.k")),
]

DIGITS, ORIGIN = "data/datasets/mnist.npz", "reports/metrics/data/mnist.json"
DATA = [
    *cases(DIGITS, LEARN, (gone, f"{DIGITS} is missing"), empty, cut(0.999), text("a,b\n1,2\n")),
    *cases(
        DIGITS,
        LEARN,
        (stored("images as floats", lambda a: a | {"train_images": a["train_images"] / 255}), "train"),
        (stored("an image beyond", lambda a: a | {"tuning": a["tuning"] + 10**6}), "tuning"),
    ),
    *cases(ORIGIN, "report", cut(0.5), key("fidelity", GONE), key("train", 7)),
]

SAMPLES, FILE = "download imagenet_samples", "mirror/imagenet_samples/test.parquet"
MIRROR = {"environment": {"BIOROBUST_DATA_MIRROR": "mirror"}, "also": {P: key("data/source", "mirror")}}
MIRRORED = [
    *cases(P, SAMPLES, (key("data/source", "mirror"), "BIOROBUST_DATA_MIRROR is not set")),
    *(
        Case(P, key("data/source", "mirror"), SAMPLES, "BIOROBUST_DATA_MIRROR", {"BIOROBUST_DATA_MIRROR": folder})
        for folder in ("/no/such/folder", P)
    ),
    *cases(FILE, SAMPLES, empty, text("PAR1 and then nothing"), **MIRROR),
]

CHECKPOINT, COMPARE = "data/checkpoints", "compare hebbian"
NETWORK, MODEL = f"{CHECKPOINT}/end-to-end/seed0.safetensors", f"{CHECKPOINT}/end-to-end/model.json"
RECORD, LETTER = "data/attacks/hebbian/end-to-end.parquet", "data/attacks/cnnf/predictions/cnnf_runs/cnn-noisy.parquet"
RESULTS = [
    *cases(NETWORK, ATTACK, gone, cut(0.9), stored("is flat", lambda t: {k: v.flatten() for k, v in t.items()})),
    *cases(MODEL, ATTACK, gone, cut(0.5), key("configs/0/n_hidden", "many")),
    *cases(f"{CHECKPOINT}/hebbian/uniform/seed0.safetensors", "train_supervised report-uniform", cut(0.5)),
    *cases(f"{CHECKPOINT}/cnn-feedback/model.json", "attack cnn-feedback", (key("configs/0", {}), "cnn-feedback")),
    *cases("data/perturbed/vonenet/cifar10/resnet50-seed0.safetensors", "activations_vonenet", (cut(0.5), "resnet50")),
    *cases(
        RECORD,
        COMPARE,
        *(gone, cut(0.5), stored("a row missing", lambda t: t.tail(-1))),
        (stored("holds no images", lambda t: t.head(0)), "end-to-end"),
        stored("broken in words", lambda t: t.assign(broken="no")),
    ),
    *cases(LETTER, "compare cnnf", cut(0.5), stored("has no label", lambda t: t.drop(columns="label"))),
]

METRIC, CURRENT = "reports/metrics", "reports/tables/current"
OUTCOMES, NOTE = f"{METRIC}/outcomes/hebbian.npz", f"reports/run_info/{LEARN.replace(' ', '@')}.json"
METRICS = [
    *cases(
        f"{METRIC}/train/end-to-end.json",
        TABLES,
        *(empty, text("[" * 100_000), text('"\ud800"'.encode("utf-8", "surrogatepass"))),
        *((key(name, value), name) for name, value in {"per_seed": [], "dataset": "mnist", "status": "fine"}.items()),
        (key("per_seed/0/correct", -1), "per_seed.0.correct"),
    ),
    *cases(
        f"{METRIC}/attack/end-to-end.json",
        TABLES,
        (key("eps", []), "eps"),
        (key("attacks/fgsm-report/per_seed/0/unverified", GONE), "belong together"),
    ),
    *cases(f"{METRIC}/ablations/clip.json", TABLES, (key("changed/key", "colour"), "settings: colour is missing")),
    *cases(f"{METRIC}/perturb/resnet50.json", TABLES, (key("per_seed/0/own", 7), "per_seed.0.own")),
    *cases(f"{METRIC}/curves/weights-uniform.csv", "figures hebbian", text("seed;epoch\n0;1\n")),
    *cases(OUTCOMES, TABLES, cut(0.5)),
    *cases(OUTCOMES, "report", text("words")),
    *cases(NOTE, "report", text("[]"), key("wall_seconds", GONE)),
    *cases("dvc.lock", "report", (text("stages: [\n"), "dvc.lock is not valid YAML"), text("stages: none\n")),
    *cases(f"{CURRENT}/tables.json", "report", cut(0.5), key("0/columns", GONE)),
    *cases(f"{CURRENT}/ledger.csv", "report", gone, text('"id"\nH1\n')),
    *cases("reports/figures/hebbian/current/figures.json", "report", (cut(0.5), "figures.json")),
    *cases("reports/figures/hebbian/current/learning.svg", "report", (gone, "learning.svg")),
    *cases(
        "reports/templates/report.html.j2",
        "report",
        (swap("{%", "{% if %}{%"), "TemplateSyntaxError"),
        (swap("{{", "{{ unknown }}{{"), "'unknown' is undefined"),
    ),
    *cases("docs/protocol.md", "report", gone),
]

CLAIMS, PRINTED = "reports/claims/hebbian.yaml", "reports/reported/hebbian.csv"
CLAIMED = [
    *cases(CLAIMS, TABLES, gone, empty, cut(0.97)),
    *cases(PRINTED, TABLES, empty, (gone, "reported/hebbian.csv"), text(b"\xff\xfe\x00")),
]

WEIGHTS = {"environment": {"BIOROBUST_WEIGHTS": "weights"}}
OFFICIAL = "weights/voneresnet50_e70.pth.tar"
LARGEST = {  # stage -> what it writes first that is larger than so many bytes
    "download mnist": (DIGITS, 1000),
    PRETRAIN: ("uniform", 10_000),
    ATTACK: ("end-to-end", 1000),
    COMPARE: (OUTCOMES, 1000),
    TABLES: ("reports/tables", 1000),
    "figures hebbian": ("reports/figures", 1000),
    "report": ("reports/report.html", 1000),
}
UNKNOWN = {
    "repro --scale huge": "SCALE=huge",
    "environment .venv --scale huge": "SCALE=huge",
    "record ../up": "'../up'",
    "record hebbian-paper-3": "hebbian-paper-3 exists",
    "experiment no-such-thing": "no-such-thing",
    "download letters": "data set 'letters': unknown",
}
SURROUNDINGS = [
    *cases(OFFICIAL, "import_vonenet imagenet-voneresnet50", text("<html>log in</html>"), empty, **WEIGHTS),
    *cases("weights/resnet50-0676ba61.pth", "repro", (text("words"), "SHA-256"), **WEIGHTS),
    *(Case(P, nothing, stage, says) for stage, says in UNKNOWN.items()),
    Case(P, nothing, ATTACK, "BIOROBUST_DEVICE=gpu", {"BIOROBUST_DEVICE": "gpu"}),
    Case(P, nothing, LEARN, "BIOROBUST_DEVICE=cuda", {"BIOROBUST_DEVICE": "cuda", "CUDA_VISIBLE_DEVICES": ""}),
    Case(P, nothing, LEARN, "/dev/null", {"BIOROBUST_WORK": "/dev/null"}),
    *(Case(P, nothing, stage, says, largest_file=size) for stage, (says, size) in LARGEST.items()),
]

CASES = {
    "parameters": PARAMS,
    "data sets": DATA,
    "a mirror of data sets": MIRRORED,
    "checkpoints and records": RESULTS,
    "metrics, tables, notes": METRICS,
    "claims and printed numbers": CLAIMED,
    "weights, names, variables, disks": SURROUNDINGS,
}


def child(case: Case, said: int) -> None:
    """The stage of a case, in a process of its own whose stderr is the file `said`."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(said, 2)
    os.environ.update(case.environment)
    resource.setrlimit(resource.RLIMIT_FSIZE, (case.largest_file, resource.RLIM_INFINITY))
    name, *sys.argv[1:] = case.stage.split()
    sys.argv[0] = name
    runpy.run_module(f"stages.{name}", run_name="__main__")


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file that a stage may write."""
    found = {}
    for folder, inner, names in os.walk(root):
        place = os.path.relpath(folder, root)
        inner[:] = [name for name in inner if not os.path.normpath(f"{place}/{name}").endswith(IGNORED)]
        for status, name in ((os.stat(f"{folder}/{name}"), name) for name in names):
            found[os.path.normpath(f"{place}/{name}")] = status.st_size, status.st_mtime_ns
    return found


def first_missing(path: Path) -> Path:
    """The topmost of a path and its parents that is not there."""
    return next(part for part in reversed([path, *path.parents]) if not part.exists())


def run(case: Case, root: Path) -> tuple[int | None, list[str], set[str]]:
    """Exit status (None: it had to be ended), lines on stderr, and files that it changed, made or removed."""
    changes = {root / case.file: case.change, **{root / name: change for name, change in case.also.items()}}
    old = {path: path.read_bytes() if path.is_file() else None for path in changes}
    made = [first_missing(path) for path in changes if old[path] is None]
    try:
        for path, change in changes.items():
            new = change.apply(old[path] or b"")
            if new is None:
                path.unlink(missing_ok=True)
            elif new != old[path]:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(new)
        before = files(root)
        with tempfile.TemporaryFile() as said:
            process = multiprocessing.get_context("fork").Process(target=child, args=(case, said.fileno()))
            process.start()
            process.join(LIMIT)
            if (status := process.exitcode) is None:
                os.killpg(process.pid, signal.SIGKILL)
            said.seek(0)
            lines = said.read().decode(errors="replace").splitlines()
        after = files(root)
    finally:
        for path, content in old.items():
            if content is not None:
                path.write_bytes(content)
        for path in made:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return status, lines, {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def fault(case: Case, status: int | None, lines: list[str], touched: set[str]) -> str:
    """What is not as it should be; "" where all is."""
    if status is None:
        return f"no end after {LIMIT} s"
    if not status:
        return "it passed"
    if len(lines) != 1 or case.says not in lines[0]:
        return f"status {status}, {len(lines)} lines: {' | '.join(lines[-3:])[:600]}"
    return f"it left {', '.join(sorted(touched)[:3])}" if touched else ""


def main(only: str = "") -> int:
    import biorobust.attacks.experiment
    import biorobust.reporting.render
    import biorobust.statistics.outcomes  # noqa: F401  # once, for all the processes to come

    bad = n = 0
    for kind, case in ((kind, case) for kind, cases in CASES.items() for case in cases):
        if only not in f"{kind} {case.file} {case.change.words} {case.stage}":
            continue
        status, lines, touched = run(case, Path.cwd())
        wrong = fault(case, status, lines, touched)
        n, bad = n + 1, bad + bool(wrong)
        what = case.change.words if case.change is not nothing else " ".join(case.environment)
        said = wrong or lines[-1]
        print(f"{'BAD ' if wrong else 'ok  '}{kind}: {case.file} {what}; {case.stage}: {said}", flush=True)
    print(f"{n - bad} of {n} bad inputs end in one clear line", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    import stages  # noqa: F401  # puts the library of this checkout first

    sys.exit(main(*sys.argv[1:]))
