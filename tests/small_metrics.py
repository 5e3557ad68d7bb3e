"""Metrics of a few networks, written out by hand, and claims about them: for tests in which every number matters."""

import numpy as np
import yaml

from biorobust.core import outcomes
from biorobust.core.files import sha256, write_json, write_text
from biorobust.core.outcomes import Outcome
from biorobust.reporting.claim_file import load
from biorobust.reporting.claims import judge
from biorobust.reporting.measurements import Measurements

STUDY = "vonenet"
EPS = 0.1
DATASET = {"name": "cifar10", "source": "official", "fidelity": "official", "sha256": "0" * 64}


def network(root, run, correct, *, n=1000, attacked=None, study=STUDY, **flags):
    """Train/<run>.json with a training for each of `correct`, and attack/<run>.json at EPS if it was `attacked`.

    attacked: by name an entry for each training, such as {"correct": [700]}. flags: further keys, a value per training.
    """
    seeds = range(len(correct))
    entries = [
        {"seed": seed, "correct": correct[seed], "n": n, "collapsed": False, "diverged": False}
        | {key: values[seed] for key, values in flags.items()}
        for seed in seeds
    ]
    head = {"run": run, "study": study, "scale": "paper", "status": "ok", "dataset": DATASET}
    write_json(root / f"train/{run}.json", head | {"settings": {"epochs": 20}, "per_seed": entries})
    if attacked is not None:
        attacks = {
            name: {"about": name, "per_seed": [{"seed": seed, "n": n} | dict(of_seed[seed]) for seed in seeds]}
            for name, of_seed in attacked.items()
        }
        write_json(
            root / f"attack/{run}.json", head | {"settings": {}, "eps": [EPS], "n_images": n, "attacks": attacks}
        )


def logged(root, name, **values):
    """A metrics file such as "pretrain/a" with values by training."""
    n_seeds = len(next(iter(values.values())))
    entries = [{"seed": seed} | {key: of[seed] for key, of in values.items()} for seed in range(n_seeds)]
    head = {"run": name.split("/")[1], "study": STUDY, "scale": "paper", "status": "ok", "dataset": DATASET}
    write_json(root / f"{name}.json", head | {"settings": {}, "per_seed": entries})


def seal(folder, *, commit="c" * 40, **more):
    """Make a snapshot of the Hebbian study, as `make record` leaves one, of what lies in a folder."""
    files = {path.relative_to(folder).as_posix(): sha256(path) for path in folder.rglob("*") if path.is_file()}
    head = {"name": folder.name, "studies": ["hebbian"], "scale": "tiny", "commit": commit, "device": "cpu"}
    write_json(folder / "manifest.json", head | {"recorded_at": "2026-01-01", "files": files} | more)


def keep(root, right, *, study=STUDY):
    """Outcomes (S, n) of trainings 0 to S - 1 on images 0 to n - 1."""
    packed = {
        cell: Outcome(tuple(range(len(of_cell))), np.arange(of_cell.shape[1]), of_cell)
        for cell, of_cell in right.items()
    }
    outcomes.write(root / f"outcomes/{study}.npz", packed)


def accuracy(run, attack=None):
    """The quantity of a part."""
    return {"accuracy": run} | ({"attack": attack} if attack else {})


def order(above, below, **more):
    """A part with the rule "order"; at EPS where something is attacked."""
    at = {"at": [EPS]} if "attack" in above else {}
    return {"label": "a row", "rule": "order", "quantity": dict(above), "against": dict(below)} | at | more


def judged(root, *parts, **claim):
    """One claim with these parts."""
    return judge_all(root, {"parts": list(parts), **claim})[0]


def judge_all(root, *claims, readings=None):
    """Claims as blocks of a claims file, without what does not matter here; readings: name -> what {run} stands for.

    `study` of a claim is STUDY where it says nothing; `reported` is the printed number itself.
    """
    usual = {"source": ["ours"], "where": "here", "statement": "It is so."}
    named = {"interpretations": list(readings)} if readings else {}
    by_study = {}
    for i, claim in enumerate(claims):
        block = {"id": f"T{i + 1}", **usual, **named, **claim}
        by_study.setdefault(block.pop("study", STUDY), []).append(block)
    for study, blocks in by_study.items():
        write_claims(root, study, blocks, interpretations=readings or {})
    found = judge(load(root / "claims"), Measurements(root))
    return sorted(found, key=lambda item: int(item.claim.id[1:]))


def write_claims(root, study, claims, *, interpretations):
    parts = [part for claim in claims for part in claim["parts"]]
    quantities = [part[key] for part in parts for key in ("quantity", "against") if key in part]
    runs = {of for quantity in quantities for of in quantity.values()} | set(interpretations.values())
    printed = {part["reported"] for part in parts if "reported" in part}
    raw = {
        "files": [{name: {} for run in sorted(runs - {"{run}"}) for name in (run, f"train/{run}", f"attack/{run}")}],
        "interpretations": {name: {"words": name, "run": run} for name, run in interpretations.items()},
        "claims": [
            {
                **claim,
                "parts": [part | {k: str(v) for k, v in part.items() if k == "reported"} for part in claim["parts"]],
            }
            for claim in claims
        ],
    }
    write_text(root / f"claims/{study}.yaml", yaml.safe_dump(raw, sort_keys=False))
    rows = [f"{value},{eps},{value},,a table\n" for value in sorted(printed) for eps in (0, EPS)]
    write_text(root / f"reported/{study}.csv", "id,eps,value,n,source\n" + "".join(rows))
