"""What the report printed, by run and epsilon, taken from the number rows of the claims."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from biorobust.reporting.claim import Check, Claim

Reported = Mapping[str, Mapping[float, float]]  # run -> eps -> accuracy, a proportion


def _accuracies(claims: Iterable[Claim]) -> Iterator[Check]:
    """The rows that print an accuracy, with the runs of each claim's first reading filled in."""
    for claim in claims:
        for check in claim.checks:
            if check.rule == "number" and check.quantity.kind == "accuracy":
                yield check


def curves(claims: Iterable[Claim]) -> Reported:
    """Accuracies under attack, of the rows that count. Of two for one epsilon the first stands, in the claim that goes
    through the whole curve; a later one is what a sentence makes of it.
    """
    found: dict[str, dict[float, float]] = {}
    for check in _accuracies(claims):
        if check.counts and check.eps is not None and check.reported is not None:
            found.setdefault(check.quantity.of, {}).setdefault(check.eps, check.reported)
    return found


def clean(claims: Iterable[Claim], *, images: str = "clean") -> Mapping[str, float]:
    """Accuracies without an attack; where a report prints one twice, the later claim's, at eps 0, is the exact one.

    A row that does not count stands only where no other prints the same.
    """
    rows = [
        check
        for check in _accuracies(claims)
        if not check.eps and check.reported is not None and check.quantity.images == images
    ]
    return {check.quantity.of: check.reported for check in sorted(rows, key=lambda check: check.counts)}  # type: ignore[misc]
