"""The study's runs: a network per seed, trained and measured, and what its feedback makes of attacked letters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from biorobust.cnnf.model import evaluation
from biorobust.cnnf.model import training as cnnf_training
from biorobust.cnnf.model.measurements import Measurements
from biorobust.cnnf.model.network import FeedbackNetwork
from biorobust.cnnf.model.params import (
    DATASET,
    Adversarial,
    DataSize,
    Evaluation,
    EvaluationSize,
    Noise,
    Plan,
    Training,
)
from biorobust.core import experiment, results, runs, tensors
from biorobust.core.files import write_npz
from biorobust.core.training import Trained, as_float

if TYPE_CHECKING:
    from biorobust.params import Params


def train(name: str, plan: Plan, settings: Params, *, predictions: Path) -> None:
    shared = settings.block("cnnf_training", Training)
    noise = settings.block("cnnf_noise", Noise)
    adversarial = settings.block("cnnf_adversarial", Adversarial)
    size = settings.size("cnnf_training", DataSize)
    data = experiment.load(DATASET, n_train=size.n_train)
    kept = ~data.held_out if shared.hold_out else torch.ones_like(data.held_out)
    plan = replace(plan, epochs=data.epochs(plan.epochs, n_train=size.n_train))
    images, labels = data.train_images[kept], data.train_labels[kept]
    batch_size = data.batch_size(shared.batch_size)
    n_steps = plan.epochs * -(-len(labels) // batch_size)
    schedule: dict[str, Any] = {"learning_rate": shared.learning_rate, "power": shared.power, "n_steps": n_steps}
    config = cnnf_training.new_config(
        shared, plan, n_classes=data.n_classes, width=size.width, image_size=data.image_size
    )
    architecture = f"cnnf-{shared.network}"
    logged = shared.model_dump() | {"batch_size": batch_size}
    logged |= {key: value for key, value in vars(plan).items() if key != "seeds"}
    logged |= {"noise_kind": noise.kind, "width": config.get("width"), "n_train": len(labels)}
    if plan.images == "adversarial":
        logged |= {f"adversarial_{key}": value for key, value in adversarial.model_dump().items()}
    measurements = Measurements(
        data,
        noise=noise,
        plan=settings.block("cnnf_evaluation", Evaluation),
        size=settings.size("cnnf_evaluation", EvaluationSize),
    )
    seeds = settings.seeds(plan.seeds)

    def train_seed(seed: int) -> Trained:
        torch.manual_seed(seed)
        model = runs.new(architecture, config).to(labels.device)
        assert isinstance(model, FeedbackNetwork)
        fitted = cnnf_training.fit(
            model,
            images,
            labels,
            settings=shared,
            plan=plan,
            noise_=noise,
            adversarial=adversarial,
            batch_size=batch_size,
            seed=seed,
            # Not named by the run: the headline and the grid cell of the same settings are one training.
            state=experiment.state_path(
                "cnnf", {**logged, **config}, seed=seed, dataset=DATASET, code=(cnnf_training, tensors)
            ),
            label=f"{name}, seed {seed}",
        )
        entry = measurements.of(model, seed=seed, diverged=fitted.diverged)
        if seed == seeds[0]:
            write_npz(results.METRICS / f"pictures/reconstructions-{name}.npz", measurements.pictures(model))
        entry |= cnnf_training.loss_numbers(fitted, epochs=plan.epochs, **schedule)
        entry |= measurements.tuning(model, data.train_images[~kept], data.train_labels[~kept])
        return Trained(model=model, config=config, entry=entry, curve=fitted.history)

    experiment.train_seeds(
        name,
        train_seed,
        seeds=seeds,
        architecture=architecture,
        study="cnnf",
        scale=settings.scale,
        dataset=DATASET,
        settings=logged | measurements.settings,
    )
    measurements.write(name, predictions=predictions)


def picture_attacked(name: str) -> None:
    """What the first seed's network makes of the attacked letters of pictures/adversarial-<run>.npz, cycle by cycle."""
    with np.load(results.METRICS / f"pictures/adversarial-{name}.npz") as stored:
        shown = {key: stored[key] for key in ("images", "eps", "labels", "attack")}
    data = experiment.load(DATASET)
    versions = as_float(torch.from_numpy(shown.pop("images")).to(data.test_labels.device))[:, :, None]
    _, clean, _ = data.evaluated(versions.shape[1])
    model = runs.load(name, seed=runs.seeds(name)[0], device=str(clean.device))
    assert isinstance(model, FeedbackNetwork)
    pictures = evaluation.pictures(model, list(versions), clean)
    write_npz(results.METRICS / f"pictures/adversarial-reconstructions-{name}.npz", pictures | shown)
