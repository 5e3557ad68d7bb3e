"""The networks of one study under the attacks of the comparison: all of them but those that need other networks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from biorobust.attacks import records
from biorobust.core import places, results
from biorobust.core.attack_plan import Adaptive, AdaptiveSize, adaptive_name
from biorobust.core.files import write_parquet
from biorobust.question.model import attacking
from biorobust.question.model.params import AttackPlan, AttackSize

if TYPE_CHECKING:
    from biorobust.params import Params


def attack(name: str, study: str, settings: Params) -> None:
    """Every seed of a network under every attack: its record, and its metrics as those of the study's own attacks."""
    chosen = settings.block(f"{study}_adaptive", Adaptive)
    n_images = settings.size(f"{study}_adaptive", AdaptiveSize).n_images
    plan, size = settings.block("question_attack", AttackPlan), settings.size("question_attack", AttackSize)
    eps = sorted({*chosen.curve, chosen.eps})
    blind = tuple(key for key in plan.blind if key not in chosen.alone)
    plan = plan.model_copy(update={"reports": (*plan.reports, *chosen.alone), "blind": blind})
    tables: list[pd.DataFrame] = []
    counted: dict[int, dict[str, dict[str, Any]]] = {}
    victims = list(
        attacking.victims(
            name, family=study, dataset=chosen.dataset, n_images=n_images, eps=chosen.eps, curve=chosen.curve
        )
    )
    n_images, noisy = len(victims[0].images), victims[0].noisy  # a data set may have fewer images
    for victim in victims:
        table, _ = attacking.attacked(victim, plan, size)
        tables.append(table.assign(seed=victim.seed))
        counted[victim.seed] = records.counts(table, eps=eps)
    write_parquet(places.to_write(places.RECORDS / study) / f"{adaptive_name(name)}.parquet", records.joined(tables))
    results.write_run(
        "attack",
        adaptive_name(name),
        study=study,
        scale=settings.scale,
        dataset=chosen.dataset,
        settings={"eps": chosen.eps, "n_images": n_images, "draws": plan.draws, "twin": chosen.twins.get(name)},
        eps=eps,
        n_images=n_images,
        attacks=records.by_attack(counted, about=partial(attacking.about, size=size, noisy=noisy)),
        seeds=list(counted),
    )
