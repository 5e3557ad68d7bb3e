"""What the CNN-F study answers and concludes: the numbers and predicates behind the sentences of its words file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from biorobust.cnnf.report.study import Cnnf
from biorobust.reporting.claims import Judged, Part
from biorobust.reporting.headline import JUDGED, Headline, headline_of
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.words import paragraphs
from biorobust.statistics import THRESHOLDS

CLAIM = "F16"  # is a network with feedback more robust to attacks that know the feedback?
GRID = tuple(f"F{number}" for number in range(1, 10))
SAID = ("F12", CLAIM, "F19", "F20", "F21")  # whose verdicts stand in a sentence
ORDER_OF_IMAGES, ANOMALY = "F18", 0  # the part that asks whether noisy images are easier than clean ones


def headline(judged: Sequence[Judged], m: Measurements, study: Cnnf) -> Headline | None:
    parts = [part for item in judged if item.claim.id == CLAIM for part in item.parts if part.eps is not None]
    asked = sorted({part.eps for part in parts if part.eps is not None})
    eps = asked[len(asked) // 2] if asked else None  # where neither all images nor none are left
    return headline_of(CLAIM, judged, m, study=study.name, eps=eps, adapted=study.adaptive.get("eps"))


def conclusions(judged: Sequence[Judged], m: Measurements, study: Cnnf) -> tuple[str, ...]:
    """What follows, a paragraph each; empty where the claims behind a paragraph could not be judged."""
    counted = {item.claim.id: item for item in judged if item.counted and item.verdict in JUDGED}
    claims = {name: counted.get(name) for name in SAID}
    cells = [counted[name].parts[0] for name in GRID if name in counted]
    readings = [(item.reading, item.parts[ANOMALY]) for item in judged if item.claim.id == ORDER_OF_IMAGES]
    known = [
        (reading.words, part)
        for reading, part in readings
        if reading and part.verdict in JUDGED and part.difference is not None
    ]
    against = _against(claims[CLAIM].parts) if claims[CLAIM] else []  # type: ignore[union-attr]
    given = {"claims": claims, "grid": _grid(cells), "anomaly": known, "against": against}
    return paragraphs(study.name, "conclusions", m, **given)


def _grid(cells: Sequence[Part]) -> Mapping[str, Any]:
    """How far our cells are from the printed ones, and how far either spread; empty without any."""
    known = [part for part in cells if part.difference is not None]
    if not known:
        return {}
    gaps = [part.difference or 0.0 for part in known]
    ours, printed = [part.measured or 0.0 for part in known], [part.reported or 0.0 for part in known]
    return {
        "near": sum(abs(gap) <= THRESHOLDS.tolerance for gap in gaps),
        "gaps": gaps,
        "mean": fmean(gaps),
        "ours": max(ours) - min(ours),
        "printed": max(printed) - min(printed),
        "seeds": sorted({part.n_seeds or 0 for part in known}),
    }


def _against(parts: Sequence[Part]) -> list[tuple[str, int, int, int]]:
    """Opponent in words, at how many strengths CNN-F keeps clearly more and clearly less, of how many."""
    control, cnn = "the CNN on the same noisy batches", "the report's CNN"
    found: dict[str, list[tuple[float, float]]] = {cnn: [], control: []}
    for part in parts:
        if part.low is not None and part.high is not None:
            found[control if "same noisy" in part.label else cnn].append((part.low, part.high))
    return [
        (name, sum(low > 0 for low, _ in ends), sum(high < 0 for _, high in ends), len(ends))
        for name, ends in found.items()
    ]
