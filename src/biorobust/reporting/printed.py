"""reports/reported/<study>.csv: every number that a report prints and a claim asks about, once, with its source."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, FiniteFloat, PositiveInt, ValidationError

from biorobust.core.strict import Text
from biorobust.reporting.claim import ClaimsError


class Number(BaseModel):
    """A printed number, a row of the file. `n`: of how many images it is a proportion, None where that is not known."""

    id: Text
    eps: Annotated[float, Field(ge=0, le=1)]
    value: FiniteFloat
    n: PositiveInt | None
    source: Text


Printed = Mapping[str, Mapping[float, Number]]  # id -> epsilon (0: no attack) -> number


def read(path: Path) -> Printed:
    """A report without numbers needs no file. Raises ClaimsError with one line that names file, row and column."""
    if not path.exists():
        return {}
    try:
        rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    except UnicodeDecodeError:
        raise ClaimsError(f"{path} is not UTF-8 text: save it in that encoding") from None
    if tuple(rows.fieldnames or ()) != tuple(Number.model_fields):
        raise ClaimsError(f"{path}: the first line must be {','.join(Number.model_fields)}")
    found: dict[str, dict[float, Number]] = {}
    for line, row in enumerate(rows, start=2):
        where = f"{path}, line {line}"
        if None in row:
            raise ClaimsError(f"{where}: has more than {len(Number.model_fields)} values")
        try:
            number = Number.model_validate({key: cell or None for key, cell in row.items()})
        except ValidationError as error:
            first = error.errors()[0]
            raise ClaimsError(f"{where}: {first['loc'][0]} {first['input']!r}: {first['msg']}") from None
        if number.eps in found.setdefault(number.id, {}):
            raise ClaimsError(f"{where}: {number.id} at eps {number.eps:g} stands there twice")
        found[number.id][number.eps] = number
    return found
