"""params.yaml, read once and checked whole: unknown, missing and impossible values stop here, with one line.

A study registers its params module in STUDIES. It holds three tables, BLOCKS (science), SIZES (what `scales.<scale>`
may hold) and RUNS (run lists); PARTS, the sizes whose `trained` says which runs of a list a scale has; what is attacked
(NETWORKS, ATTACK, DATASET); and `check_runs` for what refers to what.
Stages get the checked result as `Params`; no dictionary of raw values goes any further.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from biorobust.cnnf.model import params as cnnf
from biorobust.core.errors import ParamsError
from biorobust.core.files import read_yaml
from biorobust.core.scale import SCALES
from biorobust.core.schema import build, count, one_of, unknown
from biorobust.hebbian.model import params as hebbian
from biorobust.kwta.model import params as kwta
from biorobust.vonenet.model import params as vonenet

T = TypeVar("T")

PARAMS_FILE = Path("params.yaml")
SOURCES = ("auto", "official", "mirror", "bundled")
STUDIES = {"hebbian": hebbian, "cnnf": cnnf, "kwta": kwta, "vonenet": vonenet}
RUN_NAME = re.compile(r"[a-z0-9-]+")
# A run's name is also the name of files: these would overlap with those of other stages.
RESERVED = re.compile(r"(attack|weights|adversarial|steps|noise|reconstructions)-.*")


@dataclass(frozen=True)
class Data:
    source: str = one_of(*SOURCES)


@dataclass(frozen=True)
class Top:
    datasets: tuple[str, ...]
    scale: str = one_of(*SCALES)
    seed: int = count(0)


@dataclass(frozen=True)
class Params:
    """The checked parameters. `sizes` are those of the chosen scale."""

    scale: str
    seed: int
    datasets: tuple[str, ...]
    data: Data
    blocks: Mapping[str, object]
    sizes: Mapping[str, object]
    runs: Mapping[str, Mapping[str, object]]

    def seeds(self, n: int) -> range:
        """The seeds of n repeats."""
        return range(self.seed, self.seed + n)

    def block(self, name: str, kind: type[T]) -> T:
        """The science of one method, as the dataclass the study declares for it."""
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
    raw = read_yaml(path, error=ParamsError)
    if not isinstance(raw, Mapping):
        raise ParamsError(f"{path}: must be a block of keys")
    return check(raw)


def check(raw: Mapping[str, Any]) -> Params:
    """`load` for values already read."""
    blocks = {key: cls for study in STUDIES.values() for key, cls in study.BLOCKS.items()}
    sizes = {key: cls for study in STUDIES.values() for key, cls in study.SIZES.items()}
    groups = {key: cls for study in STUDIES.values() for key, cls in study.RUNS.items()}
    plain = {"scale", "seed", "datasets"}
    known = plain | {"data", "scales"} | set(blocks) | set(groups)
    for key in raw:
        if key not in known:
            raise unknown(str(key), "", known)
    for key in known:
        if key not in raw:
            raise ParamsError(f"{key}: missing key (params.yaml)")

    top = build(Top, {key: raw[key] for key in plain}, where="")
    data = build(Data, raw["data"], where="data")
    built_blocks = {key: build(cls, raw[key], where=key) for key, cls in blocks.items()}
    built_sizes = {scale: _sizes(raw["scales"], scale, sizes) for scale in SCALES}
    _only_known_scales(raw["scales"])
    built_runs = {key: _runs(raw[key], key, cls) for key, cls in groups.items()}
    for study in STUDIES.values():
        _one_place_each(study)
        study.check_runs(built_runs)
        for key, group in getattr(study, "PARTS", {}).items():
            for scale in SCALES:
                _only_known_runs(f"scales.{scale}.{key}", built_sizes[scale][key], group, built_runs[group])
    names = [name for study in STUDIES.values() for group in study.NETWORKS for name in built_runs[group]]
    for name in names:
        if names.count(name) > 1:
            raise ParamsError(f"run {name!r}: named in two run lists (params.yaml)")
    return Params(
        scale=top.scale,
        seed=top.seed,
        datasets=top.datasets,
        data=data,
        blocks=built_blocks,
        sizes=built_sizes[top.scale],
        runs=built_runs,
    )


def _only_known_scales(raw: Mapping[str, Any]) -> None:
    for scale in raw:
        if scale not in SCALES:
            raise unknown(str(scale), "scales.", SCALES)


def _sizes(raw: object, scale: str, kinds: Mapping[str, type]) -> dict[str, object]:
    if not isinstance(raw, Mapping) or not isinstance(raw.get(scale), Mapping):
        raise ParamsError(f"scales.{scale}: missing block (params.yaml)")
    for key in raw[scale]:
        if key not in kinds:
            raise unknown(str(key), f"scales.{scale}.", kinds)
    for key in kinds:
        if key not in raw[scale]:
            raise ParamsError(f"scales.{scale}.{key}: missing key (params.yaml)")
    return {key: build(cls, raw[scale][key], where=f"scales.{scale}.{key}") for key, cls in kinds.items()}


def _runs(raw: object, group: str, kind: type) -> dict[str, object]:
    if not isinstance(raw, Mapping) or not raw:
        raise ParamsError(f"{group}: must be a block of named runs (params.yaml)")
    for name in raw:
        # A dot or a slash in a name would break DVC's parameter paths and the names of files.
        if not isinstance(name, str) or not RUN_NAME.fullmatch(name):
            raise ParamsError(f"{group}.{name}: a run's name may hold only a-z, 0-9 and - (params.yaml)")
        if RESERVED.fullmatch(name) or name in STUDIES:
            raise ParamsError(f"{group}.{name}: a run may not be called so, files of other stages are (params.yaml)")
    return {name: build(kind, values, where=f"{group}.{name}") for name, values in raw.items()}


def _only_known_runs(where: str, size: object, group: str, runs: Mapping[str, object]) -> None:
    """A scale that has some runs of a list names runs of that list."""
    trained: str | tuple[str, ...] = size.trained  # type: ignore[attr-defined]
    for name in trained if isinstance(trained, tuple) else ():
        if name not in runs:
            raise ParamsError(f"{where}.trained: no run {name!r}; {group} has {', '.join(runs)} (params.yaml)")


def _one_place_each(study: Any) -> None:
    """A knob that stood both in a method's block and in its size could be set twice, with one of them ignored."""
    for key, cls in study.SIZES.items():
        if key not in study.BLOCKS:  # a size of a run list, whose runs hold the science themselves
            continue
        both = {f.name for f in dataclasses.fields(cls)} & {f.name for f in dataclasses.fields(study.BLOCKS[key])}
        if both:
            raise ParamsError(f"{key}.{', '.join(sorted(both))}: stands in the method's block and in its size")
