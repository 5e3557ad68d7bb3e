"""Time the selection of the k largest values against their number: `python -m stages.time_kwta`.

The only stage whose result is a time and so does not repeat. Two controls are timed in the same rows: one pass over the
values, which takes N, and a sort, which takes N log N.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from biorobust import params
from biorobust.core.files import write_json
from biorobust.core.left_out import not_at_this_scale
from biorobust.kwta.model.params import TimingSize
from stages.common import run_info, stage_main

METRICS = Path("reports/metrics/timing/kwta.json")
ROUNDS = 41
RUN = "selection"


def main(argv: list[str] | None = None) -> None:
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    settings = params.load()
    scale = settings.scale
    with run_info("time_kwta"):
        if not settings.size("kwta_timing", TimingSize).timed:
            head = {"run": RUN, "study": "kwta", "scale": scale, "status": "unavailable"}
            write_json(METRICS, head | {"reason": not_at_this_scale(scale, "kwta_timing"), "settings": {}})
            return
        from benchmarks.growth import GAMMA, HALFWAY, LONG, PREDICTED, SHORT
        from benchmarks.timing import fresh

        growths, by_length = fresh(_measured, rounds=ROUNDS)
        timed = {"gamma": GAMMA, "n": LONG, "against": SHORT, "rounds": ROUNDS}
        head = {"run": RUN, "study": "kwta", "scale": scale, "status": "ok"}
        found = {"settings": timed, "predicted": PREDICTED, "halfway": HALFWAY, "by_length": by_length}
        write_json(METRICS, head | found | {"per_seed": [{"seed": 0} | growths]})


def _measured(*, rounds: int) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Growth of the marginal time a value of the selection and both controls, and nanoseconds a value by length."""
    from statistics import median

    import torch

    from benchmarks import growth

    torch.set_num_threads(1)
    seconds = growth.seconds_by_round(rounds)
    growths: dict[str, float] = {}
    for name, taken in seconds.items():
        key = "growth" if name == "selection" else f"growth_{name}"
        ends = growth.median([growth.growth(each) for each in taken])
        growths |= dict(zip((key, f"{key}_low", f"{key}_high"), ends, strict=True))
    nanoseconds = 1e9 / growth.TOTAL
    return growths, [
        {"n": n} | {name: nanoseconds * median(each[n] for each in taken) for name, taken in seconds.items()}
        for n in growth.LENGTHS
    ]


if __name__ == "__main__":
    stage_main(main)
