"""The zero-deviation hypotheses Z1 to Z15 of the VOneNet study: what the recorded numbers say of each.

One rule for all. A hypothesis names the layers it would put at zero in our network; its agreement is the share, among
the layers that it or the report puts at zero, of those that both do. Z2, Z10 and Z12 give one lowest layer per stage
where they give no exact zero, as the report has one zero per stage, and name these. Z3 and Z15 explain dips, not zeros:
their agreement is the share of the dips at the report's layers that is gone without the supposed cause.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from biorobust.core import places
from biorobust.reporting.estimates import ran
from biorobust.reporting.metrics import Metrics

EXCLUDED, SUPPORTED = "excluded", "supported"
OPEN, UNTESTABLE = "left open", "cannot be tested here"
FOUR = (4, 12, 25, 44)  # where the report found zeros
ENOUGH = 0.75  # an agreement from here on supports; one of 1 - ENOUGH or less excludes
RULE = (
    "Agreement, in brackets, is the share that both have of the layers that the hypothesis or the report puts at zero "
    "(for Z2, Z10 and Z12, where they give no exact zero, the lowest layer of each stage; for Z3 and Z15, which "
    "explain dips, the share of the dips at the report's layers that goes with the supposed cause, if at least "
    f"{ENOUGH * len(FOUR):.0f} of the {len(FOUR)} layers dip): {100 * ENOUGH:.0f} % or more supports a hypothesis, "
    f"{100 * (1 - ENOUGH):.0f} % or less excludes it."
)
OWN_CURVE = ("none", "own", "conv")  # noise, images shown, kind of layer
Numbers = Mapping[str, Mapping[str, Any]]  # id -> what was measured for the hypothesis


@dataclass(frozen=True)
class Tested:
    """One hypothesis for one network. `agreement` with the report's picture from 0 to 1, None: cannot be tested."""

    id: str
    hypothesis: str
    test: str
    finding: str
    agreement: float | None

    @property
    def verdict(self) -> str:
        return verdict(self.agreement)


def verdict(agreement: float | None) -> str:
    """What an agreement says, the same for every hypothesis."""
    if agreement is None:
        return UNTESTABLE
    return SUPPORTED if agreement >= ENOUGH else EXCLUDED if agreement <= 1 - ENOUGH else OPEN


def agreement(named: Sequence[int], reported: Sequence[int] = FOUR) -> float:
    """Of the layers that a hypothesis names or the report has at zero, the share that both do."""
    return len(set(named) & set(reported)) / len(set(named) | set(reported))


def _best(readings: Sequence[Sequence[int]]) -> float:
    return max(agreement(named) for named in readings)


def _of_dips(found: Numbers, gone: float | None) -> float | None:
    """`gone`, where enough of the report's layers are minima for dips to be explained."""
    return gone if len(found["Z1"]["minima"]) >= ENOUGH * len(FOUR) else None


def _flattened(found: Numbers) -> float | None:
    left = found["Z3"]["depth_left"]
    return _of_dips(found, None if left is None else 1 - min(1.0, left))


def _unlearned(found: Numbers) -> float | None:
    minima = set(found["Z15"]["minima"])
    return _of_dips(found, len(minima - set(found["Z15"]["minima_untrained"])) / max(1, len(minima)))


def _renumbered(found: Numbers) -> float:
    lowest = found["Z2"]["lowest"]["convolutions"]
    return max(agreement(lowest, reported) for reported in found["Z12"]["numberings"].values())


AGREEMENTS: Mapping[str, Callable[[Numbers], float | None]] = {
    "Z1": lambda found: agreement(found["Z1"]["at_zero"]),
    "Z2": lambda found: _best(list(found["Z2"]["lowest"].values())),
    "Z3": _flattened,
    "Z4": lambda found: agreement(found["Z4"]["zeros"]),
    "Z5": lambda found: None,  # it gives the report's layers by construction, in any network
    "Z6": lambda found: agreement(found["Z6"]["zeros"]),
    "Z7": lambda found: agreement(found["Z7"]["zeros"]),
    "Z8": lambda found: agreement(found["Z8"]["layers"]),
    "Z9": lambda found: agreement(found["Z9"]["layers"]),
    "Z10": lambda found: agreement(found["Z10"]["zeros"] or found["Z10"]["lowest"]),
    "Z11": lambda found: agreement(found["Z11"]["layers"]),
    "Z12": _renumbered,
    "Z13": lambda found: _best([found["Z13"]["two_decimals"], found["Z13"]["half"]]),
    "Z14": lambda found: agreement(found["Z14"]["zeros"]),
    "Z15": _unlearned,
}


def tested(metrics: Metrics, run: str) -> list[Tested]:
    """Every hypothesis for a network, its first seed; empty where it was not run."""
    content = ran(metrics.get(f"riddle/{run}"))
    return judge(_renamed(content["outcomes"], metrics, run)) if content else []


def judge(outcomes: Sequence[Mapping[str, Any]]) -> list[Tested]:
    """From what the tests of one network measured, in the order given."""
    found = {outcome["id"]: outcome["numbers"] for outcome in outcomes}
    words = ("id", "hypothesis", "test", "finding")
    return [
        Tested(**{key: outcome[key] for key in words}, agreement=AGREEMENTS[outcome["id"]](found))
        for outcome in outcomes
    ]


def _renamed(outcomes: Sequence[Mapping[str, Any]], metrics: Metrics, run: str) -> list[Mapping[str, Any]]:
    """Outcomes as they are written today. Runs recorded earlier called the hypotheses H1 to H15, like other claims.

    The layers that these do not list follow from their median curve and from the names of their layers.
    """
    if not any(outcome["id"].startswith("H") for outcome in outcomes):
        return list(outcomes)
    with open(places.find(metrics.root, f"activations/{run}.csv"), encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if (row["noise"], row["shown"], row["kind"]) == OWN_CURVE]
    curve = {int(row["layer"]): float(row["raw"]) for row in rows if row["seed"] == rows[0]["seed"]}
    names = {int(row["layer"]): row["name"] for row in rows}
    without = [layer for layer, name in sorted(names.items()) if "downsample" not in name]
    found = {outcome["id"].replace("H", "Z"): dict(outcome["numbers"]) for outcome in outcomes}
    at_zero = [layer for layer, value in curve.items() if 0 < value < 0.01 * max(curve.values())]
    often = found["Z11"]["convolutions"]
    renumbered = {"counted from 1": [n - 1 for n in FOUR], "downsampling left out": [without[n] for n in FOUR]}
    found["Z1"]["at_zero"] = at_zero
    found["Z9"]["layers"] = list(range(found["Z9"]["layers_at_zero"]))  # all: no network is asked with noise
    found["Z11"]["layers"] = [n for n, name in names.items() if any(module.endswith(name) for module in often)]
    found["Z12"]["numberings"] = renumbered
    more = {
        "Z1": f" All layers that it shows at zero: {_numbers(at_zero)}.",
        "Z12": f" Lowest of each stage: {_numbers(found['Z2']['lowest']['convolutions'])}; the report's numbers are "
        + "; ".join(f"{_numbers(layers)} if {words}" for words, layers in renumbered.items())
        + ".",
    }
    return [
        {**outcome, "id": id, "numbers": found[id], "finding": outcome["finding"] + more.get(id, "")}
        for outcome, id in zip(outcomes, found, strict=True)
    ]


def _numbers(layers: Sequence[int]) -> str:
    return ", ".join(map(str, layers)) or "none"
