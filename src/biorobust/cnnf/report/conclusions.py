"""What follows for the CNN-F study, a paragraph each: chosen by verdicts, filled from metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from biorobust.cnnf.report.study import CNN, CNN_NOISY, FEEDBACK, LONGER, Cnnf
from biorobust.reporting.claims import Judged, Part
from biorobust.reporting.estimates import test_accuracy
from biorobust.reporting.headline import JUDGED
from biorobust.reporting.measure import NotMeasured, compared
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.numbers import interval, listed, points, share
from biorobust.statistics import THRESHOLDS, Difference, rules

ANOMALY = 0  # the part of F18 that asks whether noisy images are easier than clean ones
# What a verdict says of a sentence: "... {holds}".
HOLDS = {
    rules.REPRODUCED: "holds",
    rules.PARTLY: "holds in part",
    rules.NOT_REPRODUCED: "does not hold",
    rules.INCONCLUSIVE: "is left open",
}


def conclusions(judged: Sequence[Judged], metrics: Metrics, study: Cnnf) -> tuple[str, ...]:
    """Empty where the claims behind a paragraph could not be judged."""
    counted = {item.claim.id: item for item in judged if item.counted and item.verdict in JUDGED}
    paragraphs = (
        _grid(counted),
        _anomaly([item for item in judged if item.claim.id == "F18"]),
        _confound(metrics, study, counted),
        _cycles(counted),
        _longer(metrics, counted),
        _attacks(counted),
    )
    return tuple(paragraph for paragraph in paragraphs if paragraph)


def _verdict(item: Judged | Part) -> str:
    return HOLDS[item.verdict]


def _grid(counted: Mapping[str, Judged]) -> str:
    cells = {name: counted[name] for name in (f"F{number}" for number in range(1, 10)) if name in counted}
    parts = [item.parts[0] for item in cells.values() if item.parts[0].difference is not None]
    if not parts:
        return ""
    near = sum(abs(part.difference or 0.0) <= THRESHOLDS.tolerance for part in parts)
    gaps = [part.difference or 0.0 for part in parts]
    seeds = sorted({part.n_seeds or 0 for part in parts})
    ours, theirs = [part.measured or 0.0 for part in parts], [part.reported or 0.0 for part in parts]
    return (
        f"The grid. Read as scored on noisy images, {near} of {len(parts)} cells lie within one point of the printed "
        f"value; ours differ from it by {points(min(gaps), digits=1)} to {points(max(gaps), digits=1)} points, "
        f"{points(fmean(gaps), digits=1)} on average. Our cells span {_span(ours)} points, the printed ones "
        f"{_span(theirs)}, with {listed(map(str, seeds), last='or')} seed{'' if seeds == [1] else 's'} a cell"
        f"{', which is too few to read a trend from it or from the report' if max(seeds) < 3 else ''}."
    )


def _span(values: Sequence[float]) -> str:
    return f"{100 * (max(values) - min(values)):.1f}"


def _anomaly(readings: Sequence[Judged]) -> str:
    """Under which reading noisy images come out easier than clean ones."""
    said = []
    for item in readings:
        part = item.parts[ANOMALY]
        if part.verdict in JUDGED and part.difference is not None and item.reading:
            reach = f" {interval(part.low, part.high, digits=1)}" if part.low is not None else ""
            said.append(
                f"{item.reading.words}: {points(part.difference, digits=1)} points{reach}, which {_words(part)}"
            )
    if not said:
        return ""
    return f"Noisy above clean. The accuracy on noisy images minus that on clean ones, if {'; if '.join(said)}."


def _words(part: Part) -> str:
    return {
        rules.REPRODUCED: "gives the report's order",
        rules.NOT_REPRODUCED: "does not give the report's order",
    }.get(part.verdict, "decides nothing")


def _confound(metrics: Metrics, study: Cnnf, counted: Mapping[str, Judged]) -> str:
    pairs = ((FEEDBACK, CNN), (CNN_NOISY, CNN), (FEEDBACK, CNN_NOISY))
    if "F12" not in counted:
        return ""
    try:
        whole, images, feedback = (compared(metrics, study.name, a, b, images="noisy") for a, b in pairs)
    except NotMeasured:
        return ""
    return (
        f"The confound. That CNN-F wins on noisy images and the CNN on clean ones {_verdict(counted['F12'])}. On noisy "
        f"images CNN-F differs from the report's CNN by {_points(whole)}; noisy training images alone, without "
        f"feedback, move a CNN by {_points(images)}; what is left for feedback, on the same noisy batches, is "
        f"{_points(feedback)}. "
        f"{_left(feedback)}"
    )


def _points(found: Difference) -> str:
    return f"{points(found.value, digits=1)} points {interval(found.low, found.high, digits=1)}"


def _left(found: Difference) -> str:
    if found.low > 0:
        return "So feedback adds something on noisy images that the training images do not explain."
    if found.high < 0:
        return "So on noisy images feedback costs accuracy once the training images are the same."
    return "So no advantage of feedback on noisy images is left once the training images are the same."


def _cycles(counted: Mapping[str, Judged]) -> str:
    said = [
        f"that {words} {_verdict(counted[name])}"
        for name, words in (
            ("F19", "predictions become self-consistent over the cycles"),
            ("F20", "cycles sharpen a noisy image"),
        )
        if name in counted
    ]
    return f"The cycles. By proxies fixed beforehand, {listed(said)}." if said else ""


def _longer(metrics: Metrics, counted: Mapping[str, Judged]) -> str:
    brief, longer, cnn = (test_accuracy(metrics, run, "clean") for run in (FEEDBACK, LONGER, CNN))
    if "F21" not in counted or brief is None or longer is None or cnn is None:
        return ""
    return (
        f"Short training. On clean images CNN-F is right for {share(brief.value)} after the report's epochs and for "
        f"{share(longer.value)} after the longer training, the CNN for {share(cnn.value)}: that its deficit comes from "
        f"short training {_verdict(counted['F21'])}."
    )


def _attacks(counted: Mapping[str, Judged]) -> str:
    if "F16" not in counted:
        return ""
    against = {"the report's CNN": [], "the CNN on the same noisy batches": []}  # type: dict[str, list[Part]]
    for part in counted["F16"].parts:
        against["the CNN on the same noisy batches" if "same noisy" in part.label else "the report's CNN"].append(part)
    said = []
    for name, parts in against.items():
        better = sum(part.verdict == rules.REPRODUCED for part in parts)
        worse = sum(part.verdict == rules.NOT_REPRODUCED for part in parts)
        said.append(f"against {name} better at {better} of {len(parts)} strengths and worse at {worse}")
    return f"Attacks. In the worst case over all attacks CNN-F is, on the same images, {listed(said)}."
