"""The answer of the CNN-F study: is a network with feedback more robust to attacks that know the feedback?"""

from __future__ import annotations

from collections.abc import Sequence

from biorobust.cnnf.report.study import CNN, CNN_NOISY, FEEDBACK, Cnnf
from biorobust.reporting.attacks import WORST_CASE
from biorobust.reporting.claims import Judged
from biorobust.reporting.estimates import attack_curve, test_accuracy
from biorobust.reporting.headline import Headline, answer
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.numbers import epsilon, listed, share
from biorobust.statistics import rules

CLAIM = "F16"
LEADS = {
    rules.REPRODUCED: "Feedback makes the network more robust to attacks that know it.",
    rules.PARTLY: "That feedback makes the network more robust to attacks that know it holds in part.",
    rules.NOT_REPRODUCED: "Feedback does not make the network more robust to attacks that know it.",
    rules.INCONCLUSIVE: "Whether feedback makes the network more robust to attacks that know it is left open.",
    rules.NOT_TESTABLE: "Whether feedback makes the network more robust cannot be tested on these data.",
    rules.NOT_RUN: "Whether feedback makes the network more robust has not been run at the size it needs.",
}


def headline(judged: Sequence[Judged], metrics: Metrics, study: Cnnf) -> Headline | None:
    """`judged` are the study's claims; None where the one that is asked is not among them."""

    def facts(found: Judged) -> tuple[str, str]:
        asked = [part.eps for part in found.parts if part.eps is not None]
        return _noisy(metrics), _attacked(metrics, list(dict.fromkeys(asked)))

    return answer(judged, claim=CLAIM, leads=LEADS, facts=facts)


def _noisy(metrics: Metrics) -> str:
    feedback, cnn, control = (test_accuracy(metrics, run, "noisy") for run in (FEEDBACK, CNN, CNN_NOISY))
    if feedback is None or cnn is None or control is None:
        return ""
    return (
        f"Of the noisy letters CNN-F reads {share(feedback.value)} and the report's CNN {share(cnn.value)}; a CNN that "
        f"was trained on the same noisy batches, without feedback, reads {share(control.value)}."
    )


def _attacked(metrics: Metrics, grid: Sequence[float]) -> str:
    curves = [attack_curve(metrics, run, WORST_CASE) for run in (FEEDBACK, CNN, CNN_NOISY)]
    said = []
    for eps in grid:
        left = [curve.at(eps) if curve else None for curve in curves]
        known = [share(point.value) for point in left if point]
        if len(known) == len(curves):
            said.append(f"{listed(known)} at {epsilon(eps)}")
    return f"The worst attack for each image leaves the three of them {'; '.join(said)}." if said else ""
