"""Train a conventional control network on MNIST: `python -m stages.train_controls simple-conv`."""

from __future__ import annotations

from biorobust import params
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    name = one_argument(argv, __doc__, "run", "an entry of hebbian_controls in params.yaml")
    settings = params.load()
    with run_info(f"train_controls@{name}"):
        from biorobust.hebbian.model import experiments

        experiments.train_control(name, settings)


if __name__ == "__main__":
    stage_main(main)
