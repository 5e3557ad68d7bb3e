"""Time the selection of the k largest values against their number: `python -m stages.time_kwta`.

The only stage whose result is a time and so does not repeat. Two controls are timed in the same rows: one pass over the
values, which takes N, and a sort, which takes N log N.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from biorobust import params
from biorobust.core.files import write_json
from biorobust.core.left_out import not_at_this_scale
from biorobust.kwta.model.params import TimingSize
from stages.common import no_argument, run_info, stage_main

METRICS = Path("reports/metrics/timing/kwta.json")
ROUNDS = 41


def main(argv: list[str] | None = None) -> None:
    no_argument(argv, __doc__)
    settings = params.load()
    timed = settings.size("kwta_timing", TimingSize).timed
    head = {"run": "selection", "study": "kwta", "scale": settings.scale, "status": "ok" if timed else "unavailable"}
    found: dict[str, Any] = {"reason": not_at_this_scale(settings.scale, "kwta_timing"), "settings": {}}
    with run_info("time_kwta"):
        if timed:
            from benchmarks import growth
            from benchmarks.timing import fresh

            growths, by_length = fresh(growth.measured, rounds=ROUNDS)
            found = {
                "settings": {"gamma": growth.GAMMA, "n": growth.LONG, "against": growth.SHORT, "rounds": ROUNDS},
                "predicted": growth.PREDICTED,
                "halfway": growth.HALFWAY,
                "by_length": by_length,
                "per_seed": [{"seed": 0} | growths],
            }
        write_json(METRICS, head | found)


if __name__ == "__main__":
    stage_main(main)
