"""README.md shows the newest recorded run, as rendered from its metrics, and nothing typed."""

import re
from pathlib import Path

import pytest
from fake_metrics import write_metrics
from report_checkout import draw_and_tabulate, record, write_checkout

from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, write_json
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.render import render_template
from biorobust.reporting.study import hebbian, read_params
from biorobust.reporting.tables.hebbian import tables
from stages import readme

ROOT = Path(__file__).resolve().parent.parent


def test_the_readme_is_up_to_date():
    text = (ROOT / "README.md").read_text()
    assert readme.with_results(text, root=ROOT) == text


def test_results_come_from_the_recorded_run(tmp_path):
    root = write_checkout(tmp_path / "here", scale="tiny", fidelity="stand-in", seeds=(0,))
    assert "No recorded run yet" in render_template(root, "readme.md.j2")
    record(root, write_checkout(tmp_path / "there"), "big-run")
    draw_and_tabulate(root)
    block = render_template(root, "readme.md.j2")
    assert "`big-run`: scale paper" in block
    assert [line.split("|")[1].strip() for line in block.splitlines() if line.startswith("| H")] == [
        f"H{number}" for number in range(1, 9)
    ]
    assert "not testable" not in block  # that would be the current run's stand-in data


def block(content):
    return f"before\n<!-- recorded results: begin -->\n{content}<!-- recorded results: end -->\nafter\n"


def test_only_the_block_is_replaced(tmp_path):
    root = write_checkout(tmp_path / "here")
    filled = readme.with_results(block("old\n"), root=root)
    assert filled == block("No recorded run yet.\n")
    assert readme.with_results(filled, root=root) == filled
    with pytest.raises(BiorobustError, match="lost the markers"):
        readme.with_results("nothing here", root=root)


def test_a_stale_readme_is_found(tmp_path, monkeypatch):
    root = write_checkout(tmp_path / "here")
    monkeypatch.chdir(root)
    (root / "README.md").write_text(block("old\n"))
    with pytest.raises(BiorobustError, match=re.escape("run `python -m stages.readme`")):
        readme.main(["--check"])
    readme.main([])
    readme.main(["--check"])


@pytest.mark.parametrize("flag", ["under_trained", "collapsed", "diverged"])
def test_a_seed_that_went_wrong_is_named_and_not_averaged(tmp_path, flag):
    write_metrics(tmp_path)
    path = tmp_path / "train/report-uniform.json"
    found = read_json(path)
    found["per_seed"][1][flag] = True
    write_json(path, found)
    study = hebbian(read_params(ROOT / "params.yaml"))
    accuracy = next(table for table in tables(Metrics(tmp_path), study, []) if table.id == "hebbian-accuracy")
    row = next(row for row in accuracy.rows if row["run"] == "report-uniform")
    assert row["state"] == f"seed 1 {flag.replace('_', '-')}"
    assert (row["ours"] is None) == (flag != "under_trained")
