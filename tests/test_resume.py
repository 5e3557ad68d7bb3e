"""A kept state is refused after an edit of any module it depends on, and of none that it does not."""

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import biorobust
import stages
from biorobust.core import work

ROOT = Path(__file__).parent.parent
# What is kept, the modules that the stage names for it, and modules among those behind them that are easily missed.
STATES = {
    "hebbian units": (["hebbian.model.pretraining"], ["hebbian.model.rule", "hebbian.model.diagnostics"]),
    "CNN-F": (["cnnf.model.training", "core.tensors"], ["attacks.pgd", "attacks.gradient", "cnnf.model.pooled"]),
    "attack on k-WTA": (["kwta.model.attacking"], ["attacks.deepfool", "attacks.pgd", "kwta.model.selection"]),
    "layers": (
        ["vonenet.model.measurements", "core.runs", "core.tensors", "core.training"],
        ["analysis.capture", "vonenet.model.block", "vonenet.model.models", "vonenet.model.stimuli", "attacks.noise"],
    ),
}
LOADED = """
import importlib, json, sys
found = []
for names in json.loads(sys.argv[1]):
    for name in [name for name in sys.modules if name.split(".")[0] in ("biorobust", "stages")]:
        del sys.modules[name]
    for name in names:
        importlib.import_module(f"biorobust.{name}")
    found.append([name for name in sys.modules if name.split(".")[0] in ("biorobust", "stages")])
print(json.dumps(found))
"""


def test_an_edit_of_any_module_behind_a_state_refuses_it(tmp_path, monkeypatch):
    command = [sys.executable, "-c", LOADED, json.dumps([names for names, _ in STATES.values()])]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    # What Python itself loads when the modules of each state are imported: the least it can depend on.
    for loaded, (names, missed) in zip(json.loads(done.stdout), STATES.values(), strict=True):
        code = tuple(import_module(f"biorobust.{name}") for name in names)
        needed = {*loaded, *(f"biorobust.{module}" for module in missed)}
        assert len(needed) > 15
        assert needed - set(work.sources(code)) == set()

    for package, folder in ((biorobust, ROOT / "src/biorobust"), (stages, ROOT / "stages")):
        shutil.copytree(folder, tmp_path / package.__name__, ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(package, "__path__", [str(tmp_path / package.__name__)])
    monkeypatch.setenv("BIOROBUST_WORK", str(tmp_path / "work"))

    def found_after_an_edit(module):
        file = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
        before = file.read_text()
        file.write_text(before + "\n# edited\n")
        found = work.load_state(work.state_path("state", {"seed": 0}, code=code))
        file.write_text(before)
        return found

    work.save_state(work.state_path("state", {"seed": 0}, code=code), {"epoch": 3})
    assert found_after_an_edit("biorobust.vonenet.model.block") is None
    for module in ("biorobust.reporting.render", "biorobust.cnnf.model.evaluation", "stages.report"):
        assert found_after_an_edit(module) == {"epoch": 3}
