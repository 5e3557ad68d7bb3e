"""The whole graph as DVC reads it: what one overridden scalar reaches, and that nothing is made that is not shown."""

import ast
import functools
import re
from pathlib import Path

import networkx
import pytest
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from graph import DRAWN, REACHED
from report_checkout import FAKES

from biorobust.core.runs import architectures
from biorobust.reporting.registry import STUDIES, read_params

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def index():
    with Repo(str(ROOT)) as repo:
        yield repo.index


def follows(scalar, stage):
    """The stage depends on the block of parameters which holds the scalar, or on the scalar itself."""
    named = [name for dep in stage.deps if isinstance(dep, ParamsDependency) for name in dep.params]
    return any(scalar == name or scalar.startswith(f"{name}.") for name in named)


def code_of(stage):
    """Files and folders that a stage depends on, from the top of the checkout."""
    return [Path(dep.fs_path).relative_to(ROOT) for dep in stage.deps if not isinstance(dep, ParamsDependency)]


def covers(deps, file):
    return any(dep == Path(file) or dep in Path(file).parents for dep in deps)


@pytest.mark.parametrize(("scalar", "reached"), REACHED.items())
def test_one_override_reaches_only_what_depends_on_it(index, scalar, reached):
    changed = {stage for stage in index.stages if follows(scalar, stage)}
    behind = {stage for first in changed for stage in networkx.ancestors(index.graph, first)}
    assert {stage.name for stage in changed | behind} == reached | DRAWN


def test_all_stages_lead_to_the_report(index):
    (report,) = (stage for stage in index.stages if stage.name == "report")
    assert networkx.descendants(index.graph, report) == set(index.stages) - {report}


def test_the_last_stages_of_a_study_are_the_whole_of_it(index):
    for kind in STUDIES.values():
        study = kind(read_params(ROOT / "params.yaml"))
        ends = {stage for stage in index.stages if stage.name in study.ends()}
        assert len(ends) == len(study.ends())
        needed = ends | {stage for end in ends for stage in networkx.descendants(index.graph, end)}
        assert {stage.name for stage in needed} >= set(study.stages())


def learning(*folders):
    """The stages that use one of these folders of src/biorobust."""
    found = {name: used for fake in FAKES.values() for name, used in fake.STAGES.items()}
    return {name for name, used in found.items() if not {*folders}.isdisjoint(used.split())}


# Files of each part of the library, and the stages that have to run again after an edit of them: by name, without what
# follows from them. Networks that are loaded by name are among them.
DRAWING = {"tables", "figures", "report"}  # depends on all of src/biorobust
EDITED = {
    "src/biorobust/core/training.py": learning(*STUDIES) | {"compare"},
    "src/biorobust/datasets/mirror.py": {"download"},
    "src/biorobust/studies.py": set(),
    "src/biorobust/attack_names.py": set(),
    "src/biorobust/attacks/pgd.py": learning("attacks") | {"compare"},
    "src/biorobust/networks/resnet.py": learning("networks"),
    "src/biorobust/analysis/deviation.py": learning("analysis"),
    "src/biorobust/statistics/thresholds.py": learning("statistics") | {"compare"},
    "src/biorobust/reporting/claims.py": set(),
    "src/biorobust/kwta/report/summary.py": {"compare"},
    "reports/templates/report.html.j2": {"report"},
    "docs/protocol.md": {"report"},
    **{
        f"src/biorobust/{study}/model/{path.name}": learning(study)
        for study in STUDIES
        for path in (ROOT / f"src/biorobust/{study}/model").glob("*.py")
    },
}


def test_an_edit_of_a_file_reaches_the_stages_that_use_it(index):
    code = [(stage.name.partition("@")[0], code_of(stage)) for stage in index.stages]
    for file, stages in EDITED.items():
        assert (ROOT / file).is_file()
        reached = {name for name, deps in code if covers(deps, file)}
        assert (file, reached) == (file, stages | (DRAWING if file.startswith("src/") else set()))


# What only reads and checks params.yaml: what it gives a stage stands among the stage's parameters.
DOORS = [f"src/biorobust/{study}/__init__.py" for study in STUDIES]  # look names up
READ = [f"src/biorobust/{name}.py" for name in ("__init__", "params", "studies", "attack_names")]
CHECKING = (*READ, *DOORS, "stages/__init__.py", "stages/common.py")
REGISTRY = "src/biorobust/reporting/registry.py"  # imports studies by their names


@functools.cache
def imported(path):
    """Files of the project that a file imports, directly, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            base = ("src/" if name.startswith("biorobust") else "") + name.replace(".", "/")
            found |= {file for file in (f"{base}.py", f"{base}/__init__.py") if (ROOT / file).is_file()}
    if path == REGISTRY:
        found |= {f"src/biorobust/{study}/report/chapter.py" for study in STUDIES}
    return {file for file in found if file.startswith(("src/biorobust/", "stages/", "benchmarks/"))}


def behind(path):
    """All files that a program loads; what checks parameters is not followed, as it knows every study."""
    known, todo = set(), {path}
    while todo:
        file = todo.pop()
        known.add(file)
        if file not in CHECKING and not file.startswith("src/biorobust/datasets/"):
            todo |= imported(file) - known
    aside = (*CHECKING, "src/biorobust/datasets/")  # the stored data are a dependency themselves
    return {file for file in known if not file.startswith(aside) and not file.endswith("/params.py")}


def test_every_stage_depends_on_the_code_that_decides_its_numbers(index):
    networks = {name: module.replace(".", "/") for name, (module, _) in architectures().items()}
    rooms = {Path(path).name for path in (ROOT / "src/biorobust").iterdir() if path.is_dir()}
    for stage in index.stages:
        name = stage.name.partition("@")[0]
        if name == "download":
            continue  # what stores an array decides none of it
        programs = re.findall(r"python -m ([\w.]+)", str(stage.cmd))
        needed = set().union(*(behind(program.replace(".", "/") + ".py") for program in programs))
        study = next((room for room in rooms if f"_{room}" in f"_{stage.name}"), None)
        if "core/runs.py" in " ".join(needed):
            needed |= {f"src/{path}.py" for path in networks.values() if f"/{study}/" in path}
        lost = {file for file in needed if not covers(code_of(stage), file)}
        assert (name, lost) == (name, set())
