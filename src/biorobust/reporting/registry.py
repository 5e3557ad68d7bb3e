"""The registry of studies, and what they are made from: the values of a params.yaml, of this checkout or a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from biorobust import params
from biorobust.cnnf.report.study import cnnf
from biorobust.hebbian.report.study import hebbian
from biorobust.kwta.report.study import kwta
from biorobust.reporting.study import Study
from biorobust.vonenet.report.study import vonenet

MANIFEST = "manifest.json"  # beside the params.yaml of a snapshot
# In the order of the report. A study is made from the values of a params.yaml.
STUDIES: dict[str, Callable[[Mapping[str, Any]], Study]] = {
    "hebbian": hebbian,
    "cnnf": cnnf,
    "kwta": kwta,
    "vonenet": vonenet,
}


def read_params(path: str | Path) -> Mapping[str, Any]:
    """The values of a params.yaml. Raises BiorobustError for one that is unsound; a snapshot's is not checked."""
    if (Path(path).parent / MANIFEST).exists():
        return params.read_recorded(path)
    return params.load(path).values
