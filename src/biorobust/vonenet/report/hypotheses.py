"""The zero-deviation hypotheses Z1 to Z15 of the VOneNet study, judged by what was recorded of them, with one rule.

A hypothesis names the layers that it would put at zero in our network. Its agreement is the share, among the layers
that it or the report puts at zero, of those that both do. Z2, Z10 and Z12 name the lowest layer of each stage where
they give no exact zero. Z3 and Z15 explain dips: their agreement is the share of the dips at the report's layers that
is gone without the supposed cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from biorobust.reporting.measurements import Measurements

EXCLUDED, SUPPORTED = "excluded", "supported"
OPEN, UNTESTABLE = "left open", "cannot be tested here"
FOUR = (4, 12, 25, 44)  # where the report found zeros
ENOUGH = 0.75  # an agreement from here on supports; one of 1 - ENOUGH or less excludes
Numbers = Mapping[str, Mapping[str, Any]]  # id -> what was measured for the hypothesis


class Tested(NamedTuple):
    """One hypothesis for one network. `agreement` with the report's layers from 0 to 1, None: cannot be tested."""

    id: str
    hypothesis: str
    test: str
    finding: str
    agreement: float | None

    @property
    def verdict(self) -> str:
        return verdict(self.agreement)


def verdict(agreement: float | None) -> str:
    if agreement is None:
        return UNTESTABLE
    return SUPPORTED if agreement >= ENOUGH else EXCLUDED if agreement <= 1 - ENOUGH else OPEN


def agreement(named: Iterable[int], reported: Iterable[int] = FOUR) -> float:
    """Of the layers that a hypothesis names or the report has at zero, the share that both do."""
    return len(set(named) & set(reported)) / len(set(named) | set(reported))


def _gone(id: str, found: Numbers) -> float | None:
    """The share of dips that is gone without the cause, where enough of the report's layers are minima."""
    if len(found["Z1"]["minima"]) < ENOUGH * len(FOUR):
        return None
    if id == "Z3":
        return None if (left := found[id]["depth_left"]) is None else 1 - min(1.0, left)
    minima = set(found[id]["minima"])
    return len(minima - set(found[id]["minima_untrained"])) / max(1, len(minima))


def _named(id: str, key: str, found: Numbers) -> float:
    return agreement(found[id][key])


# Of most the agreement is that of a list of layers.
NAMED = {"Z1": "at_zero", "Z8": "layers", "Z9": "layers", "Z11": "layers"}
NAMED |= dict.fromkeys(("Z4", "Z6", "Z7", "Z14"), "zeros")
AGREEMENTS: Mapping[str, Callable[[Numbers], float | None]] = {
    **{id: partial(_named, id, key) for id, key in NAMED.items()},
    "Z2": lambda found: max(map(agreement, found["Z2"]["lowest"].values())),
    "Z5": lambda found: None,  # it gives the report's layers by construction, in any network
    "Z10": lambda found: agreement(found["Z10"]["zeros"] or found["Z10"]["lowest"]),
    "Z12": lambda found: max(
        agreement(found["Z2"]["lowest"]["convolutions"], reported) for reported in found["Z12"]["numberings"].values()
    ),
    "Z13": lambda found: max(agreement(found["Z13"][key]) for key in ("two_decimals", "half")),
    **{id: partial(_gone, id) for id in ("Z3", "Z15")},
}


def tested(m: Measurements, run: str) -> list[Tested]:
    content = m.ran(f"riddle/{run}")
    return judge(content["outcomes"]) if content else []


def judge(outcomes: Sequence[Mapping[str, Any]]) -> list[Tested]:
    found = {outcome["id"]: outcome["numbers"] for outcome in outcomes}
    return [
        Tested(one["id"], one["hypothesis"], one["test"], one["finding"], AGREEMENTS[one["id"]](found))
        for one in outcomes
    ]


def by_verdict(found: Sequence[Tested]) -> dict[str, list[Tested]]:
    """Verdict -> the hypotheses it was drawn for, in the order in which they come up."""
    verdicts = dict.fromkeys(item.verdict for item in found)
    return {verdict: [item for item in found if item.verdict == verdict] for verdict in verdicts}
