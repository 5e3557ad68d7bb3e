"""Tables of the VOneNet study: accuracy, perturbations, accuracy under them, layers compared, and the riddle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from biorobust.reporting.attacks import ATTACKS
from biorobust.reporting.claim import Claim
from biorobust.reporting.estimates import attack_curve, clean_accuracy, ran
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.numbers import percent
from biorobust.reporting.style import look
from biorobust.reporting.tables.rows import nonfinite
from biorobust.reporting.tables.rows import state as ran_state
from biorobust.reporting.tables.table import Column, Table, Value
from biorobust.vonenet.report.study import Vonenet
from biorobust.vonenet.report.zeros import RULE, Tested, tested

# The networks whose riddle is printed: the plain one, then the one with a V1 stage.
RIDDLE = ("resnet50", "voneresnet50")
NOISES = ("none", "frozen", "live", "mean")
COMPARED = {
    "own": "each its own perturbation",
    "transferred": "the plain network's perturbation",
    "returned": "the other network's perturbation",
    "signs": "random signs",
    "own-eps": "each its own, one size",
    "transferred-eps": "the plain network's, one size",
    "other": "another image",
}


def tables(metrics: Metrics, study: Vonenet, claims: Sequence[Claim]) -> list[Table]:
    """Every table of the study; runs without metrics are listed with what kept them."""
    return [
        _riddle(metrics),
        _accuracy(metrics, study),
        _perturbations(metrics, study),
        _under_attack(metrics, study),
        _deviations(metrics, study),
        _floors(metrics, study),
    ]


def state(found: Mapping[str, Any] | None) -> str:
    """Whether a run ran, and what is wrong with it."""
    if found is None:
        return "not run"
    if found["status"] != "ok":
        return "unavailable"  # why stands above the tables, once
    return "random weights" if found["settings"].get("trained") is False else ran_state(found)


def _mean(seeds: list[Mapping[str, Any]], key: str) -> float | None:
    values = [seed[key] for seed in seeds if seed.get(key) is not None]
    return sum(values) / len(values) if values else None


def _riddle(metrics: Metrics) -> Table:
    found = {run: {item.id: item for item in tested(metrics, run)} for run in RIDDLE}
    first = next(filter(None, found.values()), {})
    rows: list[dict[str, Value]] = []
    for id, item in first.items():
        row: dict[str, Value] = {"id": id, "hypothesis": item.hypothesis, "test": item.test, "finding": item.finding}
        rows.append(row | {run: _verdict(of_run.get(id)) for run, of_run in found.items()})
    return Table(
        id="vonenet-riddle",
        title="The riddle of the zeros",
        caption="Zero-deviation hypotheses: how a deviation of exactly zero at layers 4, 12, 25 and 44 could come "
        f"about, tested in our networks (finding: in the plain one, first seed). {RULE} No verdict proves what the "
        "report's program did.",
        columns=(
            Column("id", "no."),
            Column("hypothesis", "hypothesis"),
            Column("test", "test"),
            Column("finding", "finding, plain network"),
            *(Column(run, look(run).label) for run in RIDDLE),
        ),
        rows=tuple(rows),
    )


def _verdict(item: Tested | None) -> Value:
    """A verdict with the agreement it follows from."""
    if item is None:
        return None
    if item.agreement is None:
        return item.verdict
    return f"{item.verdict} ({percent(item.agreement, digits=0)}\u00a0%)"


def _accuracy(metrics: Metrics, study: Vonenet) -> Table:
    rows: list[dict[str, Value]] = []
    for run in study.networks:
        found, value = metrics.train(run), clean_accuracy(metrics, run)
        row: dict[str, Value] = {"network": look(run).label, "run": run}
        row["n_parameters"] = found.get("n_parameters") if found else None
        if value:
            row |= {"ours": value.value, "ours_low": value.low, "ours_high": value.high}
            row |= {"seeds": value.n_seeds, "images": value.n}
        under = [seed.get("under_noise") for seed in found["per_seed"]] if found and ran(found) else []
        for mode in ("none", "neuronal"):
            values = [modes[mode]["accuracy"] for modes in under if modes]
            row[mode] = sum(values) / len(values) if values else None
        rows.append(row | {"state": state(found)})
    return Table(
        id="vonenet-accuracy",
        title="Accuracy without an attack",
        caption="Share of test images classified correctly, in percent, under the noise a network was trained with, "
        "and without and with neuronal noise. Brackets: 95 % interval over images, and over seeds where there are "
        "several.",
        columns=(
            Column("network", "network"),
            Column("n_parameters", "trained parameters", "count"),
            Column("ours", "accuracy [95 %]", "estimate"),
            Column("none", "no noise", "percent"),
            Column("neuronal", "neuronal noise", "percent"),
            Column("seeds", "seeds", "count"),
            Column("images", "images", "count"),
            Column("state", "state"),
        ),
        rows=tuple(rows),
    )


def _perturbations(metrics: Metrics, study: Vonenet) -> Table:
    rows: list[dict[str, Value]] = []
    crafted: dict[str, dict[str, Any]] = {}
    for run in study.networks:
        found = ran(metrics.get(f"perturb/{run}"))
        for role in ("own", "live") if found else ():
            seeds = [seed[role] | {"n_shown": seed["n"]} for seed in found["per_seed"] if role in seed]  # type: ignore[index]
            if not seeds:
                continue
            sizes = [seed["size"][2] for seed in seeds if seed["size"]]
            row: dict[str, Value] = {"network": look(run).label, "noise": seeds[0]["noise"]}
            row |= {"shown": seeds[0]["n_shown"], "entered": round(sum(seed["n"] for seed in seeds) / len(seeds))}
            row |= {key: _mean(seeds, key) for key in ("success", "fresh_success", "fresh_majority")}
            row["size"] = 255 * sum(sizes) / len(sizes) if sizes else None
            row |= {key: sum(seed[key] for seed in seeds) for key in ("unmoved", "erased")}
            rows.append(row)
            counted = [{"n": seed["n"], "nonfinite_gradient": [seed.get("nonfinite_gradient")]} for seed in seeds]
            made = {"attacks": {"deepfool-report": {"per_seed": counted}}}
            crafted[f"{look(run).label}, {seeds[0]['noise']} noise"] = made
    return Table(
        id="vonenet-perturbations",
        title="What DeepFool did",
        caption="DeepFool in L-infinity on the images each network gets right (all of them where weights are random). "
        "Fooled: in the noise it was crafted in; in fresh noise, mean over passes, and in more than half of them. "
        "In live noise DeepFool stops at the first pass that an image happens to fail. Size: median, in 255ths. "
        "Unmoved: already wrong in the noise of the attack, so DeepFool left them as they were. Erased: nothing is "
        f"left after rounding to 8 bits.{nonfinite(crafted)}",
        columns=(
            Column("network", "network"),
            Column("noise", "crafted in noise"),
            Column("shown", "images", "count"),
            Column("entered", "entered", "count"),
            Column("success", "fooled", "percent"),
            Column("fresh_success", "fresh noise", "percent"),
            Column("fresh_majority", "in most passes", "percent"),
            Column("size", "size", "plain"),
            Column("unmoved", "unmoved", "count"),
            Column("erased", "erased", "count"),
        ),
        rows=tuple(rows),
    )


def _under_attack(metrics: Metrics, study: Vonenet) -> Table:
    rows: list[dict[str, Value]] = []
    grid: dict[float, None] = {}
    for run in study.networks:
        found = ran(metrics.attack(run))
        for attack in _told_apart(metrics, run, found["attacks"]) if found else ():
            curve = attack_curve(metrics, run, attack)
            assert curve is not None
            grid |= dict.fromkeys(curve.eps)
            source = attack.removeprefix("deepfool-")
            called = ATTACKS[attack].label if attack in ATTACKS else f"DeepFool, from {look(source).label}"
            row: dict[str, Value] = {"network": look(run).label, "attack": called}
            points = zip(curve.eps, curve.points, strict=True)
            rows.append(row | {f"{eps:g}": point.value for eps, point in points})
    return Table(
        id="vonenet-attack",
        title="Accuracy on perturbed images",
        caption="Share of the images shown that are right before and after, in percent, by ε (L-infinity, pixel "
        "intensity 0 to 1); a noisy network is right when at least half of its passes are. DeepFool's perturbations "
        "are stretched or shrunk to the size. Worst case: over all of them, random signs included."
        + nonfinite({look(run).label: ran(metrics.attack(run)) for run in study.networks}),
        columns=(
            Column("network", "network"),
            Column("attack", "perturbation"),
            *(Column(f"{eps:g}", f"ε {eps:g}", "percent") for eps in sorted(grid)),
        ),
        rows=tuple(rows),
    )


def _told_apart(metrics: Metrics, run: str, attacks: Iterable[str]) -> list[str]:
    """The attacks whose row differs from another's; none for random weights, which are right about hardly any image."""
    trained, made = metrics.train(run), ran(metrics.get(f"perturb/{run}"))
    if trained and ran(trained) and trained["settings"].get("trained") is False:
        return []
    noisy = bool(made) and any("live" in seed for seed in made["per_seed"])  # type: ignore[index]
    same = {f"deepfool-{run}"} | (set() if noisy else {"deepfool-live"})
    return [attack for attack in attacks if attack not in same]


