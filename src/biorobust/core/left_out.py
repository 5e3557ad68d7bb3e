"""What a scale leaves out: the field of params.yaml that says it, and the reason that is noted in place of a result."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from biorobust.core.config import Unlike

LEFT_OUT = "not at this scale"  # how the reason of a run begins that the chosen scale does not have


# Which entries of a run list a scale has.
SomeRuns = Annotated[
    Literal["all", "none"] | Unlike[str], Field(description="all, none or a list of names without repeats")
]


def has_run(runs: str | tuple[str, ...], name: str) -> bool:
    """Whether a field of `SomeRuns` holds a run."""
    return runs == "all" or (runs != "none" and name in runs)


def not_at_this_scale(scale: str, block: str) -> str:
    """The reason noted of a run that a scale leaves out; block: the key of `scales.<scale>` that says so."""
    return f"{LEFT_OUT} ({scale}): see {block} in params.yaml"
