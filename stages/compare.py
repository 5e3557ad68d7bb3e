"""Pack which images the runs of a study get right, and sum the study up: `python -m stages.compare hebbian`."""

from __future__ import annotations

import argparse
from pathlib import Path

from biorobust import params
from biorobust.core import outcomes
from biorobust.core.attack_plan import Adaptive, adaptive_name
from biorobust.core.files import write_json
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.summary import summary
from stages.common import run_info, stage_main

RECORDS = Path("data/attacks")
METRICS = Path("reports/metrics")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=sorted(params.STUDIES))
    study = parser.parse_args(argv).study
    settings = params.load()
    module = params.STUDIES[study]
    with run_info(f"compare@{study}"):
        from biorobust.statistics.outcomes import PREDICTIONS, is_attacked, of_runs

        records = RECORDS / study
        groups = [[run for group in getattr(module, "COMPARED", module.NETWORKS) for run in settings.runs[group]]]
        if hasattr(module, "compared"):
            groups = [[run for run in group if is_attacked(records, run)] for group in module.compared(settings.runs)]
        if f"{study}_adaptive" in settings.blocks:
            adapted = map(adaptive_name, settings.block(f"{study}_adaptive", Adaptive).networks)
            groups.append([run for run in adapted if is_attacked(records, run)])
        predicted = [run for group in getattr(module, "EVALUATED", ()) for run in settings.runs[group]]
        predicted = [run for run in predicted if is_attacked(records / PREDICTIONS, run)]
        packed = of_runs(records, groups=groups, predicted=predicted)
        outcomes.write(METRICS / f"outcomes/{study}.npz", packed)
        write_json(METRICS / f"summary/{study}.json", summary(study, Measurements(METRICS)))


if __name__ == "__main__":
    stage_main(main)
