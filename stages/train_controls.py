"""Train a conventional control network on MNIST: `python -m stages.train_controls simple-conv`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from biorobust import params
from biorobust.core import work
from biorobust.core.devices import pick
from biorobust.core.files import write_npz
from biorobust.hebbian.model.params import Control, ControlRun, ConvSize, MlpSize
from stages.common import run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="an entry of hebbian_controls in params.yaml")
    name = parser.parse_args(argv).run
    settings = params.load()
    run = settings.run("hebbian_controls", name, ControlRun)
    control = settings.block(run.method, Control)
    kind: type[ConvSize] | type[MlpSize] = ConvSize if run.method == "simple_conv" else MlpSize
    size: ConvSize | MlpSize = settings.size(run.method, kind)
    with run_info(f"train_controls@{name}"):
        train(name, settings=settings, run=run, control=control, size=size)


def train(name: str, *, settings: params.Params, run: ControlRun, control: Control, size: ConvSize | MlpSize) -> None:
    """Train one network per seed; write checkpoints, metrics, curves and pictures of the first layer."""
    import torch
    from torch.nn import functional

    from biorobust import datasets
    from biorobust.core import results, runs, training
    from biorobust.core.tensors import as_tensors
    from biorobust.hebbian.model import controls, diagnostics

    device = pick()
    data = as_tensors(datasets.load("data/datasets/mnist.npz"), n_train=size.n_train, device=device)
    shape = data.image_size
    config: dict[str, Any] = {"n_classes": data.n_classes}
    if isinstance(size, MlpSize):
        config |= {"n_inputs": shape[0] * shape[1], "n_hidden": size.n_hidden}
    architecture = run.method.replace("_", "-")
    batch_size, epochs = data.batch_size(control.batch_size), data.epochs(size.epochs, n_train=size.n_train)
    recipe = training.Recipe(epochs=epochs, batch_size=batch_size, learning_rate=control.learning_rate)
    shown = {
        "learning_rate": control.learning_rate,
        "batch_size": batch_size,
        "epochs": epochs,
        "n_train": len(data.train_images),
        **config,
    }
    sha256 = results.dataset_entry("mnist")["sha256"]
    models, entries, curves, states = {}, [], [], []
    for seed in range(settings.seed, settings.seed + size.seeds):
        torch.manual_seed(seed)
        model = runs.new(architecture, config).to(device)
        key = shown | {"architecture": architecture, "seed": seed, "data": sha256, "device": device}
        states.append(work.state_path(f"{name}-seed{seed}", key, code=(sys.modules[__name__], controls)))

        def measure(network: torch.nn.Module) -> dict[str, float]:
            right = training.predict(network, data.test_images) == data.test_labels
            return {"test_accuracy": right.double().mean().item()}

        fitted = training.fit(
            model,
            data.train_images,
            data.train_labels,
            recipe=recipe,
            objective=training.objective(lambda logits, y: functional.cross_entropy(logits, y, reduction="sum")),
            seed=seed,
            measure=measure,
            state=states[-1],
            label=f"{name}, seed {seed}",
        )
        predictions = training.predict(model, data.test_images)
        entry = results.seed_entry(seed, predictions, data.test_labels, diverged=fitted.diverged)
        first = first_layer(model, shape)
        entries.append(entry | (diagnostics.smoothness(first) if first.shape[-2:] == shape else {}))
        curves += [{"seed": seed, **row} for row in fitted.history]
        models[seed] = model
        if seed == settings.seed:
            pictures = first[: diagnostics.N_PICTURES].cpu().numpy().astype("float16")
            write_npz(results.METRICS / f"pictures/weights-{name}.npz", {"units": pictures})
    runs.save(name, models, architecture=architecture, configs=dict.fromkeys(models, config))
    results.write_curves(name, curves)
    results.write_run(
        "train",
        name,
        study="hebbian",
        scale=settings.scale,
        dataset="mnist",
        settings=shown,
        accuracy=results.over_seeds(entries),
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        **results.per_seed(entries),
    )
    work.finish(states)


def first_layer(model: Any, shape: tuple[int, int]) -> Any:
    """The first layer's weights as pictures: (H, h, w) of a dense layer, (C, 5, 5) of the convolution."""
    weights = next(iter(model.state_dict().values()))
    return weights.reshape(-1, *shape) if weights.ndim == 2 else weights[:, 0]


if __name__ == "__main__":
    stage_main(main)
