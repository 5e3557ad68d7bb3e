"""What a scale leaves out: stages say so at once, tables and figures in one line, params.yaml names what exists."""

import subprocess
import sys

import pytest
import yaml
from edits import project
from report_checkout import ROOT, only, write_checkout

from biorobust import params
from biorobust.core import places
from biorobust.core.errors import ParamsError
from biorobust.core.files import read_json, write_json
from biorobust.core.left_out import has_run
from biorobust.reporting.labels import label
from biorobust.reporting.table import read
from stages import tables

SENTENCE = "Not at this scale (laptop): "


def test_a_field_of_runs_holds_all_none_or_those_it_names():
    assert [has_run(runs, "a") for runs in ("all", "none", ("a", "b"), ("b",))] == [True, False, True, False]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("cnnf_grid", "some", "scales.tiny.cnnf_grid.trained = 'some': must be all, none or a list of names"),
        ("cnnf_grid", ["t4-r0"], "scales.tiny.cnnf_grid.trained: no run 't4-r0'; known are t1-r0"),
        ("kwta_cells", ["resnet18"], "kwta_cells.trained = .*each one of resnet18-cifar10, resnet18-svhn, "),
    ],
)
def test_runs_that_a_scale_cannot_have_are_named(key, value, message):
    raw = project()
    raw["scales"]["tiny"][key]["trained"] = value
    with pytest.raises(ParamsError, match=message):
        params.check(raw)


def test_cnnf_tables_say_once_what_is_left_out(tmp_path):
    with only("cnnf"):
        root = write_checkout(tmp_path, study="cnnf", scale="laptop", seeds=(0,))
        tables.write(root)
        found = read(root / "reports/tables/current")
        variants = project()["cnnf_variants"]
        assert {row["network"] for row in found["cnnf-accuracy"].rows} == set(map(label, project()["cnnf_runs"]))
        assert SENTENCE in found["cnnf-accuracy"].caption
        assert found["cnnf-accuracy"].caption.count(",") >= len(variants) - 1
        grid = found["cnnf-grid"]
        assert grid.caption.endswith(f"{SENTENCE}all.")
        assert all(row["noisy"] in (None, "") for row in grid.rows)
        assert len(found["cnnf-noise"].rows) == 3


def test_stages_that_have_nothing_to_do_say_so_without_torch_or_data(tmp_path):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(project(scale="laptop")))
    for name in ("mnist", "cifar10", "svhn", "emnist_letters"):
        provenance = {"name": name, "source": "bundled", "fidelity": "stand-in", "sha256": "0"}
        write_json(tmp_path / f"reports/metrics/data/{name}.json", provenance)
    commands = {
        "ablate_kwta": "ablations/collapse-relu",
        "time_kwta": "timing/kwta",
        "train_kwta pretrained-kwta": "train/resnet18-svhn-pretrained-kwta",
        "train_kwta transferred": "train/resnet18-svhn-transferred-kwta",
        "train_cnnf cnnf_grid": "train/t1-r0",
        "adapt hebbian": "attack/end-to-end-adaptive",
    }
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}]; from importlib import import_module\n"
        f"for name, *arguments in {[command.split() for command in commands]}:\n"
        " import_module(f'stages.{name}').main(arguments)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr
    for metrics in commands.values():
        found = read_json(places.find(tmp_path / "reports/metrics", f"{metrics}.json"))
        assert found["status"] == "unavailable"
        assert found["reason"].startswith("not at this scale (laptop): see ")
