"""The checked reader of metrics files: whoever asks for a number may take the shape of its file for granted.

docs/contracts.md lists the files. What is wrong with one is said in a line that names the file and the field.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

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
Positive = Annotated[float, Field(gt=0, strict=True)]
NotNegative = Annotated[float, Field(ge=0, strict=True)]
Integer = Annotated[int, Field(strict=True)]
Counted = dict[str, Count]
Setting = str | bool | int | float | list[Any] | None
LEVELS, READOUTS = ("noise-", "blur-"), ("first", "last", "average")  # curves of counts of n images at a level
ADVICE = "delete it and run `dvc repro` (what a stage has to write: docs/contracts.md)"
S = TypeVar("S", bound="_Shape")


class _Shape(BaseModel):
    """Fields that are read; others may stand beside them."""

    model_config = ConfigDict(extra="allow", frozen=True)


class _Crafted(_Shape):
    """Perturbations of `n` images: how many the attack left as they were, and how many rounding erases."""

    noise: str
    n: Count
    unmoved: Count
    erased: Count


class _Seed(_Shape):
    """What one training says. Accuracies are proportions, counts are of `n` images."""

    seed: Integer
    n: Size | None = None
    correct: Count = 0
    noisy_correct: Count = 0
    blurred_correct: Count = 0
    accuracy: Share | None = None
    right: str | None = None
    wilson: tuple[Share, Share] = (0.0, 1.0)
    clean: Counted | None = None
    robust: Counted | None = None
    own: _Crafted | None = None
    live: _Crafted | None = None

    @model_validator(mode="after")
    def _fits(self) -> _Seed:
        _check(self.n, self.correct, self.noisy_correct, self.blurred_correct)
        return self


class _AttackedSeed(_Shape):
    """`correct[i]` of `n` images at the file's i-th epsilon; None where the attack was not run."""

    seed: Integer
    n: Size
    correct: list[Count | None]
    zero_gradient: Count | None = None
    zero_gradient_correct: Count | None = None
    unverified: list[Count | None] | None = None
    reached: list[Count | None] | None = None

    @model_validator(mode="after")
    def _fits(self) -> _AttackedSeed:
        if len({part is None for part in (self.zero_gradient, self.zero_gradient_correct, self.unverified)}) > 1:
            raise ValueError("zero_gradient, zero_gradient_correct and unverified belong together")
        _check(self.n, *self.correct, self.zero_gradient, self.zero_gradient_correct)
        return self


def _check(n: int | None, *counts: int | None) -> None:
    """Counts have to be of `n` images."""
    if (largest := max(filter(None, counts), default=0)) > (n or 0):
        raise ValueError(f"{largest} of {n or 'an unknown number of'} images")


class _Of(_Shape, Generic[S]):
    """Entries training by training."""

    per_seed: Annotated[list[S], Field(min_length=1)]


class _Settings(_Shape):
    gamma: Share | None = None
    p: Positive | None = None
    k: Size | None = None
    epochs: Count | None = None
    n_train: Count = 0
    batch_size: Size = 1
    n_hidden: Size | None = None
    noise_level: NotNegative | None = None
    evaluation_noise_level: NotNegative = 0.0
    init: str | None = None
    readout: Literal["first", "last", "average"] | None = None
    __pydantic_extra__: dict[str, Setting]


class _Dataset(_Shape):
    name: str
    fidelity: str


class _Changed(_Shape):
    key: str
    value: Setting
    baseline: Setting


class _Robust(_Of[_Seed]):
    """Images right under one attack at one epsilon."""

    attack: str
    eps: NotNegative


class _Lines(_Of[_Seed]):
    by_gamma: list[_Seed] = []


class _Run(_Shape):
    """What one stage measured of one run; REQUIRED says what of it a file of each kind has."""

    run: str
    study: str
    scale: str
    status: Literal["ok", "unavailable"]
    dataset: _Dataset | None = None
    settings: _Settings | None = None
    reason: str | None = None
    per_seed: Annotated[list[_Seed], Field(min_length=1)] | None = None
    n_updates: Count | None = None
    n_parameters: Count | None = None
    n_steps: Count | None = None
    inference_mflop: Positive | None = None
    training_passes: Count | None = None
    changed: _Changed | None = None
    robust: _Robust | None = None
    collapses: dict[str, Count | tuple[Share, Share]] = {}
    eps: Annotated[list[NotNegative], Field(min_length=1)] = [0.0]
    attacks: dict[str, _Of[_AttackedSeed]] = {}
    discontinuity: _Lines | None = None
    reencoded: _Of[_Seed] | None = None

    @model_validator(mode="after")
    def _fits(self) -> _Run:
        if self.status == "unavailable" and self.reason is None:
            raise ValueError("it is unavailable without a reason")
        for key in ("network", "dataset", "epochs", "n_train", self.changed.key) if self.changed else ():
            if self.settings and key not in self.settings.model_fields_set:
                raise ValueError(f"settings: {key} is missing")
        for name, attack in self.attacks.items():
            lists = [found for seed in attack.per_seed for found in (seed.correct, seed.unverified, seed.reached)]
            if any(found is not None and len(found) != len(self.eps) for found in lists):
                raise ValueError(f"{name} does not count at each of {len(self.eps)} eps")
        return self


class _Split(_Shape):
    n: Count


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


_LOGGED = ("train", "pretrain", "probe", "advantage", "controls", "deviations", "activations", "timing")
REQUIRED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_LOGGED, ("settings", "per_seed")),
    "ablations": ("settings", "changed", "per_seed", "robust", "collapses"),
    "attack": ("settings", "eps", "attacks"),
    "perturb": ("per_seed",),
}


def read_content(path: Path) -> Content:
    """The content of a metrics file, which has the shape of its kind: of the folder that it lies in, such as "train".

    Raises BiorobustError naming the file and the field for one that is not JSON or not of the shape of its kind.
    """
    content = read_json(path)
    if not isinstance(content, Mapping) or not content:
        raise BiorobustError(f"{path} holds no metrics: {ADVICE}")
    kind = path.parent.name
    if kind not in (*REQUIRED, "data"):
        return content
    needed = REQUIRED.get(kind, ())
    if content.get("status") == "unavailable":
        needed = ("changed",) if kind == "ablations" else ()
    for name in (name for name in needed if content.get(name) is None):
        raise BiorobustError(f"{path}: {name} is missing: {ADVICE}")
    try:
        (_Data if kind == "data" else _Run).model_validate(content)
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
                if path.name.startswith(LEVELS):
                    right, n = [numbers[key] for key in READOUTS], numbers["n"] * (numbers["level"] >= 0)
                    if not (n > 0 and min(right) >= 0 and max(right) <= n):
                        raise ValueError
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
                if min(counts.both, counts.only_a, counts.only_b, counts.neither) < 0 or not counts.n:
                    raise ValueError
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
