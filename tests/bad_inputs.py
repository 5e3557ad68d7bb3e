"""Bad inputs: does each end in one clear line? `python -m tests.bad_inputs` in a checkout whose stages have run.

A case says what is done to one file, which stage meets it and what the line must name. Required: an exit status other
than 0, nothing on stderr but that line, and every file as it was. `make faults` makes the checkout and calls this.
"""

from __future__ import annotations

import ctypes
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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image

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
    locked: str = ""  # folder that may not be written


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


def arrays(words: str, **changed: Callable[[dict[str, np.ndarray]], Any]) -> Change:
    """Arrays of an npz made anew from all of them; None leaves one out."""

    def apply(content: bytes) -> bytes:
        stored = dict(np.load(io.BytesIO(content)))
        made = {name: make(stored) for name, make in changed.items()}
        stream = io.BytesIO()
        np.savez(stream, **{name: value for name, value in {**stored, **made}.items() if value is not None})
        return stream.getvalue()

    return Change(words, apply)


def rows(words: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    def apply(content: bytes) -> bytes:
        stream = io.BytesIO()
        change(pd.read_parquet(io.BytesIO(content))).to_parquet(stream)
        return stream.getvalue()

    return Change(words, apply)


def tensors(words: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    from safetensors.torch import load, save

    return Change(words, lambda content: save(change(load(content))))


def photographs(words: str, change: Callable[[pd.DataFrame], pd.DataFrame] = lambda t: t, **saved: Any) -> Change:
    """A mirror's file of the 250 photographs, each of one colour, after a change. saved: of the last one."""

    def encoded(i: int, side: int = 256, mode: str = "RGB") -> dict[str, Any]:
        colour = (i, 255 - i, i // 2) if mode == "RGB" else i
        Image.new(mode, (side, side), colour).save(stream := io.BytesIO(), "PNG")
        return {"bytes": stream.getvalue(), "path": f"{i}.png"}

    def apply(_: bytes) -> bytes:
        images = [encoded(i, **(saved if i == 249 else {})) for i in range(250)]
        table = pd.DataFrame({"image": images, "label": range(0, 1000, 4)})
        change(table).to_parquet(stream := io.BytesIO())
        return stream.getvalue()

    return Change(words, apply)


def first(name: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table.assign(**{name: [value, *table[name][1:]]})


P, LETTERS = "params.yaml", "download emnist_letters"
PARAMS = [
    Case(P, gone, "repro", "params.yaml is missing"),
    Case(P, empty, "repro", "params.yaml"),
    Case(P, text("scale: [tiny\n"), "repro", "params.yaml is not valid YAML"),
    Case(P, text("- tiny\n"), "tables", "params.yaml"),
    Case(P, text("scale: tiny\nscale: paper\n"), LETTERS, "'scale' stands twice"),
    Case(P, text("[" * 5000), LETTERS, "params.yaml is not valid YAML"),
    Case(P, text("scale: tiny # é\n".encode("latin-1")), LETTERS, "params.yaml is not UTF-8 text"),
    Case(P, key("scale", "huge"), "repro", "scale = 'huge'"),
    Case(P, key("seed", -1), LETTERS, "seed = -1"),
    Case(P, key("seed", True), LETTERS, "seed = True"),
    Case(P, key("seed", 2**70), LETTERS, "seed = "),
    Case(P, key("data/source", "internet"), LETTERS, "data.source = 'internet'"),
    Case(P, key("hebian", {}), LETTERS, "hebian: unknown key"),
    Case(P, key("hebbian", GONE), LETTERS, "hebbian: missing key"),
    Case(P, key("hebbian", 3), LETTERS, "hebbian: must be a block of keys"),
    Case(P, key("hebbian/delta", float("nan")), "hebbian_pretrain uniform", "hebbian.delta = nan"),
    Case(P, key("hebbian/delta", "strong"), "hebbian_pretrain uniform", "hebbian.delta = 'strong'"),
    Case(P, key("hebbian/k", 65), "hebbian_pretrain uniform", "hebbian.k = 65"),
    Case(P, key("hebbian_readout/beta", []), "train_supervised report-uniform", "hebbian_readout.beta"),
    Case(P, key("hebbian_runs/a.b", {}), "train_supervised report-uniform", "hebbian_runs.a.b"),
    Case(P, key("hebbian_runs/report-uniform/weights", "unifrom"), "compare hebbian", "unifrom"),
    Case(P, key("hebbian_attack/eps", [0.1, 0.2]), "attack end-to-end", "hebbian_attack.eps"),
    Case(P, key("hebbian_attack/attacks", ["fgsn"]), "attack end-to-end", "hebbian_attack.attacks"),
    Case(P, key("cnnf/residual", 1.5), "train_cnnf cnn-feedback", "cnnf.residual = 1.5"),
    Case(P, key("cnnf/cycles", -1), "train_cnnf cnn-feedback", "cnnf.cycles = -1"),
    Case(P, key("cnnf_training/ind", 9), "train_cnnf cnn-feedback", "cnnf_training.ind = 9"),
    Case(P, key("cnnf_noise/level", -0.1), "train_cnnf cnnf_grid", "cnnf_noise.level = -0.1"),
    Case(P, key("kwta/gamma", 0), "train_kwta kwta", "kwta.gamma = 0"),
    Case(P, key("kwta_training/batch_size", 0), "train_kwta kwta", "kwta_training.batch_size = 0"),
    Case(P, key("kwta_attack/eps_svhn", 8), "attack_kwta kwta", "kwta_attack.eps_svhn = 8"),
    Case(P, key("vonenet_runs/resnet50/depth", 51), "train_vonenet resnet50", "vonenet_runs.resnet50.depth = 51"),
    Case(P, key("vonenet_activations/common_eps", 0.9), "activations_vonenet", "vonenet_activations.common_eps = 0.9"),
    Case(P, key("scales/tiny/hebbian/epochs", 0), "hebbian_pretrain uniform", "scales.tiny.hebbian.epochs = 0"),
    Case(P, key("scales/tiny", GONE), LETTERS, "scales.tiny: missing key"),
    Case(P, key("scales/paper/kwta_ablation/trained", ["clap"]), "ablate_kwta", "scales.paper.kwta_ablation.trained"),
]

DIGITS, LEARN = "data/datasets/mnist.npz", "train_controls end-to-end"
DATA = [
    Case(DIGITS, gone, LEARN, f"{DIGITS} is missing"),
    Case(DIGITS, empty, LEARN, DIGITS),
    Case(DIGITS, cut(0.5), LEARN, DIGITS),
    Case(DIGITS, cut(0.999), "hebbian_pretrain uniform", DIGITS),
    Case(DIGITS, text("a,b\n1,2\n"), LEARN, DIGITS),
    Case(DIGITS, arrays("has no tuning", tuning=lambda _: None), LEARN, "tuning"),
    Case(DIGITS, arrays("has objects", tuning=lambda a: a["tuning"].astype(object)), LEARN, DIGITS),
    Case(DIGITS, arrays("images as floats", train_images=lambda a: a["train_images"] / 255), LEARN, "train"),
    Case(DIGITS, arrays("images in colour", test_images=lambda a: a["test_images"][..., None]), LEARN, "test"),
    Case(DIGITS, arrays("labels as words", train_labels=lambda a: a["train_labels"].astype(str)), LEARN, "train"),
    Case(DIGITS, arrays("a class too many", test_labels=lambda a: a["test_labels"] + 1), LEARN, "test"),
    Case(DIGITS, arrays("a class too few", train_labels=lambda a: a["train_labels"] - 1), LEARN, "train"),
    Case(DIGITS, arrays("a label too few", train_labels=lambda a: a["train_labels"][1:]), LEARN, "train"),
    Case(DIGITS, arrays("twice one image", evaluation=lambda a: a["evaluation"] * 0), LEARN, "evaluation"),
    Case(DIGITS, arrays("an image beyond", tuning=lambda a: a["tuning"] + 10**6), LEARN, "tuning"),
    Case(
        DIGITS,
        arrays(
            "no training images",
            train_images=lambda a: a["train_images"][:0],
            train_labels=lambda a: a["train_labels"][:0],
            tuning=lambda a: a["tuning"][:0],
        ),
        LEARN,
        "mnist",
    ),
    Case("data/datasets/cifar10.npz", cut(0.5), "perturb_vonenet", "data/datasets/cifar10.npz"),
    Case("data/datasets/emnist_letters.npz", gone, "train_cnnf cnn-clean", "data/datasets/emnist_letters.npz"),
    Case("reports/metrics/data/mnist.json", cut(0.5), "report", "reports/metrics/data/mnist.json"),
    Case("reports/metrics/data/mnist.json", text("{}"), "report", "reports/metrics/data/mnist.json"),
    Case("reports/metrics/data/mnist.json", key("fidelity", GONE), "report", "reports/metrics/data/mnist.json"),
    Case("reports/metrics/data/mnist.json", key("train", 7), "report", "reports/metrics/data/mnist.json"),
]

FOLDER = "mirror/imagenet_samples"
FILE, SAMPLES = f"{FOLDER}/test.parquet", "download imagenet_samples"
MIRROR = {"BIOROBUST_DATA_MIRROR": "mirror"}, {P: key("data/source", "mirror")}
MIRRORED = [
    Case(P, key("data/source", "mirror"), SAMPLES, "BIOROBUST_DATA_MIRROR is not set"),
    *(
        Case(P, key("data/source", "mirror"), SAMPLES, "BIOROBUST_DATA_MIRROR", {"BIOROBUST_DATA_MIRROR": folder})
        for folder in ("/no/such/folder", P, "reports")
    ),
    Case(FILE, empty, SAMPLES, FILE, *MIRROR),
    Case(FILE, text("PAR1 and then nothing"), SAMPLES, FILE, *MIRROR),
    Case(FILE, photographs("a row too few", lambda t: t.query("label > 0")), SAMPLES, "249 rows", *MIRROR),
    Case(FILE, photographs("no labels", lambda t: t.drop(columns="label")), SAMPLES, "column label", *MIRROR),
    Case(FILE, photographs("labels as words", lambda t: t.astype({"label": str})), SAMPLES, "label", *MIRROR),
    Case(FILE, photographs("a label missing", first("label", None)), SAMPLES, "label", *MIRROR),
    Case(FILE, photographs("a label of no class", first("label", 1000)), SAMPLES, "label", *MIRROR),
    Case(FILE, photographs("a label of another class", first("label", 1)), SAMPLES, "labels are not 0, 4", *MIRROR),
    Case(FILE, photographs("images as words", lambda t: t.assign(image="words")), SAMPLES, FILE, *MIRROR),
    Case(FILE, photographs("an image missing", first("image", None)), SAMPLES, "row 0", *MIRROR),
    Case(FILE, photographs("no image", first("image", {"bytes": b"words", "path": "a"})), SAMPLES, "row 0", *MIRROR),
    Case(FILE, photographs("a small image", side=255), SAMPLES, "row 249", *MIRROR),
    Case(FILE, photographs("a grey image", mode="L"), SAMPLES, "row 249", *MIRROR),
    Case(f"{FOLDER}/test-00001-of-00002.parquet", photographs("a part alone"), SAMPLES, "00000-of-00002", *MIRROR),
]

CHECKPOINT, ATTACK = "data/checkpoints/end-to-end", "attack end-to-end"
NETWORK, MODEL = f"{CHECKPOINT}/seed0.safetensors", f"{CHECKPOINT}/model.json"
RECORD, LETTER = "data/attacks/hebbian/end-to-end.parquet", "data/attacks/cnnf/predictions/cnnf_runs/cnn-noisy.parquet"
RESULTS = [
    Case(NETWORK, gone, ATTACK, NETWORK),
    Case(NETWORK, empty, ATTACK, NETWORK),
    Case(NETWORK, cut(0.9), ATTACK, NETWORK),
    Case(NETWORK, text("pickled"), ATTACK, NETWORK),
    Case(NETWORK, tensors("lacks a tensor", lambda t: dict(list(t.items())[1:])), ATTACK, NETWORK),
    Case(NETWORK, tensors("is flat", lambda t: {k: v.flatten() for k, v in t.items()}), ATTACK, NETWORK),
    Case(MODEL, gone, ATTACK, MODEL),
    Case(MODEL, cut(0.5), ATTACK, MODEL),
    Case(MODEL, text("[]"), ATTACK, MODEL),
    Case(MODEL, key("architecture", "transformer"), ATTACK, "architecture 'transformer'"),
    Case(MODEL, key("configs/0/n_hidden", GONE), ATTACK, MODEL),
    Case(MODEL, key("configs/0/n_hidden", "many"), ATTACK, MODEL),
    Case(MODEL, key("configs/0/n_hidden", 65), ATTACK, NETWORK),
    Case(MODEL, key("configs", {"zero": {}}), ATTACK, MODEL),
    Case("data/checkpoints/hebbian/uniform/seed0.safetensors", cut(0.5), "train_supervised report-uniform", "uniform"),
    Case("data/checkpoints/cnn-feedback/seed0.safetensors", cut(0.5), "attack cnn-feedback", "cnn-feedback"),
    Case("data/checkpoints/cnn-feedback/model.json", key("configs/0", {}), "attack cnn-feedback", "cnn-feedback"),
    Case("data/checkpoints/resnet50/model.json", key("configs/0", {}), "perturb_vonenet", "resnet50/model.json"),
    Case("data/perturbed/vonenet/cifar10/resnet50-seed0.safetensors", cut(0.5), "activations_vonenet", "resnet50"),
    Case(RECORD, gone, "compare hebbian", RECORD),
    Case(RECORD, cut(0.5), "compare hebbian", RECORD),
    Case(RECORD, text("attack,eps\n"), "compare hebbian", RECORD),
    Case(RECORD, rows("has no broken", lambda t: t.drop(columns="broken")), "compare hebbian", RECORD),
    Case(RECORD, rows("holds no images", lambda t: t.head(0)), "compare hebbian", "end-to-end"),
    Case(RECORD, rows("a row twice", lambda t: pd.concat([t, t.tail(1)])), "compare hebbian", RECORD),
    Case(RECORD, rows("a row missing", lambda t: t.tail(-1)), "compare hebbian", RECORD),
    Case(RECORD, rows("other images", lambda t: t.assign(index=t["index"] + 1)), "compare hebbian", "end-to-end"),
    Case(RECORD, rows("broken in words", lambda t: t.assign(broken="no")), "compare hebbian", RECORD),
    Case(RECORD, rows("seeds as words", lambda t: t.assign(seed="first")), "compare hebbian", RECORD),
    Case(LETTER, cut(0.5), "compare cnnf", LETTER),
    Case(LETTER, rows("has no label", lambda t: t.drop(columns="label")), "compare cnnf", LETTER),
]

TRAINED, ATTACKED = "reports/metrics/train/end-to-end.json", "reports/metrics/attack/end-to-end.json"
LEVELS = "reports/metrics/curves/noise-cnn-clean.csv"
CURVE, PICTURES = "reports/metrics/curves/end-to-end.csv", "reports/metrics/pictures/weights-end-to-end.npz"
OUTCOMES, NOTE = "reports/metrics/outcomes/hebbian.npz", "reports/run_info/train_controls@end-to-end.json"
METRICS = [
    Case(TRAINED, empty, "tables", TRAINED),
    Case(TRAINED, cut(0.5), "tables", TRAINED),
    Case(TRAINED, text("[]"), "report", TRAINED),
    Case(TRAINED, text('"\ud800"'.encode("utf-8", "surrogatepass")), "tables", TRAINED),
    Case(TRAINED, text("[" * 100_000), "tables", TRAINED),
    Case(TRAINED, key("per_seed", []), "tables", "per_seed"),
    Case(TRAINED, key("per_seed/0/accuracy", 1.7), "tables", "per_seed.0.accuracy"),
    Case(TRAINED, key("per_seed/0/accuracy", float("nan")), "tables", "per_seed.0.accuracy"),
    Case(TRAINED, key("per_seed/0/correct", 10**6), "tables", "per_seed.0"),
    Case(TRAINED, key("per_seed/0/correct", -1), "tables", "per_seed.0.correct"),
    Case(TRAINED, key("settings", GONE), "tables", "settings"),
    Case(TRAINED, key("settings/epochs", {}), "tables", "settings.epochs"),
    Case(TRAINED, key("dataset", "mnist"), "tables", "dataset"),
    Case(TRAINED, key("status", "fine"), "report", "status"),
    Case(ATTACKED, key("eps", []), "tables", "eps"),
    Case(ATTACKED, key("eps/0", "small"), "tables", "eps.0"),
    Case(ATTACKED, key("attacks/fgsm-report/per_seed", []), "tables", "fgsm-report"),
    Case(ATTACKED, key("attacks/fgsm-report/per_seed/0/correct", [1]), "tables", "fgsm-report"),
    Case(ATTACKED, key("attacks/fgsm-report/per_seed/0/correct/0", -1), "tables", "fgsm-report.per_seed.0.correct.0"),
    Case(ATTACKED, key("attacks/fgsm-report/per_seed/0/unverified", GONE), "tables", "belong together"),
    Case("reports/metrics/ablations/clip.json", key("changed/key", "colour"), "tables", "settings: colour is missing"),
    Case("reports/metrics/perturb/resnet50.json", key("per_seed/0/own", 7), "tables", "per_seed.0.own"),
    Case(CURVE, text("seed;epoch\n0;1\n"), "figures hebbian", CURVE),
    Case(LEVELS, text("seed,level,n,first,last,average\n0,0,9,-1,-1,-1\n"), "tables", LEVELS),
    Case(PICTURES, cut(0.5), "figures hebbian", PICTURES),
    Case(OUTCOMES, cut(0.5), "tables", OUTCOMES),
    Case(OUTCOMES, text("words"), "report", OUTCOMES),
    Case(NOTE, cut(0.5), "report", NOTE),
    Case(NOTE, text("[]"), "report", NOTE),
    Case(NOTE, key("wall_seconds", GONE), "report", NOTE),
    Case("dvc.lock", text("stages: [\n"), "report", "dvc.lock is not valid YAML"),
    Case("dvc.lock", text("stages: none\n"), "report", "dvc.lock"),
    Case("reports/tables/current/tables.json", cut(0.5), "report", "reports/tables/current/tables.json"),
    Case("reports/tables/current/tables.json", key("0/columns", GONE), "report", "reports/tables/current/tables.json"),
    Case("reports/tables/current/ledger.csv", gone, "report", "reports/tables/current/ledger.csv"),
    Case("reports/tables/current/ledger.csv", text('"id"\nH1\n'), "report", "reports/tables/current/ledger.csv"),
    Case("reports/figures/hebbian/current/figures.json", cut(0.5), "report", "figures.json"),
    Case("reports/figures/hebbian/current/learning.svg", gone, "report", "learning.svg"),
    Case("reports/templates/report.html.j2", swap("{%", "{% if %}{%"), "report", "TemplateSyntaxError"),
    Case("reports/templates/report.html.j2", swap("{{", "{{ unknown }}{{"), "report", "'unknown' is undefined"),
    Case("docs/protocol.md", gone, "report", "docs/protocol.md"),
]

CLAIMS, PRINTED = "reports/claims/hebbian.yaml", "reports/reported/hebbian.csv"
CLAIMED = [
    Case(CLAIMS, gone, "tables", CLAIMS),
    Case(CLAIMS, empty, "tables", CLAIMS),
    Case(CLAIMS, cut(0.97), "tables", CLAIMS),
    Case(CLAIMS, text("claims: [\n"), "report", f"{CLAIMS} is not valid YAML"),
    Case(CLAIMS, text("claims: é\n".encode("latin-1")), "tables", f"{CLAIMS} is not UTF-8 text"),
    Case(CLAIMS, key("claims", []), "tables", "top.claims"),
    Case(CLAIMS, key("claims/0/verdict", "reproduced"), "tables", "unknown key 'verdict'"),
    Case(CLAIMS, key("claims/0/id", "H2"), "report", "H2: stands there twice"),
    Case(CLAIMS, key("claims/0/parts/0/rule", "guess"), "tables", "rule: 'guess' is not one of"),
    Case(CLAIMS, key("claims/0/parts/0/reported", 0.97), "tables", "reported: 0.97"),
    Case(CLAIMS, swap("rule: ", "rules: "), "tables", "H1, part 1"),
    Case(CLAIMS, swap("accuracy: simple-conv}", "accuracy: simple-cnn}"), "tables", "simple-cnn"),
    Case(PRINTED, gone, "tables", "reported/hebbian.csv"),
    Case(PRINTED, empty, "tables", PRINTED),
    Case(PRINTED, swap("eps,value", "value,eps"), "tables", PRINTED),
    Case(PRINTED, swap(",0.", ",half"), "report", PRINTED),
    Case(PRINTED, text(b"\xff\xfe\x00"), "tables", PRINTED),
]

WEIGHTS = {"BIOROBUST_WEIGHTS": "weights"}
OFFICIAL = "weights/voneresnet50_e70.pth.tar"
SURROUNDINGS = [
    Case(OFFICIAL, text("<html>log in</html>"), "import_vonenet imagenet-voneresnet50", OFFICIAL, WEIGHTS),
    Case(OFFICIAL, empty, "import_vonenet imagenet-voneresnet50", OFFICIAL, WEIGHTS),
    Case("weights/resnet50-0676ba61.pth", text("words"), "repro", "SHA-256", WEIGHTS),
    Case(P, nothing, "repro --scale huge", "SCALE=huge"),
    Case(P, nothing, "environment .venv --scale huge", "SCALE=huge"),
    Case(P, nothing, "record ../up", "'../up'"),
    Case(P, nothing, "record hebbian-paper-3", "hebbian-paper-3 exists"),
    Case(P, nothing, "experiment no-such-thing", "no-such-thing"),
    Case(P, nothing, "download letters", "data set 'letters': unknown"),
    Case(P, nothing, "attack conv", "run 'conv': unknown"),
    Case(P, nothing, ATTACK, "BIOROBUST_DEVICE=gpu", {"BIOROBUST_DEVICE": "gpu"}),
    Case(P, nothing, LEARN, "BIOROBUST_DEVICE=cuda", {"BIOROBUST_DEVICE": "cuda", "CUDA_VISIBLE_DEVICES": ""}),
    Case(P, nothing, LEARN, "/dev/null", {"BIOROBUST_WORK": "/dev/null"}),
    *(
        Case(P, nothing, stage, says, largest_file=size)
        for stage, says, size in (
            ("download mnist", "data/datasets/mnist.npz", 1000),
            (LEARN, "end-to-end", 10_000),
            ("hebbian_pretrain uniform", "uniform", 10_000),
            (ATTACK, "end-to-end", 1000),
            ("compare hebbian", "reports/metrics/outcomes/hebbian.npz", 1000),
            ("tables", "reports/tables", 1000),
            ("figures hebbian", "reports/figures", 1000),
            ("report", "reports/report.html", 1000),
        )
    ),
    *(
        Case(P, nothing, stage, says, locked=folder)
        for stage, folder, says in (
            ("download mnist", "data/datasets", "data/datasets/mnist.npz"),
            ("compare hebbian", "reports/metrics/outcomes", "reports/metrics/outcomes/hebbian.npz"),
            ("tables", "reports", "reports/tables"),
            ("report", "reports", "reports/report.html"),
        )
    ),
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


def give_up_privileges() -> None:
    """The superuser may write everywhere, by capabilities of Linux: from here on this process has none."""
    version, this_process, none = 0x20080522, 0, (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(version, this_process), none):
        raise OSError("capset failed")


def child(case: Case, said: int) -> None:
    """The stage of a case, in a process of its own whose stderr is the file `said`."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(said, 2)
    os.environ.update(case.environment)
    resource.setrlimit(resource.RLIMIT_FSIZE, (case.largest_file, resource.RLIM_INFINITY))
    if case.locked and not os.getuid():
        give_up_privileges()
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
    locked = root / case.locked if case.locked else None
    try:
        for path, change in changes.items():
            new = change.apply(old[path] or b"")
            if new is None:
                path.unlink(missing_ok=True)
            elif new != old[path]:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(new)
        before = files(root)
        if locked:
            locked.chmod(0o555)
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
        if locked:
            locked.chmod(0o755)
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


def results(only: str = "") -> Iterator[tuple[str, Case, str, str]]:
    """Kind, case, what is wrong with its answer ("": nothing), and the answer."""
    import biorobust.attacks.experiment
    import biorobust.reporting.render
    import biorobust.statistics.outcomes  # noqa: F401  # once, for all the processes to come

    for kind, cases in CASES.items():
        for case in cases:
            if only in f"{kind} {case.file} {case.change.words} {case.stage}":
                status, lines, touched = run(case, Path.cwd())
                yield kind, case, fault(case, status, lines, touched), lines[-1] if lines else ""


def main(only: str = "") -> int:
    bad = n = 0
    for kind, case, wrong, line in results(only):
        n, bad = n + 1, bad + bool(wrong)
        what = case.change.words if case.change is not nothing else " ".join(case.environment) or case.locked
        print(f"{'BAD ' if wrong else 'ok  '}{kind}: {case.file} {what}; {case.stage}: {wrong or line}", flush=True)
    print(f"{n - bad} of {n} bad inputs end in one clear line", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    import stages  # noqa: F401  # puts the library of this checkout first

    sys.exit(main(*sys.argv[1:]))
