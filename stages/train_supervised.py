"""Train the power classifier on frozen Hebbian units: `python -m stages.train_supervised report-uniform`."""

from __future__ import annotations

from biorobust import params
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    name = one_argument(argv, __doc__, "run", "an entry of hebbian_runs in params.yaml")
    settings = params.load()
    with run_info(f"train_supervised@{name}"):
        from biorobust.hebbian.model import experiments

        experiments.train_readout(name, settings)


if __name__ == "__main__":
    stage_main(main)
