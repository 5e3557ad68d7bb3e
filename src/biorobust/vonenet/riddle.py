"""Why does the report find a deviation of exactly zero at four layers? Every explanation as a test with a rule.

A test looks at what an explanation would put at zero in our networks. `excluded`: it would not give the report's
picture here. `supported`: it would. `left open`: the numbers do not say. `cannot be tested here`: it speaks of the
report's own program, which is not public. None of this proves what that program did; the networks are ours.
"""

from __future__ import annotations

from collections.abc import Callable

from biorobust.vonenet import explanations, mistakes
from biorobust.vonenet.evidence import Evidence, Outcome

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
