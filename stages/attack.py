"""Run every attack of a study on one run: `python -m stages.attack report-uniform`."""

from __future__ import annotations

from biorobust import params
from biorobust.core.attack_plan import AttackPlan, AttackSize
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    name = one_argument(argv, __doc__, "run", "a run of params.yaml that has a checkpoint")
    settings = params.load()
    study, group = study_of(name, settings=settings)
    module = params.STUDIES[study]
    with run_info(f"{stage_of(group, study=study)}@{name}"):
        from biorobust.attacks.experiment import attack

        attack(
            name,
            study=study,
            dataset_name=module.DATASET,
            scale=settings.scale,
            plan=settings.block(module.ATTACK, AttackPlan),
            size=settings.size(module.ATTACK, AttackSize),
        )


def study_of(name: str, *, settings: params.Params) -> tuple[str, str]:
    """The study and the run list a run belongs to. Raises ParamsError naming the runs there are."""
    groups = [(study, group) for study, module in params.STUDIES.items() for group in module.NETWORKS]
    for study, group in groups:
        if name in settings.runs[group]:
            return study, group
    known = [run for _, group in groups for run in settings.runs[group]]
    raise params.ParamsError(f"run {name!r}: unknown; known are {', '.join(known)}")


def stage_of(group: str, *, study: str) -> str:
    """The stage of dvc.yaml that attacks a run list: by the study's ATTACK_STAGES, else `attack_<list, no _runs>`."""
    stages = getattr(params.STUDIES[study], "ATTACK_STAGES", {})
    return str(stages.get(group, f"attack_{group.removesuffix('_runs')}"))


if __name__ == "__main__":
    stage_main(main)
