"""params.yaml, read once and checked whole: unknown, missing and impossible values stop here, with one line.

A study's `model/params.py` holds three tables, BLOCKS (science), SIZES (what `scales.<scale>` may hold), RUNS (run
lists; APART: those whose names are no files of networks); PARTS, the sizes whose `trained` says which runs of a list a
scale has; what is attacked (NETWORKS, and where there are any ATTACK and DATASET); TRAINED, accuracies above which its
networks count as trained; and CHECK, file and function that look at what refers to what. Stages get the checked result
as `Params`; no dictionary of raw values goes any further, but to the report.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, create_model, field_validator

from biorobust import studies
from biorobust.core.config import Block, Seed, Several, build
from biorobust.core.errors import ParamsError
from biorobust.core.files import read_yaml
from biorobust.core.scale import SCALES, Scale
from biorobust.datasets import DATASETS

T = TypeVar("T")

PARAMS_FILE = Path("params.yaml")
TABLES = ("BLOCKS", "SIZES", "RUNS")
NEEDED = (*TABLES, "NETWORKS", "ARCHITECTURES", "TRAINED")  # of every study's params module
ATTACKED = ("ATTACK", "DATASET")  # of one with NETWORKS
STUDIES: dict[str, Any] = studies.modules("model.params")
# A dot or a slash would break DVC's parameter paths and the names of files; a stage takes -x for an option.
RUN_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
# A run's name is also the name of files: these would overlap with those of other stages.
RESERVED = re.compile(r"(attack|weights|adversarial|steps|noise|reconstructions)-.*|.*-adaptive")


class Data(Block):
    source: Literal["auto", "official", "mirror", "bundled"]


class Top(Block):
    """What belongs to no study."""

    scale: Scale
    seed: Seed
    datasets: Several[str]
    data: Data

    @field_validator("datasets")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value) or not set(value) <= set(DATASETS):
            raise ValueError(f"a list without repeats, of {', '.join(DATASETS)}")
        return value


@dataclass(frozen=True)
class Params:
    """The checked parameters. `sizes` are those of the chosen scale; `values` is the file as it stands."""

    scale: str
    seed: int
    datasets: tuple[str, ...]
    data: Data
    blocks: Mapping[str, Block]
    sizes: Mapping[str, Block]
    runs: Mapping[str, Mapping[str, Block]]
    values: Mapping[str, Any]

    def seeds(self, n: int) -> range:
        """The seeds of n repeats."""
        return range(self.seed, self.seed + n)

    def block(self, name: str, kind: type[T]) -> T:
        """The science of one method, as the model the study declares for it."""
        block = self.blocks[name]
        assert isinstance(block, kind)
        return block

    def size(self, name: str, kind: type[T]) -> T:
        """How much of that method to run at the chosen scale."""
        size = self.sizes[name]
        assert isinstance(size, kind)
        return size

    def run(self, group: str, name: str, kind: type[T]) -> T:
        """One entry of a run list; raises ParamsError naming the known ones."""
        try:
            run = self.runs[group][name]
        except KeyError:
            raise ParamsError(f"run {name!r}: unknown; {group} has {', '.join(self.runs[group])}") from None
        assert isinstance(run, kind)
        return run


def load(path: str | Path = PARAMS_FILE) -> Params:
    """Read and check a params.yaml. Raises ParamsError with one line naming the key, the value and what is allowed."""
    return check(read_yaml(path, error=ParamsError))


def read_recorded(path: str | Path) -> Mapping[str, Any]:
    """The values of the params.yaml of a recorded run, unchecked: it may be older than the checks.

    Raises ParamsError when the file is missing or no block of keys.
    """
    raw = read_yaml(path, error=ParamsError)
    if not isinstance(raw, Mapping):
        raise ParamsError(f"{path}: must be a block of keys")
    return raw


def check(raw: Any) -> Params:
    """`load` for values already read."""
    file = build(_file(), raw)
    by_scale = {scale: dict(getattr(file.scales, scale)) for scale in SCALES}
    settings = Params(
        scale=file.scale,
        seed=file.seed,
        datasets=file.datasets,
        data=file.data,
        blocks={key: getattr(file, key) for key in _declared("BLOCKS")},
        sizes=by_scale[file.scale],
        runs={key: getattr(file, key) for key in _declared("RUNS")},
        values=raw,
    )
    for study in STUDIES.values():
        for key, groups in getattr(study, "PARTS", {}).items():
            for scale in SCALES:
                known = [name for group in groups for name in settings.runs[group]]
                _only_known_runs(f"scales.{scale}.{key}", by_scale[scale][key], known)
    for name, study in STUDIES.items():
        if hasattr(study, "CHECK"):
            module, function = study.CHECK
            getattr(import_module(f"biorobust.{name}.model.{module}"), function)(settings)
    apart = {group for study in STUDIES.values() for group in getattr(study, "APART", ())}
    names = Counter(name for group, runs in settings.runs.items() if group not in apart for name in runs)
    for name, lists in names.items():
        if lists > 1:
            raise ParamsError(f"run {name!r}: named in two run lists (params.yaml)")
    return settings


@functools.cache
def _file() -> Any:
    """The model of the whole file, from what the studies declare."""
    sizes = create_model("Sizes", __base__=Block, **_required(_declared("SIZES")))
    scales = create_model("Scales", __base__=Block, **_required(dict.fromkeys(SCALES, sizes)))
    runs: dict[str, Any] = {
        key: Annotated[dict[RunName, kind], Field(min_length=1)]  # type: ignore[valid-type]
        for key, kind in _declared("RUNS").items()
    }
    return create_model("File", __base__=Top, **_required({**_declared("BLOCKS"), **runs, "scales": scales}))


def _declared(table: str) -> dict[str, Any]:
    for study in STUDIES.values():
        needed = (*NEEDED, *(ATTACKED if getattr(study, "NETWORKS", ()) else ()))
        if missing := [name for name in needed if not hasattr(study, name)]:
            raise ParamsError(f"{study.__name__} has no {' and no '.join(missing)}: docs/add-a-study.md")
    return {key: kind for study in STUDIES.values() for key, kind in getattr(study, table).items()}


def _required(kinds: Mapping[str, Any]) -> dict[str, Any]:
    return {key: (kind, ...) for key, kind in kinds.items()}


def _run_name(name: object) -> object:
    if not isinstance(name, str) or not RUN_NAME.fullmatch(name):
        raise ValueError("a run's name may hold only a-z, 0-9 and -, and does not begin with -")
    if RESERVED.fullmatch(name) or name in STUDIES:
        raise ValueError("a run may not be called so, files of other stages are")
    return name


RunName = Annotated[str, BeforeValidator(_run_name)]


def _only_known_runs(where: str, size: Any, known: Sequence[str]) -> None:
    """A scale that has some runs names runs that there are."""
    for name in size.trained if isinstance(size.trained, tuple) else ():
        if name not in known:
            raise ParamsError(f"{where}.trained: no run {name!r}; known are {', '.join(known)} (params.yaml)")
