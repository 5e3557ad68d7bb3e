"""The networks of the comparison: a row of params.yaml on a data set, and whether a scale has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from biorobust.core.errors import ParamsError
from biorobust.core.left_out import has_run, not_at_this_scale
from biorobust.question.model.params import (
    DATASETS,
    FAMILIES,
    NOISY_FRONTS,
    ONLY_MNIST,
    ROWS,
    Row,
    Size,
    Threat,
    Training,
    block,
)

if TYPE_CHECKING:
    from biorobust.params import Params


class Network(NamedTuple):
    """A row on a data set, with the blocks of params.yaml that say what it is."""

    name: str
    dataset: str
    family: str
    row: Row
    threat: Threat
    training: Training
    size: Size
    left_out: str

    @property
    def noisy(self) -> bool:
        return self.row.front in NOISY_FRONTS

    @property
    def twin(self) -> str | None:
        return None if self.row.twin is None else f"{self.dataset}-{self.row.twin}"

    @property
    def settings(self) -> dict[str, Any]:
        row = {"family": self.family, **self.row.model_dump()}
        return {"dataset": self.dataset, **row, "noise": self.threat.noise}


def networks(settings: Params, *, family: str | None = None) -> Mapping[str, Network]:
    """By name, those of a family or all. Raises ParamsError for an unknown family."""
    if family not in (None, *FAMILIES):
        raise ParamsError(f"family {family!r}: unknown; known are {', '.join(FAMILIES)}")
    chosen = [family] if family else FAMILIES
    return {
        f"{dataset}-{name}": _network(settings, its, name, settings.run(ROWS[its], name, Row), dataset)
        for dataset in DATASETS
        for its in chosen
        for name in settings.runs[ROWS[its]]
    }


def _network(settings: Params, family: str, name: str, row: Row, dataset: str) -> Network:
    size = settings.size(block(dataset), Size)
    reason = "" if has_run(size.trained, name) else not_at_this_scale(settings.scale, block(dataset))
    if dataset != "mnist":
        reason = ONLY_MNIST.get(row.network, reason)
    threat = settings.block(block(dataset), Threat)
    training = settings.block(block(dataset, "question_training"), Training)
    return Network(f"{dataset}-{name}", dataset, family, row, threat, training, size, reason)


def check(settings: Params) -> None:
    """Every name is there once and every twin is a row; raises ParamsError naming it."""
    listed = [(group, name) for group in ROWS.values() for name in settings.runs[group]]
    known = [name for _, name in listed]
    for group, name in listed:
        where, twin = f"{group}.{name}", settings.run(group, name, Row).twin
        if known.count(name) > 1:
            raise ParamsError(f"{where}: named in two families of the comparison (params.yaml)")
        if twin is not None and twin not in known:
            raise ParamsError(f"{where}.twin = {twin!r}: must be null or one of {', '.join(known)} (params.yaml)")


def group(family: str) -> str:
    return f"question-{family}"
