"""What a stage noted about its own run, and what it wrote. Nothing but the report reads it.

A stage that DVC restored from its cache did not run, so it has no note, or still the note of a run at another scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, read_yaml

DOWNLOAD = "download@"  # what no scale changes


def cost(note: Mapping[str, Any]) -> float:
    """Seconds that the result took, in all starts; at least those of the last one, which is all that old notes have."""
    return float(note.get("total_seconds", note["wall_seconds"]))


def read_note(folder: Path, stage: str, *, scale: str) -> Mapping[str, Any] | None:
    """The note of a stage in a folder run_info, None without one of `scale`; older notes name none and belong to any.

    Raises BiorobustError for a damaged file.
    """
    path = folder / f"{stage}.json"
    if not path.exists():
        return None
    note: Mapping[str, Any] = read_json(path)
    if not isinstance(note, Mapping) or not isinstance(note.get("wall_seconds"), int | float):
        raise BiorobustError(f"{path} does not say how long the stage took: delete it")
    fits = stage.startswith(DOWNLOAD) or note.get("scale", scale) == scale
    return note if fits else None


def outputs(lock: Path) -> Mapping[str, tuple[str, ...]]:
    """Stage -> the paths that it wrote, of a dvc.lock; without the file nothing is known."""
    if not lock.exists():
        return {}
    try:
        stages = (read_yaml(lock) or {}).get("stages", {})
        return {name: tuple(out["path"] for out in stage["outs"]) for name, stage in stages.items() if "outs" in stage}
    except (AttributeError, KeyError, TypeError):
        raise BiorobustError(f"{lock} does not list the outputs of stages: run `git checkout {lock.name}`") from None
