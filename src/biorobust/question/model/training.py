"""One training of a network of the comparison: the recipe of its row as a call of the one training loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from biorobust.attacks.pgd import ascended
from biorobust.cnnf.model import params as cnnf
from biorobust.cnnf.model import training as feedback
from biorobust.cnnf.model.network import FeedbackNetwork
from biorobust.cnnf.model.params import Plan
from biorobust.core import augment, runs, training
from biorobust.core.tensors import Tensors
from biorobust.core.training import as_float
from biorobust.hebbian.model import params as hebbian
from biorobust.hebbian.model import pretraining
from biorobust.hebbian.model import readout as readouts
from biorobust.kwta.model import operator
from biorobust.kwta.model.params import Winners
from biorobust.kwta.model.recipe import linear
from biorobust.networks.fast import FastNet
from biorobust.question.model import networks
from biorobust.question.model.params import Adversarial, V1Front
from biorobust.question.model.rows import Network
from biorobust.vonenet.model.params import V1Stage

if TYPE_CHECKING:
    from biorobust.params import Params

N_MEASURED = 2000  # training images from which a front's scale, or its whitening, is taken
N_WATCHED = 2000  # of the evaluation list, tested after every epoch


class Built(NamedTuple):
    """architecture, config: what `runs.new` builds the network from. recipe: of its training, for the metrics."""

    architecture: str
    config: dict[str, Any]
    recipe: dict[str, Any]


def describe(network: Network, data: Tensors, settings: Params) -> Built:
    """What a network is built from and trained with, fitted to the data."""
    row, size, recipe = network.row, network.size, network.training
    n_train, n_classes, shape = len(data.train_images), data.n_classes, data.image_size
    said: dict[str, Any] = {"n_train": n_train}
    if row.network == "hebbian":
        rule = settings.block("hebbian_original", hebbian.Rule)
        readout = settings.block("hebbian_original_readout", hebbian.Readout)
        said |= {"units": size.n_hidden, "epochs": data.epochs(size.hebbian_epochs, n_train=size.n_train)}
        said |= {"readout_epochs": data.epochs(size.readout_epochs, n_train=size.n_train), "init": "normal"}
        said |= rule.model_dump() | {f"readout_{key}": value for key, value in readout.model_dump().items()}
        config: dict[str, Any] = {"n_hidden": size.n_hidden, "n_inputs": shape[0] * shape[1], "n_classes": n_classes}
        return Built("hebbian-classifier", config | {"n": readout.power, "inputs": readout.inputs}, said)
    if row.network == "end-to-end":
        control = settings.block("end_to_end", hebbian.Control)
        said |= control.model_dump() | {"epochs": data.epochs(size.readout_epochs, n_train=size.n_train)}
        config = {"n_inputs": shape[0] * shape[1], "n_hidden": size.n_hidden, "n_classes": n_classes}
        return Built("end-to-end", config, said)
    if row.network == "cnnf":
        said |= {"epochs": data.epochs(size.cnnf_epochs, n_train=size.n_train)}
        trained, plan = settings.block("cnnf_training", cnnf.Training), _plan(network, settings, said["epochs"])
        config = feedback.new_config(trained, plan, n_classes=n_classes, width=size.cnnf_width, image_size=shape)
        said |= {"cycles": plan.cycles, "residual": plan.residual, "noise": plan.noise_level}
        return Built(f"cnnf-{trained.network}", config, said)
    adversarial = row.images == "adversarial"
    epochs = data.epochs(size.adversarial_epochs if adversarial else size.epochs, n_train=size.n_train)
    gamma = None if row.method == "relu" else settings.block(row.method, Winners).gamma
    said |= recipe.model_dump() | {"epochs": epochs, "gamma_fall": recipe.gamma_fall if gamma else 0.0}
    if adversarial:
        said |= {"eps": network.threat.eps} | settings.block("question_adversarial", Adversarial).model_dump()
    if row.images == "noisy":
        said |= {"noise": network.threat.noise}
    front = settings.block("question_front", V1Front)
    v1 = settings.block("vonenet", V1Stage).model_copy(update=front.model_dump()).keywords(image_size=shape[0])
    config = {"dataset": network.dataset, "n_classes": n_classes, "width": size.width, "gamma": gamma}
    config |= {"front": row.front, "v1": None if row.front == "none" else v1 | {"image_size": shape[0]}}
    return Built("question-network", config, said)


def _plan(network: Network, settings: Params, epochs: int) -> Plan:
    """The network with feedback, or its twin: the same without cycles, on the same minibatches."""
    if network.row.method == "cnnf":
        cycles, residual = settings.block("cnnf", cnnf.Feedback).model_dump().values()
    else:
        cycles, residual = 0, 0.0
    return Plan(
        cycles=cycles,
        residual=residual,
        feedback="adaptive" if cycles else "none",
        images=network.row.images,
        cycle_clean=True,
        noise_level=network.threat.noise,
        epochs=epochs,
        seeds=network.size.seeds,
    )


def fit(
    network: Network, built: Built, data: Tensors, *, settings: Params, seed: int, state: Path
) -> tuple[nn.Module, dict[str, Any], training.Fit]:
    """Train one seed; gives the network, the configuration that rebuilds it, and how the training went."""
    torch.manual_seed(seed)
    if network.row.network == "hebbian":
        return _hebbian(network, built, data, settings=settings, seed=seed, state=state)
    model = runs.new(built.architecture, built.config).to(data.test_labels.device)
    how: dict[str, Any] = {"seed": seed, "state": state, "label": f"{network.name}, seed {seed}"}
    if isinstance(model, FeedbackNetwork):
        shared = settings.block("cnnf_training", cnnf.Training)
        fitted = feedback.fit(
            model,
            data.train_images,
            data.train_labels,
            settings=shared,
            plan=_plan(network, settings, built.recipe["epochs"]),
            noise_=settings.block("cnnf_noise", cnnf.Noise),
            adversarial=settings.block("cnnf_adversarial", cnnf.Adversarial),
            batch_size=data.batch_size(shared.batch_size),
            **how,
        )
        return model, built.config, fitted
    watched = data.evaluation[:N_WATCHED]
    how["measure"] = training.watched(data.test_images[watched], data.test_labels[watched])
    lengths = {
        "epochs": built.recipe["epochs"],
        "batch_size": data.batch_size(built.recipe["batch_size"]),
        "learning_rate": built.recipe["learning_rate"],
    }
    if built.architecture == "end-to-end":
        recipe, objective = training.Recipe(**lengths), training.cross_entropy()
        fitted = training.fit(model, data.train_images, data.train_labels, recipe=recipe, objective=objective, **how)
        return model, built.config, fitted
    return model, built.config, _body(network, built, model, data, lengths, how)


def _body(
    network: Network, built: Built, model: nn.Module, data: Tensors, lengths: dict[str, Any], how: dict[str, Any]
) -> training.Fit:
    recipe = built.recipe
    spread = as_float(data.train_images[:: max(1, len(data.train_images) // N_MEASURED)])
    if isinstance(model, FastNet) and not isinstance(model, networks.FrontedFastNet):
        model.whiten(spread)
    for stage in model.modules():
        if isinstance(stage, networks.LearnedNoisyStage):
            stage.measure_mean(networks.VOneBlock(**built.config["v1"], noise="none"), spread)
    gamma = built.config["gamma"] or 1.0  # a ReLU network has nothing whose gamma could be set
    gamma_at = linear(gamma=gamma, epochs=recipe["epochs"], fall=recipe["gamma_fall"])

    def prepare(images: Tensor) -> Tensor:
        x = as_float(augment.crop_and_flip(images, padding=recipe["crop"], flip=recipe["flip"], edges="reflect"))
        return (x + recipe["noise"] * torch.randn_like(x)).clamp(0, 1) if "noise" in recipe else x

    cross_entropy = training.cross_entropy(label_smoothing=recipe["label_smoothing"])

    def objective(trained: nn.Module, x: Tensor, y: Tensor) -> Any:
        if network.row.images == "adversarial":
            x = ascended(trained, x, y, eps=recipe["eps"], steps=recipe["steps"], step=recipe["step"] * recipe["eps"])
        return cross_entropy(trained, x, y)

    fitted = training.fit(
        model,
        data.train_images,
        data.train_labels,
        recipe=training.Recipe(
            **lengths,
            optimiser="sgd",
            momentum=recipe["momentum"],
            nesterov=True,
            weight_decay=recipe["weight_decay"],
            clip_norm=recipe["clip_norm"],
            schedule=training.triangular(recipe["warmup"]),
        ),
        objective=objective,
        prepare=prepare,
        before_epoch=lambda trained, epoch: operator.set_gamma(trained, gamma_at(epoch)),
        **how,
    )
    operator.set_gamma(model, gamma)  # a training that was finished before has not set the last one
    return fitted


def _hebbian(
    network: Network, built: Built, data: Tensors, *, settings: Params, seed: int, state: Path
) -> tuple[nn.Module, dict[str, Any], training.Fit]:
    """Competing units by the original's recipe, and a classifier on them; beta is chosen on held-out images."""
    rule = settings.block("hebbian_original", hebbian.Rule)
    readout = settings.block("hebbian_original_readout", hebbian.Readout)
    units = pretraining.fitted_recipe(
        rule, data, init=built.recipe["init"], n_hidden=built.config["n_hidden"], epochs=built.recipe["epochs"]
    )
    weights, _ = pretraining.learn_seed(network.name, data, recipe=units, seed=seed)
    lengths = {"batch_size": data.batch_size(readout.batch_size), "epochs": built.recipe["readout_epochs"]}
    beta = readouts.choose_beta(weights, data, readout=readout, seed=seed, **lengths).beta
    model = readouts.new_classifier(weights, data.n_classes, readout=readout, beta=beta, seed=seed)
    label = f"{network.name}, seed {seed}"
    fitted = readouts.fit(model, data, readout=readout, seed=seed, state=state, label=label, **lengths)
    return model, built.config | {"beta": beta}, fitted
