"""Why does the report find a deviation of exactly zero at four layers? The zero-deviation hypotheses as tests.

A test looks at which layers a hypothesis would put at zero in our networks; vonenet/report/zeros.py holds them against
the report's four. None of this proves what the report's program did: it is not public, and the networks are ours.
"""

from __future__ import annotations

from collections.abc import Callable

from biorobust.vonenet.model import explanations, mistakes
from biorobust.vonenet.model.evidence import Evidence, Outcome

TESTS: tuple[Callable[[Evidence], Outcome], ...] = (
    explanations.natural_minima,
    explanations.scaled_by_stage,
    explanations.channel_means,
    mistakes.same_tensor,
    mistakes.pasted_lines,
    mistakes.in_place,
    mistakes.late_binding,
    mistakes.undefined,
    mistakes.no_perturbation,
    mistakes.pictures,
    mistakes.called_often,
    explanations.other_numbering,
    explanations.rounding,
    mistakes.replaced_output,
)


def solve(given: Evidence) -> list[Outcome]:
    """Every test, in the order of the hypotheses."""
    return [test(given) for test in TESTS]