def _deviations(metrics: Metrics, study: Vonenet) -> Table:
    rows: list[dict[str, Value]] = []
    for run, twin in study.twins.items():
        found = ran(metrics.get(f"deviations/{run}"))
        seeds = list(found["per_seed"]) if found else []
        for key, words in COMPARED.items():
            row: dict[str, Value] = {"network": look(run).label, "twin": look(twin).label, "compared": words}
            for noise in NOISES:
                ratio = _mean(seeds, f"log_ratio_{key}_{noise}")
                if ratio is None:
                    continue
                row |= {noise: 10**ratio}
                row |= {f"{noise}_{end}": _mean(seeds, f"{end}_{key}_{noise}") for end in ("lower", "higher")}
            if len(row) > 3:
                rows.append(row | {"images": _images(seeds)})
    return Table(
        id="vonenet-deviations",
        title="Layers of a network with a V1 stage against its plain twin",
        caption="Ratio of 1 − r by the noise of the network with a V1 stage (above 1: it deviates more), median over "
        "images of the mean over layers; behind it the share of layers, in percent, whose median ratio is below 1 with "
        "its whole 95 % interval. Frozen: the same noise for both images; live: one pass each; mean: averaged over "
        "passes.",
        columns=(
            Column("network", "network"),
            Column("compared", "shown"),
            *(
                column
                for noise in NOISES
                for column in (
                    Column(noise, "no noise" if noise == "none" else noise, "plain"),
                    Column(f"{noise}_lower", "lower", "percent"),
                )
            ),
            Column("images", "images", "count"),
        ),
        rows=tuple(rows),
    )


def _images(seeds: list[Mapping[str, Any]]) -> int | None:
    mean = _mean(seeds, "images")
    return None if mean is None else round(mean)


def _floors(metrics: Metrics, study: Vonenet) -> Table:
    rows: list[dict[str, Value]] = []
    for run in study.networks:
        found = ran(metrics.get(f"activations/{run}"))
        seeds = list(found["per_seed"]) if found else []
        for noise in NOISES:
            values = {place: _mean(seeds, f"self_{place}_{noise}") for place in ("v1", "last")}
            if any(value is not None for value in values.values()):
                rows.append({"network": look(run).label, "noise": noise, **values})
    return Table(
        id="vonenet-floor",
        title="Clean against clean",
        caption="1 − r between two passes over the same clean image, median over images: what noise alone gives, at "
        "the V1 stage and at the last convolution. Exactly 0 where a network is deterministic or its noise frozen.",
        columns=(
            Column("network", "network"),
            Column("noise", "noise"),
            Column("v1", "V1 stage", "plain"),
            Column("last", "last convolution", "plain"),
        ),
        rows=tuple(rows),
    )
