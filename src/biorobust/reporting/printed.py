"""reports/reported/<study>.csv: every number that a report prints and a claim asks about, once, with its source."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from biorobust.reporting.claim import ClaimsError

COLUMNS = ("id", "eps", "value", "n", "source")


class Number(NamedTuple):
    """A printed number. `n`: of how many images it is a proportion, None where that is not known."""

    value: float
    n: int | None


Printed = Mapping[str, Mapping[float, Number]]  # id -> epsilon (0: no attack) -> number


def read(path: Path) -> Printed:
    """A report without numbers needs no file. Raises ClaimsError with one line that names file and row."""
    if not path.exists():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ClaimsError(f"{path} is not UTF-8 text: save it in that encoding") from None
    head, *rows = list(csv.reader(lines)) or [[]]
    if tuple(head) != COLUMNS:
        raise ClaimsError(f"{path}: the first line must be {','.join(COLUMNS)}")
    found: dict[str, dict[float, Number]] = {}
    for line, row in enumerate(rows, start=2):
        where = f"{path}, line {line}"
        if len(row) != len(COLUMNS):
            raise ClaimsError(f"{where}: has {len(row)} values, not {len(COLUMNS)}")
        name, eps, value, n, source = row
        if not name or not source:
            raise ClaimsError(f"{where}: id and source must not be empty")
        try:
            at, number = float(eps), Number(float(value), int(n) if n else None)
        except ValueError:
            raise ClaimsError(f"{where}: eps and value must be numbers and n a whole one or empty") from None
        if not math.isfinite(number.value) or (number.n is not None and number.n < 1):
            raise ClaimsError(f"{where}: value must be finite, and n at least 1")
        if not 0 <= at <= 1:
            raise ClaimsError(f"{where}: eps {eps} is not in [0, 1]")
        if at in found.setdefault(name, {}):
            raise ClaimsError(f"{where}: {name} at eps {at:g} stands there twice")
        found[name][at] = number
    return found
