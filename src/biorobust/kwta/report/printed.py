"""What the report's tables print, cell by cell, and what the ledger says of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from biorobust.kwta.report.study import CLEAN
from biorobust.reporting.claim import Check, Claim
from biorobust.reporting.claims import Judged, Part
from biorobust.reporting.estimates import Estimate
from biorobust.reporting.labels import RESIZED
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.requirements import smaller
from biorobust.statistics import wilson

COLLAPSE = "collapse"
Key = tuple[str, str]  # cell, measure


class Printed(NamedTuple):
    """A number of the report with the Wilson interval of its own images. `gamma`: of its row, None for ReLU."""

    value: Estimate
    gamma: float | None


class Verdict(NamedTuple):
    """`marks`: what limits the verdict of a part."""

    part: Part
    marks: tuple[str, ...]


def printed(claims: Iterable[Claim]) -> dict[Key, Printed]:
    found = {}
    for check in (check for claim in claims for check in claim.checks if check.rule == "number"):
        if check.reported is not None and (n := check.reported_n):
            ends = wilson(round(check.reported * n), n)
            recipe = dict(check.requires)[f"train/{check.quantity.of}"]
            found[_key(check)] = Printed(Estimate(check.reported, *ends, n=n, n_seeds=1), recipe["gamma"])
    return found


def verdicts(judged: Iterable[Judged], m: Measurements) -> dict[Key, Verdict]:
    """Of the claims that repeat the report's tables; COLLAPSE, where the report's network gave one class to every
    image, is a measure as well."""
    return {
        _key(check): Verdict(part, _marks(check, m))
        for item in judged
        for check, part in zip(item.claim.under(item.reading), item.parts, strict=True)
        if check.rule == "number" or (check.quantity.kind == "collapses" and check.quantity.of.startswith("train/"))
    }


def _key(check: Check) -> Key:
    asked = check.quantity
    if asked.kind == "collapses":
        return asked.of.removeprefix("train/"), COLLAPSE
    return asked.of, asked.attack.removesuffix(RESIZED) if asked.attack else CLEAN


def _marks(check: Check, m: Measurements) -> tuple[str, ...]:
    """What stands in brackets behind a verdict: data that are not official; "smaller" for sizes not the report's; one
    seed, which says nothing of how another would have come out.
    """
    files = [(content, settings) for name, settings in check.requires if (content := m.get(name))]
    data = dict.fromkeys(content["dataset"]["fidelity"] for content, _ in files)
    limits = {
        "smaller": any(list(smaller(content, settings)) for content, settings in files),
        "one seed": any(len(content.get("seeds", ())) == 1 for content, _ in files),
    }
    return (*(name for name in data if name != "official"), *(words for words, holds in limits.items() if holds))
