"""The whole graph as DVC reads it: what one overridden scalar reaches, and that nothing is made that is not shown."""

from pathlib import Path

import networkx
import pytest
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from graph import DRAWN, REACHED

from biorobust.reporting.study import STUDIES, read_params

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def index():
    with Repo(str(ROOT)) as repo:
        yield repo.index


def follows(scalar, stage):
    """The stage depends on the block of parameters which holds the scalar, or on the scalar itself."""
    named = [name for dep in stage.deps if isinstance(dep, ParamsDependency) for name in dep.params]
    return any(scalar == name or scalar.startswith(f"{name}.") for name in named)


@pytest.mark.parametrize(("scalar", "reached"), REACHED.items())
def test_one_override_reaches_only_what_depends_on_it(index, scalar, reached):
    changed = {stage for stage in index.stages if follows(scalar, stage)}
    behind = {stage for first in changed for stage in networkx.ancestors(index.graph, first)}
    assert {stage.name for stage in changed | behind} == reached | DRAWN


def test_all_stages_lead_to_the_report(index):
    (report,) = (stage for stage in index.stages if stage.name == "report")
    assert networkx.descendants(index.graph, report) == set(index.stages) - {report}


@pytest.mark.parametrize("name", STUDIES)
def test_the_last_stages_of_a_study_are_the_whole_of_it(index, name):
    study = STUDIES[name](read_params(ROOT / "params.yaml"))
    ends = {stage for stage in index.stages if stage.name in study.ends()}
    assert len(ends) == len(study.ends())
    needed = ends | {stage for end in ends for stage in networkx.descendants(index.graph, end)}
    assert {stage.name for stage in needed} >= set(study.stages())
