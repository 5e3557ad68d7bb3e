"""Train a conventional control network on MNIST: `python -m stages.train_controls simple-conv`."""

from __future__ import annotations

from biorobust import params
from biorobust.hebbian.model.params import Control, ControlRun, ConvSize, MlpSize
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    name = one_argument(argv, __doc__, "run", "an entry of hebbian_controls in params.yaml")
    settings = params.load()
    run = settings.run("hebbian_controls", name, ControlRun)
    control = settings.block(run.method, Control)
    kind: type[ConvSize] | type[MlpSize] = ConvSize if run.method == "simple_conv" else MlpSize
    size: ConvSize | MlpSize = settings.size(run.method, kind)
    seeds = settings.seeds(size.seeds)
    with run_info(f"train_controls@{name}"):
        from biorobust.hebbian.model import experiments

        experiments.train_control(name, run=run, control=control, size=size, scale=settings.scale, seeds=seeds)


if __name__ == "__main__":
    stage_main(main)
