"""The stages that attack the comparison: a family by itself, then every network with the images of all others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor

from biorobust.attacks import records
from biorobust.attacks.records import WORST_CASE
from biorobust.core import places, results
from biorobust.core.files import read_json, read_tensors, sha256, write_json, write_parquet, write_tensors
from biorobust.core.left_out import not_at_this_scale
from biorobust.question.model import attacking
from biorobust.question.model.attacking import Victim
from biorobust.question.model.left_out import ATTACKED, STUDY, head
from biorobust.question.model.params import REPORTS, AttackPlan, AttackSize
from biorobust.question.model.rows import Network, networks

if TYPE_CHECKING:
    from biorobust.params import Params

Shares = Mapping[int, Mapping[str, float]]  # seed -> attack -> accuracy at epsilon


def attack(network: Network, settings: Params, folder: Path) -> None:
    """Every attack that needs no other network, on every seed: records, points and diagnostics below `folder`."""
    plan, size = settings.block("question_attack", AttackPlan), settings.size("question_attack", AttackSize)
    tables: list[pd.DataFrame] = []
    points: dict[str, Tensor] = {}
    findings: dict[str, Any] = {}
    for victim in victims(network, size):
        table, points[f"seed{victim.seed}"] = attacking.attacked(victim, plan, size)
        tables.append(table.assign(seed=victim.seed))
        if size.n_examined and (not findings or network.name.endswith("-plain")):
            findings[f"seed{victim.seed}"] = attacking.examined(victim, plan, size)
    write_parquet(folder / f"{network.name}.parquet", records.joined(tables))
    write_tensors(folder / f"{network.name}.safetensors", points)
    write_json(folder / f"{network.name}.json", findings)


def _n_images(network: Network, size: AttackSize) -> int:
    return size.attacked(network.dataset, noisy=network.noisy)


def victims(network: Network, size: AttackSize) -> Iterable[Victim]:
    """The trained seeds of a network, with the images that all networks of its data set are attacked on."""
    return attacking.victims(
        network.name,
        family=network.family,
        dataset=network.dataset,
        n_images=_n_images(network, size),
        eps=network.threat.eps,
        curve=network.threat.curve,
    )


def transfer(settings: Params) -> None:
    """Show every network the images found on all others, search once more, and write records and metrics of all."""
    plan, size = settings.block("question_attack", AttackPlan), settings.size("question_attack", AttackSize)
    all_networks, scale = networks(settings), settings.scale
    folders = {name: places.find(ATTACKED, f"{name}.json").parent for name in all_networks}
    here = {name: network for name, network in all_networks.items() if not network.left_out}
    points = {name: read_tensors(folders[name] / f"{name}.safetensors") for name in here}
    n_images = {name: _n_images(network, size) for name, network in all_networks.items()}
    shares: dict[str, Shares] = {}
    for name, network in all_networks.items():
        if not network.left_out:
            kin = {other: points[other] for other, its in here.items() if its.dataset == network.dataset}
            table = _shown(network, folders[name], kin, plan=plan, size=size)
            n_images[name] = table["index"].nunique()  # a data set may have fewer than were asked for
        queries = size.noisy_queries if network.noisy else size.queries
        asked = {"eps": network.threat.eps, "n_images": n_images[name], "draws": plan.draws, "queries": queries}
        said = head(network, scale=scale, **asked)
        if network.left_out:
            write_parquet(places.RECORDS / STUDY / f"{name}.parquet", pd.DataFrame(columns=[*records.COLUMNS, "seed"]))
            results.write_unavailable("attack", name, reason=network.left_out, **said)
            continue
        write_parquet(places.RECORDS / STUDY / f"{name}.parquet", table)
        eps = sorted({*network.threat.curve, network.threat.eps})
        counted = {
            int(seed): records.counts(of_seed.drop(columns="seed"), eps=eps) for seed, of_seed in table.groupby("seed")
        }
        about = partial(attacking.about, size=size, noisy=network.noisy)
        results.write_run(
            "attack",
            name,
            eps=eps,
            n_images=n_images[name],
            attacks=records.by_attack(counted, about=about),
            seeds=list(counted),
            diagnostics=read_json(folders[name] / f"{name}.json"),
            **said,
        )
        place = eps.index(network.threat.eps)
        shares[name] = {
            seed: {key: at["correct"][place] / at["n"] for key, at in by_attack.items()}
            for seed, by_attack in counted.items()
        }
    for name, network in all_networks.items():
        if network.family in REPORTS and network.twin is not None:
            said = head(network, scale=scale, eps=network.threat.eps, n_images=n_images[name])
            _write_advantages(network, shares.get(name, {}), shares.get(network.twin, {}), said)
        if network.row.front == "none" and name.endswith("-plain"):
            found = read_json(folders[name] / f"{name}.json")
            _write_controls(network, found, n_images=n_images[name], scale=scale)


def _shown(
    network: Network, folder: Path, points: Mapping[str, Mapping[str, Tensor]], *, plan: AttackPlan, size: AttackSize
) -> pd.DataFrame:
    """All records of a network: of its own attacks, and of the images found on others."""
    tables: list[pd.DataFrame] = []
    earlier = pd.read_parquet(folder / f"{network.name}.parquet")
    for victim in victims(network, size):
        seed = f"seed{victim.seed}"
        others = {other: its for other, its in points.items() if other != network.name and seed in its}
        given = {other: _fitted(its[seed].to(victim.images), victim.images) for other, its in others.items()}
        table = earlier[earlier["seed"] == victim.seed].drop(columns="seed")
        if given:
            files = {other: sha256(places.find(ATTACKED, f"{other}.safetensors")) for other in given}
            key, own = str(sorted(files.items())), points[network.name][seed]
            last = attacking.shown(victim, plan, size, before=table, own=own, given=given, key=key)
            table = records.joined([table, last])
        tables.append(table.assign(seed=victim.seed))
    return records.joined(tables)


def _fitted(points: Tensor, images: Tensor) -> Tensor:
    """Points found on fewer or on more images: what is missing stays as it is."""
    return torch.cat([points[: len(images)], images[len(points) :]])


def _write_advantages(network: Network, own: Shares, twins: Shares, said: Mapping[str, Any]) -> None:
    """By how much a network's accuracy exceeds its twin's, under its report's attack and in the worst case."""
    entries = []
    for seed in sorted(own.keys() & twins.keys()):
        report, worst = (own[seed][attack] - twins[seed][attack] for attack in (REPORTS[network.family], WORST_CASE))
        ahead = {"advantage_report": report, "advantage_worst": worst, "advantage_lost": report - worst}
        entries.append({"seed": seed, **ahead})
    reason = network.left_out or f"its twin {network.twin} was not trained"
    _write("advantage", network.name, entries, said, reason=reason)


def _write_controls(network: Network, found: Mapping[str, Mapping[str, Any]], *, n_images: int, scale: str) -> None:
    """How many signs of masked gradients the plain network shows, and the two that are masked on purpose."""
    entries = [
        {"seed": int(seed.removeprefix("seed"))}
        | {f"{kind}_signs": sum(item["flagged"] for item in findings) for kind, findings in by_kind.items()}
        for seed, by_kind in found.items()
    ]
    reason = network.left_out or not_at_this_scale(scale, "question_attack")
    said = head(network, scale=scale, eps=network.threat.eps, n_images=n_images)
    _write("controls", network.dataset, entries, said, reason=reason)


def _write(kind: str, name: str, entries: Sequence[dict[str, Any]], said: Mapping[str, Any], *, reason: str) -> None:
    """Metrics of some seeds, or the reason why there are none."""
    if entries:
        results.write_run(kind, name, **said, **results.per_seed(entries))
    else:
        results.write_unavailable(kind, name, reason=reason, **said)
