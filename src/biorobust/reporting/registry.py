"""The reports of all studies, and what they are made from: values of a params.yaml, of this checkout or a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biorobust import params, studies
from biorobust.reporting.study import Make

MANIFEST = "manifest.json"  # beside the params.yaml of a snapshot

STUDIES: dict[str, Make] = {name: chapter.STUDY for name, chapter in studies.modules("report.chapter").items()}


def read_params(path: str | Path) -> Mapping[str, Any]:
    """The values of a params.yaml. Raises BiorobustError for one that is unsound; a snapshot's is not checked."""
    if (Path(path).parent / MANIFEST).exists():
        return params.read_recorded(path)
    return params.load(path).values
