"""The registry of studies, and what they are made from: the values of a params.yaml, of this checkout or a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from biorobust.cnnf.report.study import cnnf
from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_yaml
from biorobust.hebbian.report.study import hebbian
from biorobust.kwta.report.study import kwta
from biorobust.reporting.study import Study
from biorobust.vonenet.report.study import vonenet

# In the order of the report. A study is made from the values of a params.yaml.
STUDIES: dict[str, Callable[[Mapping[str, Any]], Study]] = {
    "hebbian": hebbian,
    "cnnf": cnnf,
    "kwta": kwta,
    "vonenet": vonenet,
}


def read_params(path: str | Path) -> Mapping[str, Any]:
    """The values of a params.yaml, unchecked: that of a snapshot may be older than the checks.

    Raises BiorobustError when the file is missing or no block of keys.
    """
    raw = read_yaml(path)
    if not isinstance(raw, Mapping):
        raise BiorobustError(f"{path}: must be a block of keys")
    return raw
