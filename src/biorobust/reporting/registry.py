"""The registry of studies, and what they are made from: the values of a params.yaml, of this checkout or a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from biorobust import params
from biorobust.cnnf.report.headline import conclusions as cnnf_conclusions
from biorobust.cnnf.report.headline import headline as cnnf_headline
from biorobust.cnnf.report.study import cnnf
from biorobust.cnnf.report.tables import tables as cnnf_tables
from biorobust.hebbian.report.headline import headline as hebbian_headline
from biorobust.hebbian.report.study import hebbian
from biorobust.hebbian.report.tables import tables as hebbian_tables
from biorobust.kwta.report.headline import conclusions as kwta_conclusions
from biorobust.kwta.report.headline import headline as kwta_headline
from biorobust.kwta.report.study import kwta
from biorobust.kwta.report.tables import tables as kwta_tables
from biorobust.question.report.headline import conclusions as question_conclusions
from biorobust.question.report.headline import headline as question_headline
from biorobust.question.report.study import question
from biorobust.question.report.tables import tables as question_tables
from biorobust.reporting.claims import Judged
from biorobust.reporting.study import Parts, Study
from biorobust.reporting.table import Table
from biorobust.vonenet.report.headline import conclusions as vonenet_conclusions
from biorobust.vonenet.report.headline import headline as vonenet_headline
from biorobust.vonenet.report.study import vonenet
from biorobust.vonenet.report.tables import tables as vonenet_tables

Make = Callable[[Mapping[str, Any]], Study]


def _study(make: Make, **parts: Any) -> Make:
    return lambda params: replace(make(params), parts=Parts(**parts))


MANIFEST = "manifest.json"  # beside the params.yaml of a snapshot


def _of_claims(tables: Callable[..., list[Table]]) -> Callable[[Any, Any, Sequence[Judged]], list[Table]]:
    """Tables that need what the claims' sources print, and no verdicts."""
    return lambda m, study, judged: tables(m, study, [item.claim for item in judged if item.counted])


# In the order of the report. A study is made from the values of a params.yaml.
STUDIES: dict[str, Make] = {
    "question": _study(
        question, tables=_of_claims(question_tables), headline=question_headline, conclusions=question_conclusions
    ),
    "hebbian": _study(hebbian, tables=_of_claims(hebbian_tables), headline=hebbian_headline),
    "cnnf": _study(cnnf, tables=_of_claims(cnnf_tables), headline=cnnf_headline, conclusions=cnnf_conclusions),
    "kwta": _study(kwta, tables=kwta_tables, headline=kwta_headline, conclusions=kwta_conclusions),
    "vonenet": _study(
        vonenet, tables=_of_claims(vonenet_tables), headline=vonenet_headline, conclusions=vonenet_conclusions
    ),
}


def read_params(path: str | Path) -> Mapping[str, Any]:
    """The values of a params.yaml. Raises BiorobustError for one that is unsound; a snapshot's is not checked."""
    if (Path(path).parent / MANIFEST).exists():
        return params.read_recorded(path)
    return params.load(path).values
