"""Every threshold of the repository: the rules read them here, the report prints them, recorded runs hold their hash.

A change of a threshold is a change of the protocol: `fingerprint` stands in the manifest of every recorded run, and
docs/protocol.md lists each amendment with its date and the verdicts it changed. Ranges and numbers of images that
belong to one claim stand with it in reports/claims/, the level above which a study's networks count as trained in its
`model/params.py`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Thresholds:
    """Proportions: a point is 0.01.

    tolerance, reported_widths: a printed number is met within the larger of `tolerance` and
    `reported_widths` Wilson half-widths of the printed value. partly: and partly within so many times that.
    smallest_effect, gap_share: a difference of accuracies smaller than the smaller of `smallest_effect` and `gap_share`
    of the printed difference is negligible. same: accuracies are alike within this. high_accuracy, error_ratio: where a
    report prints accuracies above `high_accuracy`, networks are alike if neither makes more than `error_ratio` times
    the errors of the other. below_reported: more than the printed accuracy less this is never asked
    of a network.
    """

    tolerance: float = 0.01
    reported_widths: float = 2.0
    partly: float = 3.0
    smallest_effect: float = 0.01
    gap_share: float = 0.5
    same: float = 0.03
    high_accuracy: float = 0.95
    error_ratio: float = 1.5
    below_reported: float = 0.10

    def fingerprint(self) -> str:
        """SHA-256 of all values: two runs with equal ones were judged by equal thresholds."""
        return _fingerprint(self)


THRESHOLDS = Thresholds()


@dataclass(frozen=True)
class Masking:
    """From where on a check of `biorobust.attacks.diagnostics` says that a network hides its gradients.

    They judge no claim of the four reports, so they have a fingerprint of their own. Shares of images: blind, broken
    without gradients and by no gradient attack; unbounded, right where any grey image is within reach; slower, broken
    only by twice the steps or starts; flat, with a gradient of exactly zero; last, broken by an iterate on the way and
    not by the last; unstable, of the successes, gone in a second look; exhausted, not fooled by DeepFool's last step.
    turning: smallest cosine between gradients a hundredth of epsilon apart (median). longer: DeepFool's median distance
    over that of FMN.
    """

    blind: float = 0.01
    unbounded: float = 0.01
    slower: float = 0.01
    flat: float = 0.01
    last: float = 0.10
    unstable: float = 0.01
    exhausted: float = 0.10
    turning: float = 0.5
    longer: float = 2.0

    def fingerprint(self) -> str:
        """SHA-256 of all values."""
        return _fingerprint(self)


def _fingerprint(thresholds: Thresholds | Masking) -> str:
    return hashlib.sha256(json.dumps(asdict(thresholds), sort_keys=True).encode()).hexdigest()


MASKING = Masking()
