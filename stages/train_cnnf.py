"""Train and evaluate one run of the CNN-F study: `python -m stages.train_cnnf cnn-feedback` (or a grid cell: t1-r3)."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biorobust import params
from biorobust.cnnf.model.params import (
    Adversarial,
    DataSize,
    Evaluation,
    EvaluationSize,
    Noise,
    Part,
    Training,
)
from biorobust.cnnf.model.plan import Plan, plan
from biorobust.core import places, results, runs, work
from biorobust.core.devices import pick
from biorobust.core.files import write_csv, write_npz, write_parquet
from biorobust.core.left_out import has_run, not_at_this_scale
from stages.common import run_info, stage_main

if TYPE_CHECKING:
    from torch import Tensor

    from biorobust.cnnf.model.network import FeedbackNetwork

PREDICTIONS = Path("data/attacks/cnnf/predictions")
DATASET = "emnist_letters"
# Columns of the files of a run that has no rows.
RUNS = "cnnf_runs"
LISTS = ("cnnf_variants", "cnnf_grid")
CURVES = {
    "": ["seed", "epoch", "loss"],
    "steps-": ["seed", "step", "smoothed"],
    "noise-": ["seed", "level", "average"],
    "blur-": ["seed", "level", "average"],
}
CONFUSED = ["seed", "images", "label", "predicted", "count"]
PREDICTED = ["seed", "attack", "eps", "index", "label", "prediction"]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help=f"an entry of cnnf_runs in params.yaml, or a whole list: {', '.join(LISTS)}")
    name = parser.parse_args(argv).run
    settings = params.load()
    if name in LISTS:
        with run_info(f"train_{name}"), places.together(name):
            train_list(name, settings=settings)
        return
    chosen = plan(name, settings)
    with run_info(f"train_cnnf@{name}"):
        work.finish(train(name, settings=settings, chosen=chosen))


def train_list(block: str, *, settings: params.Params) -> None:
    """Train every entry of a list; what is finished is kept until all are, so that a restart finds it."""
    from biorobust.core.progress import progress

    sized = settings.size(block, Part).trained
    states: list[Path] = []
    for name in progress(settings.runs[block], label="training", unit="runs"):
        chosen = plan(name, settings)
        if has_run(sized, name):
            states += train(name, settings=settings, chosen=chosen)
        else:
            leave_out(name, settings=settings, chosen=chosen, block=block)
    work.finish(states)


def leave_out(name: str, *, settings: params.Params, chosen: Plan, block: str) -> None:
    """Write every file of a run that the scale does not have: no rows, and the reason. block: the key that says so."""
    import pandas as pd

    reason = not_at_this_scale(settings.scale, block)
    runs.save_unavailable(name, architecture=f"cnnf-{settings.block('cnnf_training', Training).network}", reason=reason)
    for curve, columns in CURVES.items():
        results.write_curves(f"{curve}{name}", [], columns=columns)
    write_csv(results.METRICS / f"confusion/{name}.csv", pd.DataFrame(columns=CONFUSED))
    write_npz(results.METRICS / f"pictures/reconstructions-{name}.npz", {})
    write_parquet(predictions_file(name), pd.DataFrame(columns=PREDICTED))
    head: dict[str, Any] = {"study": "cnnf", "scale": settings.scale, "dataset": DATASET, "settings": asdict(chosen)}
    results.write_unavailable("train", name, reason=reason, **head)


def predictions_file(name: str) -> Path:
    """One folder deeper than attack records, where no search for those looks."""
    folder = places.to_write(PREDICTIONS)
    return (PREDICTIONS / RUNS if folder == PREDICTIONS else folder) / f"{name}.parquet"


def train(name: str, *, settings: params.Params, chosen: Plan) -> list[Path]:
    """Train one network per seed and evaluate it; write checkpoints, metrics, curves, predictions and pictures."""
    import pandas as pd
    import torch

    from biorobust import datasets
    from biorobust.cnnf.model import losses, network
    from biorobust.cnnf.model import training as cnnf_training
    from biorobust.core import results, runs, tensors

    device = pick()
    shared = settings.block("cnnf_training", Training)
    noise_ = settings.block("cnnf_noise", Noise)
    adversarial = settings.block("cnnf_adversarial", Adversarial)
    size = settings.size("cnnf_training", DataSize)
    dataset = datasets.load(f"data/datasets/{DATASET}.npz")
    data = tensors.as_tensors(dataset, n_train=size.n_train, device=device)
    kept = ~data.held_out if shared.hold_out else torch.ones_like(data.held_out)
    chosen = replace(chosen, epochs=data.epochs(chosen.epochs, n_train=size.n_train))
    images, labels = data.train_images[kept], data.train_labels[kept]
    batch_size = data.batch_size(shared.batch_size)
    n_steps = chosen.epochs * -(-len(labels) // batch_size)
    config = cnnf_training.new_config(
        shared, chosen, n_classes=data.n_classes, width=size.width, image_size=data.image_size
    )
    architecture = f"cnnf-{shared.network}"
    shown = cnnf_training.shown(
        shared,
        chosen,
        noise_=noise_,
        adversarial=adversarial,
        config=config,
        batch_size=batch_size,
        n_train=len(labels),
    )
    tests = Tests(settings, data=data, order=torch.from_numpy(dataset.evaluation.copy()).to(device))
    sha256 = results.dataset_entry(DATASET)["sha256"]
    models, entries, states = {}, [], []
    names = ("epochs", "steps", "noise", "blur", "confusion", "predictions")
    tables: dict[str, list[Any]] = {table: [] for table in names}
    for seed in range(settings.seed, settings.seed + chosen.seeds):
        torch.manual_seed(seed)
        model = runs.new(architecture, config).to(device)
        assert isinstance(model, network.FeedbackNetwork)
        key = {**shown, **config, "seed": seed, "data": sha256, "device": device}
        # Not named by the run: the headline and the grid cell of the same settings are one training.
        states.append(work.state_path(f"cnnf-seed{seed}", key, code=(cnnf_training, tensors)))
        fitted = cnnf_training.fit(
            model,
            images,
            labels,
            settings=shared,
            plan=chosen,
            noise_=noise_,
            adversarial=adversarial,
            batch_size=batch_size,
            seed=seed,
            state=states[-1],
            label=f"{name}, seed {seed}",
        )
        found = tests.of(model, seed=seed)
        for table, rows in found.tables.items():
            tables[table] += rows
        schedule: dict[str, Any] = {"learning_rate": shared.learning_rate, "power": shared.power, "n_steps": n_steps}
        tables["epochs"] += [{"seed": seed, **row} for row in fitted.history]
        tables["steps"] += [{"seed": seed, **row} for row in losses.step_curve(fitted.steps, **schedule)]
        entry = results.seed_entry(seed, found.predictions, tests.labels, diverged=fitted.diverged)
        fall = losses.loss_numbers(fitted, epochs=chosen.epochs, **schedule)
        validation = tests.tuning(model, data.train_images[~kept], data.train_labels[~kept])
        entries.append(entry | found.numbers | fall | validation)
        models[seed] = model
        if seed == settings.seed:
            write_npz(results.METRICS / f"pictures/reconstructions-{name}.npz", tests.pictures(model))
    runs.save(name, models, architecture=architecture, configs=dict.fromkeys(models, config))
    results.write_curves(name, tables["epochs"])
    results.write_curves(f"steps-{name}", tables["steps"])
    results.write_curves(f"noise-{name}", tables["noise"])
    results.write_curves(f"blur-{name}", tables["blur"])
    write_csv(results.METRICS / f"confusion/{name}.csv", pd.DataFrame(tables["confusion"]))
    write_parquet(predictions_file(name), pd.concat(tables["predictions"], ignore_index=True))
    results.write_run(
        "train",
        name,
        study="cnnf",
        scale=settings.scale,
        dataset=DATASET,
        settings=shown | tests.shown,
        accuracy=results.over_seeds(entries),
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        **results.per_seed(entries),
    )
    return states


class Found:
    """What the tests say of one network: counted predictions (N,) on clean images, numbers and rows of tables."""

    def __init__(self, predictions: Tensor, numbers: dict[str, Any], tables: Mapping[str, list[Any]]) -> None:
        self.predictions, self.numbers, self.tables = predictions, numbers, tables


class Tests:
    """The test images, clean and under every level of noise and of blur, and what is measured on them."""

    def __init__(self, settings: params.Params, *, data: Any, order: Tensor) -> None:
        from biorobust.cnnf.model.noise import blur
        from biorobust.core.training import as_float

        self.noise = settings.block("cnnf_noise", Noise)
        self.plan = settings.block("cnnf_evaluation", Evaluation)
        size = settings.size("cnnf_evaluation", EvaluationSize)
        self.chosen = order[: size.n_test]
        self.n_images = min(size.n_images, len(self.chosen))
        self.n_classes = data.n_classes
        self.labels = data.test_labels[self.chosen]
        self.images = self._versions(as_float(data.test_images[self.chosen]))
        few = self.images["clean"][: self.n_images]
        self.by_level = {
            "noise": {level: self._noisy(few, level) for level in self.plan.levels},
            "blur": {level: blur(few, level) for level in self.plan.blur_levels},
        }
        self.shown = {
            "evaluation_noise_kind": self.noise.kind,
            "evaluation_noise_level": self.noise.level,
            "evaluation_blur": self.plan.blur,
            "n_test": len(self.chosen),
            "n_images": self.n_images,
        }

    def of(self, model: FeedbackNetwork, *, seed: int) -> Found:
        """Everything the contract lists for one network."""
        import pandas as pd

        from biorobust.cnnf.model import evaluation

        logits = {name: evaluation.cycle_logits(model, images) for name, images in self.images.items()}
        counted = {name: model.read(each).argmax(dim=1) for name, each in logits.items()}
        right = {name: predictions == self.labels for name, predictions in counted.items()}
        numbers: dict[str, Any] = {}
        for name in evaluation.IMAGES:
            numbers |= evaluation.accuracies(logits[name], self.labels, images=name)
            if name != "clean":
                numbers |= evaluation.counted_numbers(right[name], right["clean"], images=name)
        numbers |= evaluation.feedback_entry(model, {name: each[: self.n_images] for name, each in self.images.items()})
        sizes = {"clean": ("none", 0.0), "noisy": ("noise", self.noise.level), "blurred": ("blur", self.plan.blur)}
        predictions = [
            pd.DataFrame(
                {
                    "seed": seed,
                    "attack": sizes[name][0],
                    "eps": sizes[name][1],
                    "index": self.chosen.cpu().numpy(),
                    "label": self.labels.cpu().numpy(),
                    "prediction": counted[name].cpu().numpy(),
                }
            )
            for name in evaluation.IMAGES
        ]
        tables = {
            **{kind: self._level_rows(model, levels, seed=seed) for kind, levels in self.by_level.items()},
            "confusion": self._confusion_rows(counted, seed=seed),
            "predictions": predictions,
        }
        return Found(counted["clean"], numbers, tables)

    def _noisy(self, images: Tensor, level: float) -> Tensor:
        from biorobust.cnnf.model import evaluation

        return evaluation.noisy(images, kind=self.noise.kind, level=level)

    def _versions(self, images: Tensor) -> dict[str, Tensor]:
        """The images as they are, noisy and blurred."""
        from biorobust.cnnf.model.noise import blur

        return {
            "clean": images,
            "noisy": self._noisy(images, self.noise.level),
            "blurred": blur(images, self.plan.blur),
        }

    def _level_rows(self, model: FeedbackNetwork, levels: Mapping[float, Tensor], *, seed: int) -> list[dict[str, Any]]:
        from biorobust.cnnf.model import evaluation
        from biorobust.core.progress import progress

        rows = []
        for level, images in progress(levels.items(), label="noise levels", unit="levels"):
            said = evaluation.readouts(evaluation.cycle_logits(model, images))
            labels = self.labels[: self.n_images]
            counts = {name: int((each == labels).sum()) for name, each in said.items()}
            rows.append({"seed": seed, "level": level, "n": len(labels), **counts})
        return rows

    def _confusion_rows(self, counted: Mapping[str, Tensor], *, seed: int) -> list[dict[str, Any]]:
        from biorobust.cnnf.model import evaluation

        rows = []
        for name, predictions in counted.items():
            table = evaluation.confusion(predictions, self.labels, n_classes=self.n_classes)
            for label, predicted in table.nonzero().tolist():
                count = int(table[label, predicted])
                row = {"seed": seed, "images": name, "label": label, "predicted": predicted, "count": count}
                rows.append(row)
        return rows

    def tuning(self, model: FeedbackNetwork, images: Tensor, labels: Tensor) -> dict[str, float]:
        """Accuracies on training images that were held out; nothing where none were."""
        from biorobust.cnnf.model import evaluation
        from biorobust.core.training import as_float

        if not len(images):
            return {}
        given = self._versions(as_float(images))
        said = {name: model.read(evaluation.cycle_logits(model, each)) for name, each in given.items()}
        right = {name: (logits.argmax(dim=1) == labels).double().mean().item() for name, logits in said.items()}
        return {f"{'' if name == 'clean' else f'{name}_'}tuning_accuracy": share for name, share in right.items()}

    def pictures(self, model: FeedbackNetwork) -> dict[str, Any]:
        """The first letters of the evaluation list, clean, noisy and blurred, with their reconstructions."""
        from biorobust.cnnf.model import evaluation

        n = evaluation.N_PICTURES
        versions = [images[:n] for images in self.images.values()]
        found = evaluation.pictures(model, versions, versions[0])
        return found | {"labels": self.labels[:n].cpu().numpy(), "index": self.chosen[:n].cpu().numpy()}


if __name__ == "__main__":
    stage_main(main)
