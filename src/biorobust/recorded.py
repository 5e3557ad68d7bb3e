"""Trained networks inside a recorded run: `checkpoints/<run>/{model.json, seed0.safetensors, ...}` of its snapshot, and
of the comparison what was added to the images of the first training: `perturbations/<run>.npz`.

Networks are kept in half precision where that changes neither accuracy nor the worst case, which is tried out, and only
small ones: a snapshot lies in git. Images themselves are never kept.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from biorobust.core import places, runs
from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, read_tensors, sha256, write_json, write_npz, write_tensors
from biorobust.reporting import snapshot
from biorobust.reporting.labels import RESIZED, WORST_CASE
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.metrics_file import Content
from biorobust.reporting.registry import STUDIES, read_params
from biorobust.reporting.snapshot import CHECKPOINTS, RECORDED, SnapshotError

if TYPE_CHECKING:
    from torch import Tensor, nn

LARGEST = 4_000_000  # bytes of one training
EACH = 16_000_000  # bytes of one recorded run
TOGETHER = 50_000_000  # and of all
TOLERANCE = 0.002  # by which half precision may change an accuracy
N_ATTACKED = 500  # images on which the worst case is compared
BATCH = 100
PERTURBATIONS = "perturbations"
POINTS = Path("data/question")  # where the comparison keeps the images that its attacks made


def load(run: str, *, recorded: str, seed: int, device: str, root: Path) -> nn.Module:
    """A network of the recorded run `recorded` of the checkout `root`, in eval mode with frozen parameters.

    Raises BiorobustError where it is not there, with the reason, or where the snapshot does not fit its manifest.
    """
    made = snapshot.load(root / RECORDED / recorded)
    folder = made.path / CHECKPOINTS / run
    if not (folder / f"seed{seed}.safetensors").exists():
        kept = ", ".join(f"{name} (seeds {', '.join(of)})" for name, of in _there(made.path).items())
        why = made.checkpoints.get(run, {}).get(str(seed)) or f"it has {kept or 'no networks'}"
        raise SnapshotError(f"recorded run {recorded!r} has no network {run!r} of seed {seed}: {why}")
    model = _build(folder, seed, read_tensors(folder / f"seed{seed}.safetensors"))
    return model.to(device)


class Adversarial(NamedTuple):
    """Test images, float (N, C, H, W) in [0, 1], what the attacks made of them, of the same shape, and labels (N,)."""

    clean: Tensor
    images: Tensor
    labels: Tensor


def adversarial(run: str, *, recorded: str, root: Path) -> Adversarial:
    """What the attacks of a recorded run made of its test images, on the first training of a network.

    The images come from this checkout's data set, to which the recorded run's perturbations are added.
    Raises BiorobustError where the run kept none, or the data set is not here or another one than the run's.
    """
    import numpy as np
    import torch

    made = snapshot.load(root / RECORDED / recorded)
    path = made.path / PERTURBATIONS / f"{run}.npz"
    if not path.exists():
        kept = ", ".join(sorted(found.stem for found in path.parent.glob("*.npz")))
        raise SnapshotError(f"recorded run {recorded!r} has no perturbations of {run!r}: it has {kept or 'none'}")
    with np.load(path) as stored:
        added = torch.from_numpy(stored["added"]).float()
    dataset = (made.metrics.ran(f"attack/{run}") or {})["dataset"]
    data = _data(root, dataset["name"])
    if sha256(_npz(root, dataset["name"])) != dataset["sha256"]:
        raise SnapshotError(
            f"data/datasets/{dataset['name']}.npz holds other images than recorded run {recorded!r} was made on "
            f"({dataset['source']}, {dataset['fidelity']}): with those at hand, "
            f"dvc repro --force --single-item download@{dataset['name']}"
        )
    _, images, labels = data.evaluated(len(added))
    return Adversarial(images, (images + added).clamp(0, 1), labels)


def _there(path: Path) -> dict[str, list[str]]:
    """Run -> its seeds, of the networks in a snapshot."""
    files = sorted(path.glob(f"{CHECKPOINTS}/*/model.json"))
    return {file.parent.name: list(read_json(file)["configs"]) for file in files}


def keep(part: Path, *, source: Path, root: Path, studies: Sequence[str]) -> dict[str, dict[str, str]]:
    """Put the networks of the finished checkout `source` into a snapshot that is being made at `part`.

    Returns run -> seed -> its precision, or why it was left out: too large for LARGEST, for EACH, or for what
    TOGETHER leaves beside the other recorded runs of `root`. First trainings of every run come before all others, and
    of those the smallest first.
    """
    others = sum(file.stat().st_size for file in (root / RECORDED).glob(f"*/{CHECKPOINTS}/*/*"))
    room = min(EACH, TOGETHER - others)
    metrics = Measurements(part / "metrics")
    said: dict[str, dict[str, str]] = {}
    kept: dict[str, dict[str, Any]] = {}
    for run, folder, seed in _trainings(source, studies):
        target = part / CHECKPOINTS / run / f"seed{seed}.safetensors"
        try:
            word, tensors = _smallest(folder, seed, run=run, metrics=metrics, source=source, room=room)
        except BiorobustError as error:
            word, tensors = f"left out: {error}", None
        said.setdefault(run, {})[seed] = word
        print(f"{run}, seed {seed}: {word}", flush=True)
        if tensors is not None:
            write_tensors(target, tensors)
            room -= target.stat().st_size
            about = read_json(folder / "model.json")
            described = kept.setdefault(run, about | {"configs": {}})
            described["configs"][seed] = about["configs"][seed]
            write_json(target.parent / "model.json", described)
    for run in kept:
        _keep_perturbations(part, run, source=source, metrics=metrics)
    return said


def _keep_perturbations(part: Path, run: str, *, source: Path, metrics: Measurements) -> None:
    """What the attacks added to each image, of the first training, in half precision; nothing where they kept none."""
    points = _points(source, run, next(iter(read_json(part / CHECKPOINTS / run / "model.json")["configs"])))
    trained = metrics.ran(f"train/{run}")
    if points is not None and trained is not None:
        _, images, _ = _data(source, trained["dataset"]["name"]).evaluated(len(points))
        write_npz(part / PERTURBATIONS / f"{run}.npz", {"added": (points - images).half().numpy()})


def _points(source: Path, run: str, seed: str) -> Tensor | None:
    """The adversarial images (N, C, H, W) that the comparison has of a training; None where it has none."""
    path = places.find(source / POINTS, f"{run}.safetensors")
    return read_tensors(path).get(f"seed{seed}") if path.exists() else None


def _trainings(source: Path, studies: Sequence[str]) -> Iterator[tuple[str, Path, str]]:
    """(run, folder of its checkpoints, seed) of every network in a checkout: first seeds, then the others by size."""
    listed = read_params(source / "params.yaml")
    by_run = []
    for run in dict.fromkeys(run for study in studies for run in STUDIES[study](listed).networks):
        path = places.find(source / places.CHECKPOINTS, f"{run}/model.json")
        if path.exists():
            by_run.append([(run, path.parent, seed) for seed in read_json(path)["configs"]])
    yield from (seeds[0] for seeds in by_run if seeds)
    others = (training for seeds in by_run for training in seeds[1:])
    yield from sorted(others, key=lambda training: (training[1] / f"seed{training[2]}.safetensors").stat().st_size)


def _smallest(
    folder: Path, seed: str, *, run: str, metrics: Measurements, source: Path, room: int
) -> tuple[str, dict[str, Tensor]]:
    """Precision and tensors of one training. Raises BiorobustError with the reason where it is too large."""
    full = read_tensors(folder / f"seed{seed}.safetensors")
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in full.items()}
    _fits(half, room, "in half precision")
    lost = _lost(run, seed, folder, full=full, half=half, metrics=metrics, source=source)
    if lost is None:
        return "float16", half
    _fits(full, room, f"in single precision, and half precision {lost}")
    return f"float32: half precision {lost}", full


def _fits(tensors: Mapping[str, Tensor], room: int, words: str) -> None:
    size = sum(tensor.nbytes for tensor in tensors.values())
    for limit, whose in ((LARGEST, "one training may have"), (room, "are left of those for recorded runs")):
        if size > limit:
            raise BiorobustError(f"{size / 1e6:.1f} MB {words}; {limit / 1e6:.1f} MB {whose}")


def _lost(
    run: str,
    seed: str,
    folder: Path,
    *,
    full: Mapping[str, Tensor],
    half: Mapping[str, Tensor],
    metrics: Measurements,
    source: Path,
) -> str | None:
    """What half precision changes by more than TOLERANCE, in words; None where it changes nothing as much.

    Compared are the accuracy on all test images, and, on the first evaluation images, the worst case of the run's
    attacks at that of its sizes where it comes nearest to one half, or the accuracy on the images of its attacks where
    they were kept. Both networks see the same random numbers.
    """
    trained, attacked = metrics.ran(f"train/{run}"), metrics.ran(f"attack/{run}")
    if trained is None:
        raise BiorobustError(f"train/{run}.json is not there to say on which images it is tested")
    data = _data(source, trained["dataset"]["name"])
    models = [_build(folder, int(seed), tensors) for tensors in (full, half)]
    lost = _changed("accuracy", *(_accuracy(model, data.test_images, data.test_labels) for model in models))
    if lost is not None:
        return lost
    points = _points(source, run, seed)
    if points is not None:
        _, _, labels = data.evaluated(len(points))
        return _changed("what adversarial images leave", *(_accuracy(model, points, labels) for model in models))
    if attacked is None:
        return None
    before, after = (_worst_case(model, folder, data, attacked, seed=int(seed)) for model in models)
    if before is None or after is None:
        return "cannot be tried in the worst case, as none of its attacks can be made again"
    return _changed("the worst case", before, after)


def _changed(what: str, before: float, after: float) -> str | None:
    """A change of a proportion by more than TOLERANCE, in words."""
    return f"changes {what} by {100 * (after - before):+.2f} points" if abs(before - after) > TOLERANCE else None


@cache
def _data(source: Path, dataset: str) -> Any:
    from biorobust import datasets
    from biorobust.core.tensors import as_tensors

    return as_tensors(datasets.load(_npz(source, dataset)), n_train=1, device="cpu")


def _npz(source: Path, dataset: str) -> Path:
    return source / "data" / "datasets" / f"{dataset}.npz"


def _build(folder: Path, seed: int, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network of a model.json with these tensors, as float32. Raises BiorobustError where they do not fit."""
    about = read_json(folder / "model.json")
    try:
        model = runs.new(about["architecture"], about["configs"][str(seed)])
        model.load_state_dict(dict(tensors))
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise BiorobustError(f"{folder} does not fit this code ({' '.join(str(error).split())[:200]})") from None
    return model.eval().requires_grad_(False)


