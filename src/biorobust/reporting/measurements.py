"""Every number of a run's metrics in one long table; `estimates` says what tables, figures and claims ask of it.

A second table says which images every training gets right. Files are read when they are asked for by name, each once,
and names come from params.yaml or a claim: what removed runs have left behind is never read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from biorobust.core import outcomes, places
from biorobust.core.errors import BiorobustError
from biorobust.core.left_out import LEFT_OUT
from biorobust.core.outcomes import Cell, Outcome
from biorobust.reporting.metrics_file import (
    Content,
    Curve,
    read_content,
    read_curve,
    read_pairs,
    read_pictures,
    read_table,
)
from biorobust.statistics import Counts

if TYPE_CHECKING:
    import pandas as pd


# Counts of a training, as files call them -> the quantity, and the test images it is asked on.
COUNTED = {
    "correct": ("accuracy", "clean"),
    "noisy_correct": ("accuracy", "noisy"),
    "blurred_correct": ("accuracy", "blurred"),
    "reached": ("reached", "clean"),
    "zero_gradient": ("zero_gradient", "clean"),
    "zero_gradient_correct": ("zero_gradient_correct", "clean"),
}


class Row(NamedTuple):
    """One number. `k` of `n` images for a share of images; `step`: which entry of a list, such as a cycle.

    `file`: the metrics name it stands in. `attack` is "" and `eps` None where nothing is attacked. `value` is None
    where the file says that there is none.
    """

    file: str
    study: str
    run: str
    seed: int
    quantity: str
    attack: str
    eps: float | None
    images: str
    step: int | None
    k: int | None
    n: int | None
    value: float | None


def eps_key(eps: float) -> float:
    """One spelling for 0.15 and 0.15000000000000002."""
    return round(float(eps), 6)


T = TypeVar("T")
Asked = tuple[str, str, float | None, str]  # quantity, attack, eps, images


class Measurements:
    """The table of a metrics folder `root`. A missing file has no rows; a damaged one, or one of another scale than the
    rest of its study, which an interrupted run has left behind, is a BiorobustError.

    older: folders of older runs, the newest first; a network that has no results in one folder is taken, with all its
    files, from the next that has some.
    """

    def __init__(self, root: str | Path, *older: str | Path) -> None:
        self.folders = tuple(map(Path, (root, *older)))
        self._files: dict[tuple[str, Any], Any] = {}
        self._rows: dict[str, dict[Asked, list[Row]]] = {}
        self._scales: dict[tuple[str, Path], tuple[str, Path]] = {}
        self._homes: dict[str, Path] = {}
        self._outcomes: dict[str, dict[Cell, Outcome] | None] = {}

    def _read(self, name: str, read: Callable[[Path], T]) -> T | None:
        """A file, read once; None where it is not there."""
        if (name, read) not in self._files:
            path = self.file(name)
            self._files[name, read] = read(path) if path.exists() else None
        return self._files[name, read]

    def file(self, name: str) -> Path:
        """Where a file such as "curves/report-uniform.csv" lies, or would lie."""
        return places.find(self.folder(name), name)

    def path(self, name: str) -> Path:
        """File of a metrics name such as "train/report-uniform"."""
        return self.file(f"{name}.json")

    def folder(self, name: str) -> Path:
        """The one of `folders` that a file is read from: the newest in which its network has results, or at least a
        reason for having none other than that a scale leaves it out.
        """
        newest, *older = self.folders
        if not older:
            return newest
        asked = f"-{Path(name).stem}-"
        trained = max((network for network in self._trained if f"-{network}-" in asked), key=len, default=None)
        asked = name if trained is None else self._trained[trained]
        if asked not in self._homes:
            there = [folder for folder in self.folders if places.find(folder, asked).exists()]
            # The newest of those alike; also for a network that no run has.
            self._homes[asked] = max(there, key=lambda folder: _says(folder, asked), default=newest)
        return self._homes[asked]

    @cached_property
    def _trained(self) -> Mapping[str, str]:
        """Networks, and what else is trained, of all folders -> the file of the training."""
        return {
            path.stem: f"{kind}/{path.name}"
            for kind in ("pretrain", "ablations", "train")
            for folder in self.folders
            for at in ("", "*/")
            for path in folder.glob(f"{at}{kind}/*.json")
        }

    def get(self, name: str) -> Content | None:
        """The whole file of a name, None where it is missing: settings, flags and what else is no number."""
        return self._read(f"{name}.json", self._content)

    def _content(self, path: Path) -> Content:
        content = read_content(path)
        if scale := content.get("scale"):
            folder = next(folder for folder in self.folders if folder in path.parents)
            first, other = self._scales.setdefault((str(content.get("study")), folder), (scale, path))
            if scale != first:
                what = f"scale is {scale}, that of {other} is {first}"
                raise BiorobustError(f"{path}: {what}: run `dvc repro`, or delete what is left of an old run")
        return content

    def ran(self, name: str) -> Content | None:
        """The file of something that has results; None where it is missing or unavailable."""
        content = self.get(name)
        return content if content is not None and content.get("status") == "ok" else None

    def settings(self, name: str) -> Content:
        """What a file was made with; empty where it is missing."""
        return (self.get(name) or {}).get("settings") or {}

    def rows(
        self, name: str, quantity: str, *, attack: str = "", eps: float | None = None, images: str = "clean"
    ) -> Sequence[Row]:
        """A row for each seed (and step), in the order of the file; empty where there are none."""
        asked = quantity, attack, None if eps is None else eps_key(eps), images
        return self._table(name).get(asked, ())

    def _table(self, name: str) -> Mapping[Asked, Sequence[Row]]:
        if name not in self._rows:
            table = self._rows.setdefault(name, {})
            for row in _rows(name, self.ran(name) or {}):
                table.setdefault((row.quantity, row.attack, row.eps, row.images), []).append(row)
        return self._rows[name]

    def every_row(self, name: str) -> list[Row]:
        """Every number of a file, in its order; empty where it has no results."""
        return [row for rows in self._table(name).values() for row in rows]

    def curve(self, name: str) -> Curve | None:
        """What a training logged by epoch or step: the rows of curves/<name>.csv by seed."""
        return self._read(f"curves/{name}.csv", read_curve)

    def csv(self, name: str) -> pd.DataFrame | None:
        """Any CSV of the folder, such as "confusion/cnn-clean"; None where it is not there or has no rows."""
        found = self._read(f"{name}.csv", read_table)
        return found if found is not None and len(found) else None

    def pictures(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays of pictures/<name>.npz, None where they are not there."""
        return self._read(f"pictures/{name}.npz", read_pictures)

    def outcomes(self, study: str) -> Mapping[Cell, Outcome] | None:
        """The second table: which images every training of the study's runs gets right; None where it was not kept."""
        if study not in self._outcomes:
            self._outcomes[study] = None
            for folder in reversed(self.folders):
                if (path := places.find(folder, f"outcomes/{study}.npz")).exists():
                    own = outcomes.read(path).items()
                    found = {cell: outcome for cell, outcome in own if self.folder(f"train/{cell.run}.json") == folder}
                    self._outcomes[study] = (self._outcomes[study] or {}) | found
        return self._outcomes[study]

    def pair(self, study: str, a: str, b: str, *, attack: str, eps: float) -> Mapping[int, Counts]:
        """Paired counts of two runs per seed, in the order asked for, of runs recorded before outcomes were kept.

        Empty where they were not compared.
        """
        pairs, at = self._read(f"compare/{study}.csv", read_pairs) or {}, (attack, eps_key(eps))
        swapped = {seed: counts.swapped() for seed, counts in pairs.get((b, a, *at), {}).items()}
        return pairs.get((a, b, *at), swapped)


