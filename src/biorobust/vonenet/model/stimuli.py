"""The images a network is shown beside clean ones, DeepFool's perturbations (L-infinity) and their controls; and which
of them it still classifies correctly.

Every image is moved away from the class the network gives it when clean. For those it gets right this is the report's
attack; the others are moved so that every network can be shown every image of another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from biorobust import attacks
from biorobust.attacks import deepfool
from biorobust.attacks.crafting import linf
from biorobust.attacks.deepfool import Minimal
from biorobust.attacks.noise import signs
from biorobust.attacks.records import WORST_CASE, by_attack, worst_case
from biorobust.attacks.scoring import Score, score
from biorobust.core.files import read_tensors
from biorobust.core.progress import progress
from biorobust.vonenet.model import models
from biorobust.vonenet.model.evaluation import (
    FROZEN,
    LIVE,
    NONE,
    majority,
    minibatches,
    noise_conditions,
    own_noise,
    predict_samples,
)
from biorobust.vonenet.model.params import Perturbations

FOLDER = Path("data/perturbed/vonenet")
FEWEST = 3  # correctly classified images that a network needs, for its layers to be measured on these alone

# self: the clean images again. own: DeepFool's against this network; from-<run>: against another. signs: random signs
# of the own perturbation's size. other: another clean image. <name>-eps: stretched or shrunk to the common size.
SELF, OWN, SIGNS, OTHER = "self", "own", "signs", "other"
FROM, COMMON = "from-", "-eps"
# Images (N, 3, H, W), or a function that makes those of some rows when they are needed.
Images = Tensor | Callable[[range], Tensor]


def run_deepfool(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    plan: Perturbations,
    noise: str,
    seed: int,
    batch_size: int = 32,
    label: str = "",
) -> Minimal:
    """Minimal perturbations away from `labels`, (N,) the network's own predictions; it is in eval mode.

    noise: frozen (one draw per image for the whole attack, so that gradients and predictions belong to one function),
    live (fresh noise in every pass, as for a program that knows nothing of it), or none.
    """
    made = []
    condition = noise_conditions(model, seed=seed)[noise]
    generator = torch.Generator(images.device).manual_seed(seed)
    # DeepFool goes on with a minibatch until one pass fools all of it: under live noise that is luck, and never comes.
    together = 1 if noise == LIVE else batch_size
    attack = partial(deepfool.minimal, model, steps=plan.steps, candidates=plan.candidates, overshoot=plan.overshoot)
    for rows in progress(minibatches(len(images), together), label=f"{label}, noise {noise}", unit="minibatches"):
        with models.noise(model, generator=generator) if noise == LIVE else condition(0, rows):
            made.append(attack(rows_of(images, rows), rows_of(labels, rows)))
    return Minimal(*map(torch.cat, zip(*made, strict=True)))


def perturb(
    model: nn.Module, images: Tensor, labels: Tensor, *, plan: Perturbations, trained: bool, seed: int, label: str
) -> dict[str, dict[str, Any]]:
    """Perturb images (N, 3, H, W) against one network: `tensors` for other stages, and the `entry` of its metrics.

    Tensors: labels; answers, (N,) predictions for clean images; entered, (N,) bool, those classified correctly (all of
    them for an untrained network or with fewer than FEWEST); perturbed images `own` and, under live noise, `live`.
    """
    answers = majority(predict_samples(model, images, draws=plan.draws, seed=seed))
    correct = answers == labels
    # A network that is right about hardly any image has no predictions to lose: its own take the labels' place.
    by_labels = trained and int(correct.sum()) >= FEWEST
    entered = correct if by_labels else torch.ones_like(correct)
    tensors = {"labels": labels, "answers": answers, "entered": entered}
    entry: dict[str, Any] = {"n": len(images), "entered": int(entered.sum()), "by_labels": by_labels}
    for noise in (NONE,) if own_noise(model) == NONE else (FROZEN, LIVE):
        crafted = run_deepfool(model, images, answers, plan=plan, noise=noise, seed=seed, label=label)
        fresh = predict_samples(model, crafted.images, draws=plan.draws, seed=seed + 1)
        role = "live" if noise == LIVE else "own"
        tensors[role] = crafted.images
        of_entered = Minimal(*(values[entered] for values in crafted))
        fooled = (fresh != answers)[:, entered]
        entry[role] = {"noise": noise} | attack_summary(images[entered], of_entered, fooled)
    return {"tensors": tensors, "entry": entry}


def attack_summary(images: Tensor, crafted: Minimal, fooled: Tensor) -> dict[str, Any]:
    """What a metrics file says of one attack on images (N, 3, H, W), all of them classified correctly.

    fooled: (draws, N) bool, under fresh noise. success: share fooled where it was crafted; fresh_success: mean share of
    fresh draws that are fooled, fresh_majority: of images fooled in more than half of them. size: quartiles of the
    L-infinity distance. unmoved: images at distance 0; erased: after rounding to 8 bits. nonfinite_gradient: images
    with a gradient that is not a number, if any.
    """
    shares = fooled.double().mean(dim=0)
    nonfinite = int(crafted.nonfinite_gradient.sum())
    levels = torch.linspace(0, 1, 5, dtype=torch.float64, device=images.device)
    return {
        "n": len(images),
        "success": crafted.success.double().mean().item(),
        "fresh_draws": len(fooled),
        "fresh_success": shares.mean().item(),
        "fresh_majority": (shares > 0.5).double().mean().item(),
        "size": torch.quantile(crafted.distance.double(), levels).tolist(),
        "unmoved": int((crafted.distance == 0).sum()),
        "erased": int((linf(quantised(crafted.images), quantised(images)) == 0).sum()),
        **({"nonfinite_gradient": nonfinite} if nonfinite else {}),
    }


def path(group: str, run: str, seed: int) -> Path:
    return FOLDER / group / f"{run}-seed{seed}.safetensors"


def load(group: str, run: str, seed: int, *, device: str) -> dict[str, Tensor]:
    """The tensors of `perturb`. Raises BiorobustError naming a missing or damaged file."""
    return {name: tensor.to(device) for name, tensor in read_tensors(path(group, run, seed)).items()}


def at_size(images: Tensor, perturbed: Tensor, eps: float) -> Tensor:
    """The perturbation stretched or shrunk to L-infinity size `eps`, then clipped to [0, 1]; unmoved images stay."""
    size = linf(perturbed, images).clamp(min=torch.finfo(images.dtype).tiny)
    return (images + eps * (perturbed - images) / size[:, None, None, None]).clamp(0, 1)


def quantised(images: Tensor) -> Tensor:
    """Pixels rounded to the 256 values of an 8-bit file."""
    return (images * 255).round() / 255


def rows_of(images: Images, rows: range) -> Tensor:
    return images[rows.start : rows.stop] if isinstance(images, Tensor) else images(rows)


def stimuli(
    clean: Tensor, own: Tensor, others: Mapping[str, Tensor], *, common_eps: float, seed: int
) -> dict[str, Images]:
    """Everything a network is shown, by name. clean, own: (N, 3, H, W); others: run -> its perturbed images, same N.
    All else is made minibatch by minibatch: many sets of large images do not fit into memory.
    """

    size = linf(own, clean)

    def random_signs(rows: range) -> Tensor:
        # One generator per image: what an image gets does not depend on its minibatch.
        generators = {i: torch.Generator().manual_seed(seed + i) for i in rows}
        return torch.cat([signs(clean[i : i + 1], size[i : i + 1], generators[i]) for i in rows])

    def other(rows: range) -> Tensor:
        return torch.stack([clean[(row + 1) % len(clean)] for row in rows])

    def at_common_size(images: Tensor) -> Images:
        return lambda rows: at_size(rows_of(clean, rows), rows_of(images, rows), common_eps)

    moved = {OWN: own} | {f"{FROM}{run}": images for run, images in others.items()}
    common = {f"{name}{COMMON}": at_common_size(images) for name, images in moved.items()}
    return {SELF: clean, **moved, **common, SIGNS: random_signs, OTHER: other}


# --- accuracy on perturbed images, at every size: the study's attack records ------------------------------------------

RANDOM_SIGNS, PGD, DEEPFOOL = "random-signs", "pgd-cross-entropy", "deepfool-"
COLUMNS = [
    *("attack", "eps", "index", "label", "clean_prediction", "adversarial_prediction", "broken", "distance"),
    "nonfinite_gradient",
]


def about(name: str) -> str:
    if name == RANDOM_SIGNS:
        return "every pixel moved up or down by the toss of a coin: a control"
    if name == WORST_CASE or name in attacks.ATTACKS:
        return attacks.about(name)
    source = name.removeprefix(DEEPFOOL)
    whose = "this network" if source in ("own", "live") else source
    under = ", crafted under live noise" if source == "live" else ""
    return f"DeepFool (L-infinity) against {whose}{under}, stretched or shrunk to the size"


def attack_records(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    perturbed: Mapping[str, Tensor],
    *,
    index: np.ndarray,
    eps: Sequence[float],
    repeats: int,
    seed: int,
) -> pd.DataFrame:
    """One row per attack, size and image (COLUMNS): every perturbation of `perturbed`, attack -> images (N, 3, H, W),
    at every size, random signs, and PGD on the cross-entropy.

    A noisy network is wrong if half of `repeats` passes are; an image is broken when it is wrong before or after.
    index: (N,), places in the test split. nonfinite_gradient: of PGD alone, as DeepFool counts its own.
    """
    draws = 1 if own_noise(model) == NONE else repeats

    def judged(shown: Tensor, number: int) -> Score:
        with models.noise(model, generator=torch.Generator(images.device).manual_seed(seed + number)):
            return score(model, shown, labels, repeats=draws, batch_size=64)

    before = judged(images, 0)
    tossed = signs(images, max(eps), torch.Generator().manual_seed(seed))
    parts = []
    for number, (name, changed) in enumerate({**perturbed, RANDOM_SIGNS: tossed}.items(), start=1):
        for size in eps:
            sized = at_size(images, changed, size) if size else images
            after = judged(sized, number) if size else before
            wrong = (before.fooled_share >= 0.5) | (after.fooled_share >= 0.5)
            columns = (labels, before.predicted, after.predicted, wrong, linf(sized, images))
            of_images = dict(zip(COLUMNS[3:8], (values.cpu().numpy() for values in columns), strict=True))
            head = {"attack": name, "eps": size, "index": index}
            parts.append(pd.DataFrame(head | of_images | {"nonfinite_gradient": False}))
    gradient = attacks.run(model, images, labels, [PGD], eps=eps, seed=seed, batch_size=64, repeats=draws)
    gradient["index"] = index[gradient["index"].to_numpy()]
    return pd.concat([*parts, gradient[COLUMNS]], ignore_index=True)


def correct(records: pd.DataFrame) -> dict[str, np.ndarray]:
    """attack, the worst case included -> which images are right, (sizes, N) bool, ordered by size and by `index`."""
    every = pd.concat([records, worst_case(records).assign(attack=WORST_CASE)]).sort_values(["eps", "index"])
    n_images = every["index"].nunique()
    attacks = every.groupby("attack", sort=False)["broken"]
    return {str(name): ~broken.to_numpy(dtype=bool).reshape(-1, n_images) for name, broken in attacks}


def attack_metrics(per_seed: Mapping[int, pd.DataFrame], *, eps: Sequence[float]) -> dict[str, Any]:
    def counted(records: pd.DataFrame) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {
            name: {"n": right.shape[1], "correct": right.sum(axis=1).tolist()}
            for name, right in correct(records).items()
        }
        for name, rows in records[records["nonfinite_gradient"]].groupby("attack"):
            found[str(name)]["nonfinite_gradient"] = [int((rows["eps"] == size).sum()) for size in eps]
        return found

    return by_attack({seed: counted(records) for seed, records in per_seed.items()}, about=about)
