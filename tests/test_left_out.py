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
        ("cnnf_variants", ["longer", "longer"], "must be all, none or a list of names without repeats"),
        ("cnnf_grid", ["t4-r0"], "scales.tiny.cnnf_grid.trained: no run 't4-r0'; known are t1-r0"),
        ("kwta_cells", ["resnet18"], "kwta_cells.trained = .*each one of resnet18-cifar10, resnet18-svhn, "),
        ("kwta_ablation", ["clap"], "scales.tiny.kwta_ablation.trained: no run 'clap'; known are collapse"),
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


@pytest.mark.parametrize(
    ("module", "arguments", "metrics"),
    [
        ("stages.ablate_kwta", [], "ablations/collapse-relu"),
        ("stages.time_kwta", [], "timing/kwta"),
        ("stages.train_kwta", ["pretrained-kwta"], "train/resnet18-svhn-pretrained-kwta"),
        ("stages.train_kwta", ["transferred"], "train/resnet18-svhn-transferred-kwta"),
        ("stages.train_cnnf", ["cnnf_grid"], "train/t1-r0"),
    ],
)
def test_a_stage_that_has_nothing_to_do_says_so_without_torch_or_data(module, arguments, metrics, tmp_path):
    raw = project(scale="laptop")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    for name in ("cifar10", "svhn", "emnist_letters"):
        provenance = {"name": name, "source": "bundled", "fidelity": "stand-in", "sha256": "0"}
        write_json(tmp_path / f"reports/metrics/data/{name}.json", provenance)
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}]; from importlib import import_module; "
        f"import_module({module!r}).main({arguments!r}); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr
    found = read_json(places.find(tmp_path / "reports/metrics", f"{metrics}.json"))
    assert found["status"] == "unavailable"
    assert found["reason"].startswith("not at this scale (laptop): see ")
