"""The comparison of all four defences under the same attacks, on one task, each beside its twin without the defence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from biorobust.question.model.params import DATASETS, FAMILIES, NOISY_FRONTS, ONLY_MNIST, REPORTS, ROWS
from biorobust.reporting.labels import network
from biorobust.reporting.study import Study

PGD = "pgd-cross-entropy"
CURVE = "apgd-cross-entropy"
GIVEN = ("transfer", "warm-start")  # attacks that begin at images found on other networks
DEFENCES = {"hebbian": "hebbian-units", "cnnf": "feedback", "kwta": "kwta-low", "vonenet": "v1"}  # study -> its row
PLAIN, NOISE, ADVERSARIAL, KWTA_ADVERSARIAL = "plain", "noise", "adversarial", "kwta-adversarial"


@dataclass(frozen=True)
class Question(Study):
    """`rows`: a row of params.yaml -> its settings; a network is a row on a data set, such as "mnist-plain".

    `eps`: by data set. `plan`: the block question_attack.
    """

    rows: Mapping[str, Mapping[str, Any]]
    eps: Mapping[str, float]
    plan: Mapping[str, Any]

    @property
    def networks(self) -> tuple[str, ...]:
        return tuple(f"{dataset}-{row}" for dataset in self.datasets for row in self.rows)

    def row(self, run: str) -> Mapping[str, Any]:
        return self.rows[run.partition("-")[2]]

    def at(self, run: str) -> float:
        return self.eps[run.partition("-")[0]]

    def twin(self, run: str) -> str | None:
        twin = self.row(run)["twin"]
        return twin and f"{run.partition('-')[0]}-{twin}"

    def called(self, run: str) -> str:
        """A network in words, k-WTA with its share of winners: "k-WTA (γ = 0.1)"."""
        gamma, name = self.row(run)["gamma"], network(run).replace(", small γ", "")
        return name if gamma is None else name.replace("k-WTA", f"k-WTA (γ = {gamma:g})")

    def noisy(self, run: str) -> bool:
        """Whether the network draws noise in evaluation too."""
        return self.row(run)["front"] in NOISY_FRONTS

    def reports_attack(self, run: str) -> str | None:
        """The attack by which the report on a network's defence, or the original, called it robust."""
        return REPORTS.get(self.row(run)["family"])

    def turns(self, run: str) -> Mapping[str, str]:
        """What an image has to withstand, step by step -> the last attack of the step, which holds all before it."""
        views = self.plan["views"].get(self.row(run)["family"], ())
        adaptive = (*self.plan["adaptive"], *views)
        return {"adaptive": adaptive[-1], "blind": self.plan["blind"][-1], "given": GIVEN[-1]}

    @property
    def defences(self) -> tuple[str, ...]:
        """The networks that have the mechanism of a study, where params.yaml still lists them."""
        wanted = (f"{dataset}-{row}" for dataset in self.datasets for row in DEFENCES.values())
        return tuple(run for run in wanted if run in self.networks)

    def never(self, run: str) -> bool:
        """Whether no scale has the network on that data set."""
        return not run.startswith("mnist-") and self.row(run)["network"] in ONLY_MNIST

    def train_stage(self, run: str) -> str:
        return f"question_train@{self.row(run)['family']}"

    def attack_stage(self, run: str) -> str:
        return "question_transfer"

    def stages(self) -> tuple[str, ...]:
        return (
            *(f"download@{name}" for name in self.datasets),
            *(f"{stage}@{family}" for stage in ("question_train", "question_attack") for family in FAMILIES),
            "question_transfer",
            f"compare@{self.name}",
        )

    def results(self) -> tuple[str, ...]:
        of_networks = (f"{kind}/{run}" for kind in ("train", "attack") for run in self.networks)
        held = (run for run in self.networks if self.reports_attack(run) and self.twin(run))
        controls = (f"controls/{dataset}" for dataset in self.datasets)
        return (*of_networks, *(f"advantage/{run}" for run in held), *controls)


def question(params: Mapping[str, Any]) -> Question:
    """The study as a params.yaml lists it; one from before the comparison lists none of it."""
    plan = params.get("question_attack", {})
    lists = [*(plan.get(name, ()) for name in ("reports", "adaptive", "blind")), *plan.get("views", {}).values()]
    rows = {
        name: {"family": family, "gamma": params.get(row["method"], {}).get("gamma"), **row}
        for family, group in ROWS.items()
        for name, row in params.get(group, {}).items()
    }
    blocks = dict(zip(DATASETS, ("question", "question_cifar10"), strict=True))
    return Question(
        name="question",
        title="All four under attacks that adapt",
        datasets=DATASETS,
        attacks=(*dict.fromkeys(name for names in lists for name in names), *GIVEN),
        rows=rows,
        eps={dataset: params[block]["eps"] for dataset, block in blocks.items() if block in params},
        plan=plan,
    )
