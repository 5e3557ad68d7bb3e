"""The answer of the Hebbian study: does our explanation of the published curve hold?"""

from __future__ import annotations

from collections.abc import Sequence

from biorobust.reporting import reported
from biorobust.reporting.attacks import REPORT_LOSS, WORST_CASE
from biorobust.reporting.claims import Judged
from biorobust.reporting.estimates import Curve, attack_curve, per_seed, zero_gradient_floor
from biorobust.reporting.headline import Headline, answer
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.numbers import epsilon, percent, share
from biorobust.reporting.reported import Reported
from biorobust.statistics import rules

CLAIM = "H8"
PUBLISHED = "report-normal"  # the run under which the printed curve is judged
LEADS = {
    rules.REPRODUCED: "Our explanation of the published curve holds.",
    rules.PARTLY: "Our explanation of the published curve holds in part.",
    rules.NOT_REPRODUCED: "Our explanation of the published curve does not hold.",
    rules.INCONCLUSIVE: "Whether our explanation of the published curve holds is left open.",
    rules.NOT_TESTABLE: "Our explanation of the published curve cannot be tested on these data.",
    rules.NOT_RUN: "Our explanation of the published curve has not been run at the size it needs.",
}


def headline(judged: Sequence[Judged], metrics: Metrics) -> Headline | None:
    """`judged` are the study's claims; None where the one that is asked is not among them."""
    printed = reported.curves(item.claim for item in judged if item.counted)
    return answer(
        judged,
        claim=CLAIM,
        leads=LEADS,
        facts=lambda _: (_curves(metrics, printed), _units(metrics), _plateau(metrics, printed)),
    )


def _gap(curve: Curve, printed: dict[float, float]) -> float:
    """Largest distance between a measured curve and the printed one, at the epsilons both have."""
    return max(
        abs(point.value - printed[eps]) for eps, point in zip(curve.eps, curve.points, strict=True) if eps in printed
    )


def _curves(metrics: Metrics, printed: Reported) -> str:
    normal, uniform = (attack_curve(metrics, run, REPORT_LOSS) for run in ("report-normal", "report-uniform"))
    curve = dict(printed.get(PUBLISHED, {}))
    if normal is None or uniform is None or not set(curve) & set(normal.eps) & set(uniform.eps):
        return ""
    return (
        f"Weights that start from N(0,1) give an accuracy under attack within {percent(_gap(normal, curve), digits=1)} "
        f"points of the published curve; the published code's start from U[0,1) is up to "
        f"{percent(_gap(uniform, curve), digits=1)} points away from it."
    )


def _units(metrics: Metrics) -> str:
    normal, uniform = (per_seed(metrics.pretrain(name), "converged_share") for name in ("normal", "uniform"))
    if normal is None or uniform is None:
        return ""
    return (
        f"Of the units that start from N(0,1), {share(normal.value)} reach the unit sphere; of those that "
        f"start from U[0,1), {share(uniform.value)}."
    )


def _plateau(metrics: Metrics, printed: Reported) -> str:
    run = "report-normal"
    eps = max(printed.get(PUBLISHED, {0.0: 0.0}))
    end, worst, conv = (
        curve.at(eps) if (curve := attack_curve(metrics, name, attack)) else None
        for name, attack in ((run, REPORT_LOSS), (run, WORST_CASE), ("simple-conv", WORST_CASE))
    )
    floor = zero_gradient_floor(metrics, run, REPORT_LOSS)
    if end is None or worst is None or conv is None or floor is None:
        return ""
    return (
        f"At {epsilon(eps)} the report's attack leaves {share(end.value)}; {share(floor.value)} of the "
        "images are right with a gradient of exactly zero, which such an attack cannot move. With the worst loss for "
        f"each image {share(worst.value)} are left, against {share(conv.value)} for the convolutional network."
    )
