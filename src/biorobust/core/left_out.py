"""What a scale leaves out: the field of params.yaml that says it, and the reason that is noted in place of a result."""

from __future__ import annotations

from typing import Any

from biorobust.core.schema import setting

LEFT_OUT = "not at this scale"  # how the reason of a run begins that the chosen scale does not have


def some_runs() -> Any:
    """A field that says which entries of a run list a scale has: all, none, or a list of their names."""
    return setting(
        "all, none or a list of names without repeats",
        lambda runs: len(set(runs)) == len(runs) if isinstance(runs, tuple) else runs in ("all", "none"),
    )


def has_run(runs: str | tuple[str, ...], name: str) -> bool:
    """Whether a field of `some_runs` holds a run."""
    return runs == "all" or (runs != "none" and name in runs)


def not_at_this_scale(scale: str, block: str) -> str:
    """The reason noted of a run that a scale leaves out; block: the key of `scales.<scale>` that says so."""
    return f"{LEFT_OUT} ({scale}): see {block} in params.yaml"
