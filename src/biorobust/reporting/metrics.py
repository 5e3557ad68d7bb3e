"""Reading a metrics folder, of this run or of a snapshot: docs/contracts.md lists its files.

Nothing here lists a directory. Whoever asks names the run, and the names come from params.yaml or the claims, so the
leftovers of a run that is no longer part of the project are never read.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from biorobust.core import outcomes, places
from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json
from biorobust.core.outcomes import Cell, Outcome
from biorobust.statistics.paired import Counts

Curve = Mapping[int, Sequence[Mapping[str, float]]]  # seed -> rows
Pairs = Mapping[tuple[str, str, str, float], Mapping[int, Counts]]


def eps_key(eps: float) -> float:
    """One spelling for 0.15 and 0.15000000000000002."""
    return round(float(eps), 6)


class Metrics:
    """The metrics below `root`; every file is read at most once. A missing file is None, a damaged one an error."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._read: dict[str, Any] = {}
        self._pairs: dict[str, Pairs | None] = {}
        self._outcomes: dict[str, Mapping[Cell, Outcome] | None] = {}
        self._curves: dict[str, Curve | None] = {}

    def path(self, name: str) -> Path:
        """File of a metrics name such as "train/report-uniform"."""
        return places.find(self.root, f"{name}.json")

    def get(self, name: str) -> Mapping[str, Any] | None:
        """The JSON file of a name such as "train/report-uniform", or None. Raises BiorobustError when damaged."""
        if name not in self._read:
            path = self.path(name)
            self._read[name] = read_json(path) if path.exists() else None
            if self._read[name] is not None and not isinstance(self._read[name], Mapping):
                raise BiorobustError(f"{path} holds no metrics: delete it and run `dvc repro`")
        return self._read[name]  # type: ignore[no-any-return]

    def data(self, dataset: str) -> Mapping[str, Any] | None:
        """Provenance and sizes of a data set."""
        return self.get(f"data/{dataset}")

    def pretrain(self, weights: str) -> Mapping[str, Any] | None:
        """Diagnostics of weights learned without labels."""
        return self.get(f"pretrain/{weights}")

    def train(self, run: str) -> Mapping[str, Any] | None:
        """Clean accuracy and flags of a trained run."""
        return self.get(f"train/{run}")

    def attack(self, run: str) -> Mapping[str, Any] | None:
        """Counts of images a run still gets right, per attack, seed and eps."""
        return self.get(f"attack/{run}")

    def curve(self, name: str) -> Curve | None:
        """The rows of curves/<name>.csv by seed, in the order of the file; empty cells are left out."""
        if name not in self._curves:
            path = places.find(self.root, f"curves/{name}.csv")
            self._curves[name] = _read_curve(path) if path.exists() else None
        return self._curves[name]

    def outcomes(self, study: str) -> Mapping[Cell, Outcome] | None:
        """Which images every training of the study's runs gets right, or None where they were not kept."""
        if study not in self._outcomes:
            path = self.root / "outcomes" / f"{study}.npz"
            self._outcomes[study] = outcomes.read(path) if path.exists() else None
        return self._outcomes[study]

    def pairs(self, study: str) -> Pairs | None:
        """Paired counts of a study: (run a, run b, attack, eps) -> seed -> counts, or None without the file.

        Runs recorded before outcomes were kept hold these instead.
        """
        if study not in self._pairs:
            path = self.root / "compare" / f"{study}.csv"
            self._pairs[study] = _read_pairs(path) if path.exists() else None
        return self._pairs[study]

    def pair(self, study: str, a: str, b: str, *, attack: str, eps: float) -> dict[int, Counts] | None:
        """Paired counts of two runs per seed, in the order asked for; None where they were not compared."""
        pairs = self.pairs(study)
        if pairs is None:
            return None
        if (a, b, attack, eps_key(eps)) in pairs:
            return dict(pairs[a, b, attack, eps_key(eps)])
        other = pairs.get((b, a, attack, eps_key(eps)))
        return None if other is None else {seed: counts.swapped() for seed, counts in other.items()}


def _read_curve(path: Path) -> Curve:
    by_seed: dict[int, list[Mapping[str, float]]] = {}
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                numbers = {key: float(cell) for key, cell in row.items() if cell}
                by_seed.setdefault(int(numbers["seed"]), []).append(numbers)
    except (KeyError, TypeError, ValueError):
        raise BiorobustError(f"{path} is not a table of numbers by seed: delete it and run `dvc repro`") from None
    return by_seed


def _read_pairs(path: Path) -> Pairs:
    pairs: dict[tuple[str, str, str, float], dict[int, Counts]] = {}
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                counts = Counts(*(int(row[cell]) for cell in ("both", "only_a", "only_b", "neither")))
                key = row["a"], row["b"], row["attack"], eps_key(float(row["eps"]))
                pairs.setdefault(key, {})[int(row["seed"])] = counts
    except (KeyError, TypeError, ValueError):
        raise BiorobustError(f"{path} is not a table of paired counts: delete it and run `dvc repro`") from None
    return pairs