def _accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    import torch

    from biorobust.attacks.scoring import predict
    from biorobust.core.training import as_float

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        said = torch.cat([predict(model, as_float(few)) for few in images.split(BATCH)])
    return float((said == labels).double().mean())


def _worst_case(model: nn.Module, folder: Path, data: Any, attacked: Content, *, seed: int) -> float | None:
    """Accuracy that the run's own attacks leave, but for those that begin from points found on other networks.

    None where none of its attacks can be made again.
    """
    import pandas as pd

    from biorobust import attacks
    from biorobust.attacks.records import counts

    eps = _size(attacked)
    _, images, labels = data.evaluated(N_ATTACKED)
    module = importlib.import_module(runs.architectures()[read_json(folder / "model.json")["architecture"]][0])
    views = module.attack_views(model) if hasattr(module, "attack_views") else {}
    known = [name for name in attacked["attacks"] if _entry(name) in attacks.ATTACKS]
    own = [name.removesuffix(RESIZED) for name in known if not attacks.get(name.removesuffix(RESIZED)).given]
    groups = [(name for name in own if name in known), (name for name in own if name + RESIZED in known)]
    tables = []
    for resized, names in enumerate(map(list, groups)):
        if names:
            body, seen = attacks.at_resized(model, images) if resized else (model, images)
            label = f"{folder.name}, worst case"
            rows = attacks.run(
                body, seen, labels, names, eps=[eps], seed=seed, views=views, batch_size=BATCH, label=label
            )
            tables.append(rows.assign(attack=rows["attack"] + RESIZED * resized))
    if not tables:
        return None
    worst = counts(pd.concat(tables, ignore_index=True), eps=[eps])[WORST_CASE]
    return float(worst["correct"][0] / worst["n"])


def _entry(attack: str) -> str:
    """The entry of the registry behind a name of an attack file."""
    return attack.removesuffix(RESIZED).partition("@")[0]


def _size(attacked: Content) -> float:
    """The size of an attack file at which its worst case comes nearest to one half."""
    entry = attacked["attacks"].get(WORST_CASE) or next(iter(attacked["attacks"].values()))
    first = entry["per_seed"][0]
    by_size = zip(attacked["eps"], first["correct"], strict=True)
    return float(min(by_size, key=lambda pair: abs((pair[1] or 0) / first["n"] - 0.5))[0])
