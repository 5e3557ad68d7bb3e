"""Train the power classifier on frozen Hebbian units: `python -m stages.train_supervised report-uniform`."""

from __future__ import annotations

from biorobust import params
from biorobust.hebbian.model.params import Readout, ReadoutRun, ReadoutSize
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    name = one_argument(argv, __doc__, "run", "an entry of hebbian_runs in params.yaml")
    settings = params.load()
    run = settings.run("hebbian_runs", name, ReadoutRun)
    readout = settings.block(run.readout, Readout)
    size = settings.size(run.readout, ReadoutSize)
    with run_info(f"train_supervised@{name}"):
        from biorobust.hebbian.model import experiments

        experiments.train_readout(name, run=run, readout=readout, size=size, scale=settings.scale)


if __name__ == "__main__":
    stage_main(main)
