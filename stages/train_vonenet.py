"""Train a ResNet with or without a V1 stage on CIFAR-10: `python -m stages.train_vonenet voneresnet50`."""

from __future__ import annotations

from typing import Any

from biorobust import params
from biorobust.vonenet.model.params import PixelStem, Run, Training, TrainingSize, V1Stage
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    name = one_argument(argv, __doc__, "run", "an entry of vonenet_runs in params.yaml")
    settings = params.load()
    run = settings.run("vonenet_runs", name, Run)
    size = settings.size("vonenet_training", TrainingSize)
    recipe = settings.block(size.recipe, Training)
    config: dict[str, Any] = {"width": size.width, "image_size": recipe.image_size}
    if run.method == "vonenet":
        v1 = settings.block("vonenet", V1Stage).keywords(image_size=recipe.image_size)
        config |= {"network": f"voneresnet{run.depth}", **v1, "filters": run.filters, "noise": run.noise}
    else:
        config |= {"network": f"resnet{run.depth}", **settings.block("resnet", PixelStem).model_dump()}
    seeds = settings.seeds(size.seeds)
    with run_info(f"train_vonenet@{name}"):
        from biorobust.vonenet.model.training import train

        train(name, run=run, config=config, recipe=recipe, size=size, scale=settings.scale, seeds=seeds)


if __name__ == "__main__":
    stage_main(main)
