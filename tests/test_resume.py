"""A kept state is refused after an edit of any module it depends on, and of none that it does not."""

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import biorobust
import stages
from biorobust.core import work

ROOT = Path(__file__).parent.parent
# What is kept, the modules that the stage names for it, and modules among those behind them that are easily missed.
STATES = {
    "hebbian units": (
        ["biorobust.hebbian.model.pretraining"],
        ["hebbian.model.rule", "hebbian.model.diagnostics", "core.tensors"],
    ),
    "readout, control": (
        ["biorobust.hebbian.model.experiments", "biorobust.hebbian.model.controls"],
        ["hebbian.model.classifier", "hebbian.model.controls", "hebbian.model.readout", "core.training"],
    ),
    "CNN-F": (
        ["biorobust.cnnf.model.training", "biorobust.core.tensors"],
        ["attacks.pgd", "attacks.gradient", "cnnf.model.pooled"],
    ),
    "k-WTA": (["biorobust.kwta.model.training"], ["kwta.model.selection", "networks.pixels", "core.augment"]),
    "attack on k-WTA": (
        ["biorobust.kwta.model.attacking"],
        ["attacks.deepfool", "attacks.pgd", "kwta.model.selection"],
    ),
    "VOneNet": (["biorobust.vonenet.model.training"], ["vonenet.model.block", "networks.resnet"]),
    "perturbed images": (
        [f"biorobust.{module}" for module in ("vonenet.model.stimuli", "core.runs", "core.tensors")],
        ["attacks.deepfool", "vonenet.model.block", "vonenet.model.stimuli"],
    ),
    "layers": (
        [
            f"biorobust.{module}"
            for module in ("vonenet.model.measurements", "core.runs", "core.tensors", "core.training")
        ],
        [
            "analysis.capture",
            "vonenet.model.block",
            "vonenet.model.models",
            "vonenet.model.stimuli",
            "attacks.pgd",
            "attacks.noise",
        ],
    ),
}
LOADED = """
import importlib, json, sys
found = []
for names in json.loads(sys.argv[1]):
    for name in [name for name in sys.modules if name.split(".")[0] in ("biorobust", "stages")]:
        del sys.modules[name]
    for name in names:
        importlib.import_module(name)
    found.append([name for name in sys.modules if name.split(".")[0] in ("biorobust", "stages")])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def loaded():
    """What Python itself loads when the modules of each state are imported: the least it can depend on."""
    command = [sys.executable, "-c", LOADED, json.dumps([names for names, _ in STATES.values()])]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return dict(zip(STATES, json.loads(done.stdout), strict=True))


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of all sources in the place of the real ones, for whoever reads them from now on."""
    for package, folder in ((biorobust, ROOT / "src/biorobust"), (stages, ROOT / "stages")):
        shutil.copytree(folder, tmp_path / package.__name__, ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(package, "__path__", [str(tmp_path / package.__name__)])
    return tmp_path


@pytest.mark.parametrize("kept", STATES)
def test_an_edit_of_any_module_behind_a_state_refuses_it(kept, loaded, copy, monkeypatch):
    monkeypatch.setenv("BIOROBUST_WORK", str(copy / "work"))
    names, missed = STATES[kept]
    code = tuple(sys.modules.get(name) or import_module(name) for name in names)

    def load():
        return work.load_state(work.state_path("state", {"seed": 0}, code=code))

    def edited(module):
        file = copy.joinpath(*module.split("."))
        file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
        before = file.read_text()
        file.write_text(before + "\n# edited\n")
        found = load()
        file.write_text(before)
        return found

    work.save_state(work.state_path("state", {"seed": 0}, code=code), {"epoch": 3})
    needed = {*loaded[kept], *(f"biorobust.{module}" for module in missed)}
    assert len(needed) > 15
    assert needed - set(work.sources(code)) == set()
    for module in missed:
        assert edited(f"biorobust.{module}") is None
    for module in ("biorobust.reporting.render", "biorobust.cnnf.model.evaluation", "stages.report"):
        assert edited(module) == {"epoch": 3}
