"""Time the selection of the k largest values against their number: `python -m stages.time_kwta`.

The only stage whose result is a time and so does not repeat: ratios of processor times, each pair taken side by side.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from biorobust import params
from biorobust.core.files import write_json
from stages.common import run_info, stage_main

METRICS = Path("reports/metrics/timing/kwta.json")
REPEATS = 41
RUN = "selection"


def main(argv: list[str] | None = None) -> None:
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    scale = params.load().scale
    with run_info("time_kwta"):
        from benchmarks.kwta import GAMMA, ROWS, SIZES
        from benchmarks.timing import fresh

        first, *longer = SIZES
        rows = [fresh(_row, n, repeats=REPEATS) for n in longer]
        write_json(
            METRICS,
            {
                "run": RUN,
                "study": "kwta",
                "scale": scale,
                "status": "ok",
                "settings": {"gamma": GAMMA, "rows": ROWS, "repeats": REPEATS, "n": longer[-1], "against": first},
                "by_length": rows,
                "per_seed": [{"seed": 0} | {key: rows[-1][key] for key in ("growth", "growth_low", "growth_high")}],
            },
        )


def _row(n: int, *, repeats: int) -> dict[str, float]:
    """The time a value takes in rows of n, in times of that in the shortest: median of pairs, and its 95 % interval."""
    import torch
    from scipy.stats import quantile_test

    from benchmarks.kwta import growth

    torch.set_num_threads(1)
    measured = growth(n, repeats=repeats)
    # Order statistics of the pairs: no assumption on how times scatter.
    interval = quantile_test(measured.ratios, q=measured.ratio).confidence_interval(0.95)
    return {"n": n, "growth": measured.ratio, "growth_low": interval.low, "growth_high": interval.high}


if __name__ == "__main__":
    stage_main(main)
