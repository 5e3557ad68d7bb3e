"""The answer of the VOneNet study: what becomes of the report's zeros where hypotheses on them can be tested."""

from __future__ import annotations

from collections.abc import Sequence

from biorobust.reporting.attacks import WORST_CASE
from biorobust.reporting.claims import Judged
from biorobust.reporting.estimates import attack_curve, ran
from biorobust.reporting.headline import Headline, answer
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.numbers import epsilon, listed, share
from biorobust.reporting.style import look
from biorobust.statistics import rules
from biorobust.vonenet.report.study import Vonenet
from biorobust.vonenet.report.zeros import EXCLUDED, tested

CLAIM = "V3a"
PLAIN, VONE, NOISELESS = "resnet50", "voneresnet50", "voneresnet50-noiseless"
LEADS = {
    rules.REPRODUCED: "In a CIFAR-10 analogue the deviation is zero at the four layers at which the report found "
    "zeros.",
    rules.PARTLY: "In a CIFAR-10 analogue some of the report's zeros are there.",
    rules.NOT_REPRODUCED: "In a CIFAR-10 analogue the deviation is zero at none of the layers at which the report "
    "found zeros.",
    rules.INCONCLUSIVE: "Whether a CIFAR-10 analogue shows the report's zeros is left open.",
    rules.NOT_TESTABLE: "The report's zeros cannot be looked for on these data.",
    rules.NOT_RUN: "The report's zeros have not been looked for in networks of the size this needs.",
}
LIMITS = (
    "Limits: the networks are narrower than the report's, trained on other and smaller images, and the report's "
    "program is not public. A hypothesis that is excluded here could still hold there, and one that is supported need "
    "not."
)


def headline(judged: Sequence[Judged], metrics: Metrics, study: Vonenet) -> Headline | None:
    """`judged` are the study's claims; None where the one that is asked is not among them."""
    return answer(
        judged,
        claim=CLAIM,
        leads=LEADS,
        facts=lambda _: (_smallest(metrics), _unmoved(metrics), _hypotheses(metrics), _noise(metrics)),
    )


def _first(metrics: Metrics, name: str) -> dict | None:
    found = ran(metrics.get(name))
    return dict(found["per_seed"][0]) if found else None


def _smallest(metrics: Metrics) -> str:
    found = _first(metrics, f"activations/{PLAIN}")
    if found is None:
        return ""
    return (
        f"The smallest 1 − r of any layer and image of the plain network is {found['smallest']:.1e}; the lowest "
        f"layers of its four stages are {listed(map(str, found['lowest']))}."
    )


def _unmoved(metrics: Metrics) -> str:
    """Images that DeepFool left as they were: at zero in every layer, because nothing was changed."""
    attacked, read = _first(metrics, f"perturb/{VONE}"), _first(metrics, f"activations/{VONE}")
    n = attacked["own"]["unmoved"] if attacked else 0
    if not n or read is None:
        return ""
    said = (
        f"DeepFool left {n} of {read['entered']} images of {look(VONE).label} as they were, because in the noise of "
        "the attack it was wrong about them already"
    )
    if "compared" in read:
        return f"{said}: they take no part."
    moved = (read["zero_share"] * read["entered"] - n) / (read["entered"] - n)
    return (
        f"{said}: they are at zero in every layer, and make up {share(read['zero_share'])} of the values there. Of the "
        f"images that were moved {share(abs(round(moved, 6)))} of the values at the report's layers are zero."
    )


def conclusions(judged: Sequence[Judged], metrics: Metrics, study: Vonenet) -> tuple[str, ...]:
    """What the tests leave of the hypotheses, what noise does to the comparison, and the limits."""
    said = [*(_left(metrics, run) for run in (PLAIN, VONE) if run in study.runs)]
    said += [_floor(metrics), _silenced(metrics), _what_helps(metrics)]
    found = tuple(sentence for sentence in said if sentence)
    return (*found, LIMITS) if found else ()


