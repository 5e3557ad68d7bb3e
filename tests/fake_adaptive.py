"""Made-up metrics of a study's networks under attacks that adapt to them, beside the others its writer makes up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from biorobust import params
from biorobust.core import outcomes
from biorobust.core.attack_plan import Adaptive, AdaptiveSize, adaptive_name
from biorobust.core.files import write_json
from biorobust.core.left_out import not_at_this_scale
from biorobust.question.model import attacking
from biorobust.question.model.params import AttackPlan

WORST = "worst-case"
SHARES = (0.53, 0.38, 0.25, 0.14, 0.08, 0.05)


def write_adaptive(
    root: Path, study: str, checked: params.Params, *, dataset: Mapping[str, Any], seeds: Sequence[int]
) -> None:
    """A file for every network of `<study>_adaptive`; each keeps clearly less than the one before it."""
    from fake_metrics import outcome  # which calls this module

    chosen = checked.block(f"{study}_adaptive", Adaptive)
    reports = checked.block("question_attack", AttackPlan).reports
    n = checked.size(f"{study}_adaptive", AdaptiveSize).n_images
    reason = not_at_this_scale(checked.scale, f"{study}_adaptive")
    grid = sorted({*chosen.curve, chosen.eps})
    kept = outcomes.read(root / f"outcomes/{study}.npz")
    for run, share in zip(chosen.networks, SHARES, strict=False):
        name = adaptive_name(run)
        head = {"run": name, "study": study, "scale": checked.scale, "dataset": dict(dataset)}
        head["settings"] = {"eps": chosen.eps, "n_images": n, "twin": chosen.twins.get(run)}
        attacks: dict[str, Any] = {}
        names = attacking.names(checked.block("question_attack", AttackPlan), study)
        for attack in (*names, WORST) if n else ():
            left = share * (1.7 if attack in reports else 1.0)
            everywhere = attack in (attacking.CURVE, WORST)
            attacks[attack] = {"about": f"what {attack} is", "per_seed": []}
            for seed in seeds:
                counts = {eps: max(0, round(n * min(0.95, left * chosen.eps / eps)) - seed % 3) for eps in grid}
                known = [count if everywhere or eps == chosen.eps else None for eps, count in counts.items()]
                entry = {"seed": seed, "n": n, "correct": known}
                if attack != WORST:
                    unverified = [None if count is None else 0 for count in known]
                    entry |= {"zero_gradient": 0, "zero_gradient_correct": 0, "unverified": unverified}
                attacks[attack]["per_seed"].append(entry)
            for position, eps in enumerate(grid):
                of_seed = {entry["seed"]: entry["correct"][position] for entry in attacks[attack]["per_seed"]}
                if None not in of_seed.values():
                    kept[outcomes.cell(name, attack, eps)] = outcome(name, of_seed, n)
        ran = {"status": "ok", "eps": grid, "n_images": n, "seeds": list(seeds), "attacks": attacks}
        found = ran if n else {"status": "unavailable", "reason": reason}
        write_json(root / f"adaptive-{study}/attack/{name}.json", head | found)
    outcomes.write(root / f"outcomes/{study}.npz", kept)
