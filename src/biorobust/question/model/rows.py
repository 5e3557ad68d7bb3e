"""The networks of the comparison: a row of params.yaml on a data set, and whether a scale has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from biorobust.core.errors import ParamsError
from biorobust.core.left_out import has_run, not_at_this_scale
from biorobust.question.model.params import DATASETS, FAMILIES, NOISY_FRONTS, Row, Size, Threat, Training, block

if TYPE_CHECKING:
    from biorobust.params import Params

ONLY_MNIST = {  # network -> why there is none on photographs
    "hebbian": "competing units on raw pixels do not learn photographs",
    "end-to-end": "it is the twin of the Hebbian network, which does not learn photographs",
    "cnnf": "feedback on photographs does not fit the budget of two cores",
}


class Network(NamedTuple):
    """A row on a data set, with the blocks of params.yaml that say what it is."""

    name: str
    dataset: str
    row: Row
    threat: Threat
    training: Training
    size: Size
    left_out: str

    @property
    def noisy(self) -> bool:
        """Whether it draws noise of its own, in evaluation too."""
        return self.row.front in NOISY_FRONTS

    @property
    def twin(self) -> str | None:
        """The network that it is held against."""
        return None if self.row.twin is None else f"{self.dataset}-{self.row.twin}"

    @property
    def settings(self) -> dict[str, Any]:
        """What the metrics say that it is."""
        return {"dataset": self.dataset, **self.row.model_dump(), "noise": self.threat.noise}


def networks(settings: Params, *, family: str | None = None) -> Mapping[str, Network]:
    """By name, those of a family or all. Raises ParamsError for an unknown family."""
    if family not in (None, *FAMILIES):
        raise ParamsError(f"family {family!r}: unknown; known are {', '.join(FAMILIES)}")
    rows = {name: settings.run("question_rows", name, Row) for name in settings.runs["question_rows"]}
    return {
        f"{dataset}-{name}": _network(settings, name, row, dataset)
        for dataset in DATASETS
        for name, row in rows.items()
        if family in (None, row.family)
    }


def _network(settings: Params, name: str, row: Row, dataset: str) -> Network:
    size = settings.size(block(dataset), Size)
    reason = "" if has_run(size.trained, name) else not_at_this_scale(settings.scale, block(dataset))
    if dataset != "mnist":
        reason = ONLY_MNIST.get(row.network, reason)
    threat, training = (
        settings.block(block(dataset), Threat),
        settings.block(block(dataset, "question_training"), Training),
    )
    return Network(f"{dataset}-{name}", dataset, row, threat, training, size, reason)


def check(settings: Params) -> None:
    """Every twin is a row; raises ParamsError naming it."""
    known = settings.runs["question_rows"]
    for name in known:
        twin = settings.run("question_rows", name, Row).twin
        if twin is not None and twin not in known:
            raise ParamsError(
                f"question_rows.{name}.twin = {twin!r}: must be null or one of {', '.join(known)} (params.yaml)"
            )


def group(family: str) -> str:
    """The folder of a family's results."""
    return f"question-{family}"