def _left(metrics: Metrics, run: str) -> str:
    """Each verdict with the hypotheses it was drawn for."""
    by_verdict: dict[str, list[str]] = {}
    for item in (found := tested(metrics, run)):
        by_verdict.setdefault(item.verdict, []).append(f"{item.hypothesis} ({item.id})")
    if not found:
        return ""
    excluded = len(by_verdict.pop(EXCLUDED, []))
    said = " ".join(f"{verdict.capitalize()}: {'; '.join(names)}." for verdict, names in by_verdict.items())
    return f"{look(run).label}: {excluded} of {len(found)} hypotheses are {EXCLUDED}. {said}".rstrip()


def _floor(metrics: Metrics) -> str:
    """Deviation under live noise beside that of the clean image from itself, and with the noise frozen."""
    found = _first(metrics, f"deviations/{VONE}")
    ratios = {noise: found.get(f"log_ratio_own_{noise}") for noise in ("live", "frozen")} if found else {}
    if any(value is None for value in ratios.values()) or not ratios:
        return ""
    live, frozen = (10 ** ratios[noise] for noise in ("live", "frozen"))  # type: ignore[operator]
    follows = ": which network deviates less is a question of the noise" if (live > 1) != (frozen > 1) else ""
    return (
        f"With the published noise {look(VONE).label} deviates {live:.3g} times as much as {look(PLAIN).label}, with "
        f"the same noise for both images {frozen:.3g} times{follows}."
    )


def _silenced(metrics: Metrics) -> str:
    """A network that was trained with noise and is asked without it."""
    found = _first(metrics, f"train/{VONE}")
    under = found["under_noise"] if found else None
    if not under:
        return ""
    with_noise, without = (under[mode]["accuracy"] for mode in ("neuronal", "none"))
    follows = (
        ": what is measured in it without noise is measured where it does not work" if without < with_noise / 2 else ""
    )
    return (
        f"{look(VONE).label}, trained with noise, is right on {share(with_noise)} of the test images with noise and on "
        f"{share(without)} without{follows}."
    )


def _what_helps(metrics: Metrics) -> str:
    """The worst case at the largest size, of the plain network, of the filters alone, and of filters and noise."""
    curves = [attack_curve(metrics, run, WORST_CASE) for run in (PLAIN, NOISELESS, VONE)]
    sizes = [set(curve.eps) for curve in curves if curve is not None]
    if len(sizes) < len(curves) or not set.intersection(*sizes):
        return ""
    size = max(set.intersection(*sizes))
    plain, filters, noisy = (curve.at(size) for curve in curves if curve is not None)
    if plain is None or filters is None or noisy is None:
        return ""
    return (
        f"Under attacks that do not average over the noise, at {epsilon(size)}, the plain network keeps "
        f"{share(plain.value)} of the images, the same network behind the V1 stage's filters {share(filters.value)}, "
        f"and with its noise too {share(noisy.value)}. An attack that averages has not been run here, so the last is "
        "an upper bound."
    )


def _hypotheses(metrics: Metrics) -> str:
    by_verdict: dict[str, list[str]] = {}
    for item in (found := tested(metrics, PLAIN)):
        by_verdict.setdefault(item.verdict, []).append(item.id)
    said = "; ".join(f"{verdict}: {listed(ids)}" for verdict, ids in by_verdict.items())
    return f"Of {len(found)} hypotheses on the zeros, in the plain network: {said}." if found else ""


def _noise(metrics: Metrics) -> str:
    found = _first(metrics, f"activations/{VONE}")
    if found is None or found.get("self_v1_live") is None:
        return ""
    return (
        f"Noise alone, clean against clean, gives {found['self_v1_live']:.2f} at the V1 stage, so an exact zero under "
        "live noise would mean that a tensor was compared with itself. All this is about our networks and decides "
        "nothing about ImageNet."
    )
