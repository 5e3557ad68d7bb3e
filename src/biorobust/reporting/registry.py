"""The registry of studies, and what they are made from: the values of a params.yaml, of this checkout or a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biorobust import params
from biorobust.cnnf.report.chapter import STUDY as cnnf
from biorobust.hebbian.report.chapter import STUDY as hebbian
from biorobust.kwta.report.chapter import STUDY as kwta
from biorobust.question.report.chapter import STUDY as question
from biorobust.reporting.study import Make
from biorobust.vonenet.report.chapter import STUDY as vonenet

MANIFEST = "manifest.json"  # beside the params.yaml of a snapshot

# In the order of the report.
STUDIES: dict[str, Make] = {"question": question, "hebbian": hebbian, "cnnf": cnnf, "kwta": kwta, "vonenet": vonenet}


def read_params(path: str | Path) -> Mapping[str, Any]:
    """The values of a params.yaml. Raises BiorobustError for one that is unsound; a snapshot's is not checked."""
    if (Path(path).parent / MANIFEST).exists():
        return params.read_recorded(path)
    return params.load(path).values
