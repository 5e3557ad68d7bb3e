"""What the report's tables print, cell by cell, and what the ledger says of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from biorobust.kwta.report.study import CLEAN
from biorobust.reporting.claim import Check, Claim
from biorobust.reporting.claims import Judged, Part
from biorobust.reporting.estimates import Estimate
from biorobust.reporting.labels import RESIZED
from biorobust.statistics import wilson

COLLAPSE = "collapse"
Key = tuple[str, str]  # cell, measure


class Printed(NamedTuple):
    """A number of the report with the Wilson interval of its own images. `gamma`: of its row, None for ReLU."""

    value: Estimate
    gamma: float | None


def printed(claims: Iterable[Claim]) -> dict[Key, Printed]:
    found = {}
    for check in (check for claim in claims for check in claim.checks if check.rule == "number"):
        if check.reported is not None and (n := check.reported_n):
            ends = wilson(round(check.reported * n), n)
            recipe = dict(check.requires)[f"train/{check.quantity.of}"]
            found[_key(check)] = Printed(Estimate(check.reported, *ends, n=n, n_seeds=1), recipe["gamma"])
    return found


def verdicts(judged: Iterable[Judged]) -> dict[Key, Part]:
    """Of the claims that repeat the report's tables; COLLAPSE, where the report's network gave one class to every
    image, is a measure as well."""
    return {
        _key(check): part
        for item in judged
        for check, part in zip(item.claim.under(item.reading), item.parts, strict=True)
        if check.rule == "number" or (check.quantity.kind == "collapses" and check.quantity.of.startswith("train/"))
    }


def _key(check: Check) -> Key:
    asked = check.quantity
    if asked.kind == "collapses":
        return asked.of.removeprefix("train/"), COLLAPSE
    return asked.of, asked.attack.removesuffix(RESIZED) if asked.attack else CLEAN