def _says(folder: Path, name: str) -> int:
    """How much a file says: 2 with results, 1 with a reason why it has none, 0 if it was only left out."""
    path = places.find(folder, name)
    if path.suffix != ".json" or (content := read_content(path)).get("status", "ok") == "ok":
        return 2
    return int(not str(content.get("reason")).startswith(LEFT_OUT))


# --- from a file to rows ----------------------------------------------------------------------------------------------


def _rows(name: str, content: Content) -> Iterator[Row]:
    """Everything that a file says seed by seed, its numbers one by one."""
    head = {"file": name, "study": str(content.get("study", "")), "run": str(content.get("run", ""))}
    grid = content.get("eps") or ()
    yield from _block(content.get("per_seed", ()), head, eps=grid)
    for attack, entry in content.get("attacks", {}).items():
        yield from _block(entry["per_seed"], head, eps=grid, attack=attack)
    if robust := content.get("robust"):  # one attack at one epsilon
        at = [{**entry, "correct": [entry["correct"]]} for entry in robust["per_seed"]]
        yield from _block(at, head, eps=[robust["eps"]], attack=robust["attack"])
    for key in ("discontinuity", "reencoded"):
        if isinstance(found := content.get(key), Mapping):
            yield from _block(found["per_seed"], head, prefix=f"{key}.")
            for position, entry in enumerate(found.get("by_gamma", ())):
                yield from _block([entry], head, prefix=f"{key}.by_gamma.", step=position)


def _block(
    entries: Sequence[Content],
    head: Mapping[str, str],
    *,
    eps: Sequence[float] = (),
    attack: str = "",
    prefix: str = "",
    step: int | None = None,
) -> Iterator[Row]:
    for entry in entries:
        n = entry.get("n")
        for key, at, value in _numbers(entry, prefix):
            if key in ("seed", "n") or (key == "accuracy" and "correct" in entry):
                continue
            of_images = n is not None and key in COUNTED
            quantity, images = COUNTED[key] if of_images else (key, "clean")
            listed = entry.get(key)
            by_eps = at and eps and (attack or (isinstance(listed, list) and len(listed) == len(eps)))
            where = at[1:] if by_eps else at
            counted = of_images and value is not None
            yield Row(
                **head,
                seed=entry["seed"],
                quantity=quantity,
                attack=attack,
                eps=eps_key(eps[at[0]]) if by_eps else None,
                images=images,
                step=where[0] if where else step,
                k=int(value) if counted else None,  # type: ignore[arg-type]
                n=n if of_images else None,
                value=value / n if counted else value,  # type: ignore[operator]
            )


def _numbers(entry: Content, prefix: str) -> Iterator[tuple[str, tuple[int, ...], float | None]]:
    """(name, position in its lists, number) of everything below an entry; "jump.median" for a nested one."""
    for key, found in entry.items():
        if isinstance(found, Mapping):
            yield from _numbers(found, f"{prefix}{key}.")
        else:
            yield from ((f"{prefix}{key}", at, value) for at, value in _items(found))


def _items(found: Any) -> Iterator[tuple[tuple[int, ...], float | None]]:
    if isinstance(found, list):
        yield from (((i, *at), value) for i, item in enumerate(found) for at, value in _items(item))
    elif found is None or isinstance(found, (bool, int, float)):
        yield (), found
