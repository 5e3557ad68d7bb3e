"""The networks of one study under the attacks of the comparison: all of them but those that need other networks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import pandas as pd
import torch

from biorobust.attacks import records
from biorobust.core import experiment, places, results, runs
from biorobust.core.attack_plan import Adaptive, adaptive_name
from biorobust.core.devices import pick
from biorobust.core.files import sha256, write_parquet
from biorobust.question.model import attacking
from biorobust.question.model.attacking import Victim
from biorobust.question.model.params import AttackPlan, AttackSize


def attack(
    name: str, *, study: str, chosen: Adaptive, n_images: int, plan: AttackPlan, size: AttackSize, scale: str
) -> None:
    """Every seed of a network under every attack: its record, and its metrics as those of the study's own attacks."""
    eps = sorted({*chosen.curve, chosen.eps})
    blind = tuple(key for key in plan.blind if key not in chosen.alone)
    plan = plan.model_copy(update={"reports": (*plan.reports, *chosen.alone), "blind": blind})
    tables: list[pd.DataFrame] = []
    counted: dict[int, dict[str, dict[str, Any]]] = {}
    attacked = list(victims(name, study=study, chosen=chosen, n_images=n_images))
    n_images, noisy = len(attacked[0].images), attacked[0].noisy  # a data set may have fewer images
    for victim in attacked:
        table, _ = attacking.attacked(victim, plan, size)
        tables.append(table.assign(seed=victim.seed))
        counted[victim.seed] = records.counts(table, eps=eps)
    write_parquet(places.to_write(places.RECORDS / study) / f"{adaptive_name(name)}.parquet", records.joined(tables))
    results.write_run(
        "attack",
        adaptive_name(name),
        study=study,
        scale=scale,
        dataset=chosen.dataset,
        settings={"eps": chosen.eps, "n_images": n_images, "draws": plan.draws, "twin": chosen.twins.get(name)},
        eps=eps,
        n_images=n_images,
        attacks=records.by_attack(counted, about=partial(attacking.about, size=size, noisy=noisy)),
        seeds=list(counted),
    )


def victims(name: str, *, study: str, chosen: Adaptive, n_images: int) -> Iterable[Victim]:
    """The trained seeds of a network, with the images that all networks of the study are attacked on."""
    index, images, labels = experiment.load(chosen.dataset).evaluated(n_images)
    for seed in runs.seeds(name):
        model = runs.load(name, seed=seed, device=pick())
        with torch.no_grad():
            noisy = not torch.equal(model(images[:8]), model(images[:8]))
        yield Victim(
            name=name,
            family=study,
            model=model,
            views=runs.attack_views(name, model),
            images=images,
            labels=labels,
            index=index.cpu().numpy(),
            eps=chosen.eps,
            curve=chosen.curve,
            seed=seed,
            noisy=noisy,
            key={"weights": sha256(runs.folder(name) / f"seed{seed}.safetensors"), "device": pick()},
            code=runs.code(name),
        )
