"""Train a ResNet with or without a V1 stage on CIFAR-10: `python -m stages.train_vonenet voneresnet50`."""

from __future__ import annotations

from biorobust import params
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    name = one_argument(argv, __doc__, "run", "an entry of vonenet_runs in params.yaml")
    settings = params.load()
    with run_info(f"train_vonenet@{name}"):
        from biorobust.vonenet.model import training

        training.train(name, settings)


if __name__ == "__main__":
    stage_main(main)
