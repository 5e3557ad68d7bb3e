"""What a stage noted about its own run: wall time, device, versions, commit. Nothing but the report reads it.

A stage that DVC restored from its cache did not run, so it has no note, or still the note of a run at another scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json

DOWNLOAD = "download@"  # what no scale changes


def cost(note: Mapping[str, Any]) -> float:
    """Seconds that the result took, in all starts; at least those of the last one, which is all that old notes have."""
    return float(note.get("total_seconds", note["wall_seconds"]))


def read_note(folder: Path, stage: str, *, scale: str) -> Mapping[str, Any] | None:
    """The note of a stage in a folder run_info, None where it has none that belongs to `scale`, as one without a scale
    does.

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
