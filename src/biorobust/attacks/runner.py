"""The one runner: it applies attacks, scores them on the model, and writes down what happened to every image.

Random numbers come from the run's seed and the attack's name alone, so no result depends on which other attacks are
asked for, and starting points do not depend on the size of the minibatches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from biorobust.attacks import records, registry
from biorobust.attacks.crafting import Batch, Crafted, linf, unless_broken
from biorobust.attacks.draws import keys, number
from biorobust.attacks.registry import Attack
from biorobust.attacks.scoring import Score, predict, score
from biorobust.core.errors import BiorobustError
from biorobust.core.progress import progress

Views = Mapping[str, nn.Module] | None


def run(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attacks: Sequence[str] | Mapping[str, Attack],
    *,
    eps: Sequence[float],
    seed: int,
    views: Views = None,
    batch_size: int = 500,
    repeats: int = 1,
    targets: Tensor | None = None,
    index: Tensor | None = None,
    given: Mapping[str, Tensor] | None = None,
    keep: dict[str, Tensor] | None = None,
    label: str = "attacks",
) -> pd.DataFrame:
    """Attack every image with every attack at every epsilon; rows as `records.COLUMNS`, `index` the place in `images`.

    model: in eval mode with frozen parameters. images: float (N, C, H, W) in [0, 1]; labels: (N,) int64; eps:
    L-infinity, in pixel units. attacks: names of the registry, or `name@view`; or attacks of one's own by
    name. An image counts as broken when it is
    misclassified before or after the attack. repeats: forward passes that decide this for a model with noise of its
    own, by at least half of them (column `fooled_share`). targets: (N,) int64, what targeted attacks aim at, by
    default the class after the label. index: (N,) int64, numbers of the images instead of their places, when they are
    some of a longer list: the column `index`, and what random numbers go by. given: by name, points found before,
    (len(eps), N, C, H, W), for the attacks that begin from some. keep: gets by attack the adversarial images, of the
    same shape, dtype and device as images. label: names the work on stderr while it lasts.
    Raises BiorobustError for an unknown attack, a view that is not in `views`, or points that are not in `given`.
    """
    chosen = dict(attacks) if isinstance(attacks, Mapping) else {name: registry.get(name) for name in attacks}
    goals = _goals(model, images, labels, targets) if any(attack.targeted for attack in chosen.values()) else None
    _check(images, labels, goals, given or {}, eps)
    numbers = torch.arange(len(images), device=images.device) if index is None else index.to(images.device)
    # Where the model draws noise, an attack that judges its iterates draws more of it than one that does not.
    source = {name: registry.iterates(name) if repeats == 1 else name for name in chosen}
    judged = {source[name] for name, attack in chosen.items() if attack.best or attack.watched}
    generators = {name: _generator(seed, name) for name in source.values()}
    parts: list[dict[str, np.ndarray]] = []
    found: dict[str, list[Tensor]] = {name: [] for name in chosen}
    batches = -(-len(images) // batch_size)
    bar = progress(label=label, unit="minibatches", total=batches * len(generators))

    def say(name: str) -> Callable[[str], None]:
        def now(what: str) -> None:
            bar.now(f"{label}, {name}, {what}")
            bar.update(0)

        return now

    with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
        for first in range(0, len(images), batch_size):
            rows = slice(first, first + batch_size)
            own = keys(numbers[rows], seed, "clean") if repeats > 1 else None
            torch.manual_seed(number(seed, "clean", first))
            clean = score(model, images[rows], labels[rows], repeats=repeats, keys=own)
            made: dict[str, Crafted] = {}
            for name, attack in chosen.items():
                batch = Batch(
                    images=images[rows],
                    labels=labels[rows],
                    targets=None if goals is None else goals[rows],
                    generator=generators[source[name]],
                    judge=model if source[name] in judged else None,
                    seed=seed,
                    name=name.partition("@")[0],
                    index=numbers[rows],
                    wrong=clean.predicted != labels[rows],
                    repeats=repeats,
                    given={key: points[:, rows] for key, points in (given or {}).items()},
                    say=say(name),
                )
                if source[name] not in made:
                    bar.now(f"{label}, {name}")
                    torch.manual_seed(number(seed, source[name], first))
                    made[source[name]] = craft(attack, name, model, views, batch, eps=eps)
                    bar.update()
                crafted = made[source[name]].best if attack.best else made[source[name]]
                assert crafted is not None
                n = len(batch.labels)
                head = {"attack": np.full(n, name, dtype=object), "index": numbers[rows].cpu().numpy()}
                parts += [head | part for part in _rows(model, attack, batch, crafted, clean, eps=eps)]
                if keep is not None:
                    found[name].append(torch.stack([unless_broken(x, batch.images) for x in crafted.images]))
    bar.close()
    if keep is not None:
        keep.update({name: torch.cat(kept, dim=1) for name, kept in found.items()})
    return _table(parts)


def pictures(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: str,
    *,
    eps: Sequence[float],
    seed: int = 0,
    views: Views = None,
) -> dict[str, np.ndarray]:
    """One minibatch attacked for looking at: `images` uint8 (n_eps, n, H, W[, C]), `labels`, `predictions`, `eps`.

    A targeted attack adds `targets`. Starting points are those of the first images of a `run` with the same seed.
    """
    chosen = registry.get(attack)
    goals = _goals(model, images, labels, None) if chosen.targeted else None
    batch = Batch(
        images=images,
        labels=labels,
        targets=goals,
        generator=_generator(seed, registry.iterates(attack)),
        judge=model if chosen.best or chosen.watched else None,
        seed=seed,
        name=attack.partition("@")[0],
    )
    crafted = craft(chosen, attack, model, views, batch, eps=eps)
    adversarial = [unless_broken(changed, images) for changed in (crafted.best or crafted).images]
    seen = torch.stack(adversarial).mul(255).round().to(torch.uint8).cpu().numpy()
    found = {
        "images": seen[:, :, 0] if seen.shape[2] == 1 else seen.transpose(0, 1, 3, 4, 2),
        "labels": labels.cpu().numpy(),
        "predictions": torch.stack([predict(model, changed) for changed in adversarial]).cpu().numpy(),
        "eps": np.asarray(eps),
        "attack": np.asarray(attack),
    }
    return found if goals is None else found | {"targets": goals.cpu().numpy()}


def craft(attack: Attack, name: str, model: nn.Module, views: Views, batch: Batch, *, eps: Sequence[float]) -> Crafted:
    entry, _, of = name.partition("@")
    if entry == registry.TRANSFER and of:
        if of not in batch.given:
            known = ", ".join(batch.given) or "none"
            raise BiorobustError(f"attack {name!r}: no points of {of!r} are given, there are {known}")
        attack, batch = replace(attack, view=registry.MODEL), replace(batch, given={of: batch.given[of]})
    every = {**(views or {}), registry.MODEL: model}
    if attack.view not in every:
        raise BiorobustError(
            f"attack {name!r}: takes its gradient from the view {attack.view!r}, the model has {', '.join(every)}; "
            f"give it in views, or ask for '{entry}@{registry.MODEL}'"
        )
    return attack.craft(every[attack.view], batch, eps=tuple(eps))


def _goals(model: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    if targets is not None:
        return targets
    with torch.no_grad():
        n_classes = model(images[:1]).shape[1]
    return (labels + 1) % n_classes


def _check(
    images: Tensor, labels: Tensor, goals: Tensor | None, given: Mapping[str, Tensor], eps: Sequence[float]
) -> None:
    if images.numel() and not (float(images.min()) >= 0 and float(images.max()) <= 1):
        raise ValueError("images must lie in [0, 1]")
    if goals is not None and (goals.shape != labels.shape or bool((goals == labels).any())):
        raise ValueError("targets: one class per image, and never its own")
    for name, points in given.items():
        if points.shape != (len(eps), *images.shape):
            wanted = (len(eps), *images.shape)
            raise ValueError(
                f"given[{name!r}] has shape {tuple(points.shape)}: it needs {wanted}, one point per epsilon"
            )


def _generator(seed: int, name: str) -> torch.Generator:
    # Without the view: an attack starts from the same points whatever it takes its gradient from.
    return torch.Generator().manual_seed(number(seed, name.partition("@")[0]))


def _rows(
    model: nn.Module, attack: Attack, batch: Batch, crafted: Crafted, clean: Score, *, eps: Sequence[float]
) -> list[dict[str, Any]]:
    x, y, repeats = batch.images, batch.labels, batch.repeats

    def fresh(changed: Tensor, purpose: str, place: int, batch_size: int | None = None) -> Score:
        own = batch.keys(purpose, place) if repeats > 1 else None
        return score(model, changed, y, repeats=repeats, keys=own, batch_size=batch_size)

    extra: dict[str, Tensor] = {}
    if attack.targeted and batch.targets is not None:
        extra["target"] = batch.targets
    if crafted.raw is not None:
        raw = unless_broken(crafted.raw, x)
        extra["raw_distance"] = linf(raw, x)
        extra["raw_fools"] = fresh(raw, "raw", 0).predicted != y
    rows = []
    for i, size in enumerate(eps):
        changed = unless_broken(crafted.images[i], x)
        found = fresh(changed, "scored", i)
        again = fresh(changed, "again", i, max(1, (len(y) if repeats == 1 else repeats) // 3))
        broken = (clean.predicted != y) | (found.predicted != y)
        columns = {
            "label": y,
            "clean_prediction": clean.predicted,
            "adversarial_prediction": found.predicted,
            "broken": broken,
            "distance": linf(changed, x),
            "step": torch.where(broken, crafted.step[i], -1),
            "zero_gradient": crafted.zero_gradient[i],
            "nonfinite_gradient": crafted.nonfinite_gradient[i],
            "verified": again.agrees(found, repeats=repeats),
            **extra,
            **({"fooled_share": found.fooled_share} if repeats > 1 else {}),
        }
        rows.append({"eps": np.full(len(y), size)} | {key: value.cpu().numpy() for key, value in columns.items()})
    return rows


def _table(parts: Sequence[Mapping[str, np.ndarray]]) -> pd.DataFrame:
    extra = [key for key in records.EXTRA_COLUMNS if any(key in part for part in parts)]

    def column(key: str) -> np.ndarray:
        none = records.EXTRA_COLUMNS.get(key)
        return np.concatenate([part[key] if key in part else np.full(len(part["index"]), none) for part in parts])

    return pd.DataFrame({key: column(key) for key in (*records.COLUMNS, *extra)})
