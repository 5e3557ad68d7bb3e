"""The checked reader of metrics files: whoever asks for a number may take the shape of its file for granted.

docs/contracts.md lists the files. What is wrong with one is said in a line that names the file and the field.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json
from biorobust.core.outcomes import DAMAGED
from biorobust.statistics.paired import Counts

if TYPE_CHECKING:
    import pandas as pd

Content = Mapping[str, Any]
Curve = Mapping[int, Sequence[Mapping[str, float]]]  # seed -> rows
Pairs = Mapping[tuple[str, str, str, float], Mapping[int, Counts]]  # (run a, run b, attack, eps) -> seed -> counts

Count = Annotated[int, Field(ge=0, strict=True)]
Size = Annotated[int, Field(gt=0, strict=True)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Epsilon = Annotated[float, Field(ge=0, strict=True)]
ADVICE = "delete it and run `dvc repro`"


class _Shape(BaseModel):
    """Fields that are read; others may stand beside them."""

    model_config = ConfigDict(extra="allow", frozen=True)


class _Seed(_Shape):
    """What one training says. Accuracies are proportions, counts are of `n` images."""

    seed: Annotated[int, Field(strict=True)]
    n: Size | None = None
    correct: Count | None = None
    noisy_correct: Count | None = None
    blurred_correct: Count | None = None
    accuracy: Share | None = None

    @model_validator(mode="after")
    def _fits(self) -> _Seed:
        for key in ("correct", "noisy_correct", "blurred_correct"):
            _of_images(key, getattr(self, key), self.n)
        return self


class _AttackedSeed(_Shape):
    """`correct[i]` of `n` images at the file's i-th epsilon; None where the attack was not run."""

    seed: Annotated[int, Field(strict=True)]
    n: Size
    correct: list[Count | None]
    zero_gradient_correct: Count | None = None

    @model_validator(mode="after")
    def _fits(self) -> _AttackedSeed:
        for count in (*self.correct, self.zero_gradient_correct):
            _of_images("correct", count, self.n)
        return self


class _Attack(_Shape):
    per_seed: Annotated[list[_AttackedSeed], Field(min_length=1)]


class _Head(_Shape):
    """What every file of a run begins with."""

    run: str
    study: str
    scale: str
    status: Literal["ok", "unavailable"]


class _Logged(_Head):
    settings: dict[str, Any] | None = None
    per_seed: Annotated[list[_Seed], Field(min_length=1)]


class _Trained(_Logged):
    settings: dict[str, Any]


class _Attacked(_Head):
    settings: dict[str, Any]
    eps: Annotated[list[Epsilon], Field(min_length=1)]
    attacks: dict[str, _Attack]

    @model_validator(mode="after")
    def _fits(self) -> _Attacked:
        for name, attack in self.attacks.items():
            if any(len(seed.correct) != len(self.eps) for seed in attack.per_seed):
                raise ValueError(f"{name} does not say what is right at each of {len(self.eps)} eps")
        return self


class _Split(_Shape):
    n: Count
    per_class: list[Count]


class _Data(_Shape):
    """Where a data set came from, and what it holds."""

    name: str
    title: str
    source: str
    fidelity: str
    note: str
    licence: str
    sha256: str
    image_shape: list[Size]
    n_classes: Size
    train: _Split
    test: _Split


def _of_images(key: str, count: int | None, n: int | None) -> None:
    if count is not None and (n is None or count > n):
        raise ValueError(f"{key} is {count} of {'an unknown number of' if n is None else n} images")


_SHAPES: Mapping[str, type[_Shape]] = {
    "data": _Data,
    "train": _Trained,
    "ablations": _Trained,
    "attack": _Attacked,
    "pretrain": _Logged,
    "probe": _Logged,
    "deviations": _Logged,
    "activations": _Logged,
    "perturb": _Logged,
    "timing": _Logged,
}


def read_content(path: Path, *, kind: str) -> Content:
    """The content of a metrics file; `kind` is the first word of its name, such as "train".

    Raises BiorobustError naming the file and the field for one that is not JSON or not of the shape of its kind.
    """
    content = read_json(path)
    if not isinstance(content, Mapping) or not content:
        raise BiorobustError(f"{path} holds no metrics: {ADVICE}")
    if kind not in _SHAPES:
        return content
    try:
        shape = _Head if content.get("status") == "unavailable" else _SHAPES[kind]
        shape.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        found = first["input"]
        shown = f" ({found!r})" if isinstance(found, (str, int, float)) else ""
        raise BiorobustError(f"{path}: {field}{': ' if field else ''}{said}{shown}: {ADVICE}") from None
    return content


def read_curve(path: Path) -> Curve:
    """The rows of a CSV of numbers by seed, in the order of the file; empty cells are left out.

    Raises BiorobustError for any other file.
    """
    by_seed: dict[int, list[Mapping[str, float]]] = {}
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                numbers = {key: float(cell) for key, cell in row.items() if cell}
                by_seed.setdefault(int(numbers["seed"]), []).append(numbers)
    except (KeyError, TypeError, ValueError):
        raise BiorobustError(f"{path} is not a table of numbers by seed: {ADVICE}") from None
    return by_seed


def read_table(path: Path) -> pd.DataFrame:
    """Any CSV as a DataFrame, empty where it has no columns. Raises BiorobustError for what is no CSV."""
    import pandas as pd

    try:
        return pd.read_csv(path)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (ValueError, UnicodeDecodeError) as error:
        raise BiorobustError(f"{path} is no table ({error}): {ADVICE}") from None


def read_pairs(path: Path) -> Pairs:
    """Paired counts of a study's runs. Raises BiorobustError for any other file."""
    pairs: dict[tuple[str, str, str, float], dict[int, Counts]] = {}
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                counts = Counts(*(int(row[cell]) for cell in ("both", "only_a", "only_b", "neither")))
                key = row["a"], row["b"], row["attack"], round(float(row["eps"]), 6)
                pairs.setdefault(key, {})[int(row["seed"])] = counts
    except (KeyError, TypeError, ValueError):
        raise BiorobustError(f"{path} is not a table of paired counts: {ADVICE}") from None
    return pairs


def read_pictures(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file below pictures. Raises BiorobustError when it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except DAMAGED as error:
        raise BiorobustError(f"{path} holds no pictures ({error}): {ADVICE}") from None
