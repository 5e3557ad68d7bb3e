"""README.md shows the newest recorded run, as rendered from its metrics, and nothing typed."""

import re
from pathlib import Path

import pytest
from fake_hebbian import write_metrics
from report_checkout import only, write_checkout

from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, write_json
from biorobust.hebbian.report.tables import tables
from biorobust.reporting.labels import label
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.registry import STUDIES, read_params
from stages import readme

ROOT = Path(__file__).resolve().parent.parent


def test_the_readme_is_up_to_date():
    text = (ROOT / "README.md").read_text()
    assert readme.with_results(text, root=ROOT) == text


def block(content):
    return f"before\n<!-- recorded results: begin -->\n{content}<!-- recorded results: end -->\nafter\n"


def test_a_stale_readme_is_found_and_only_the_block_is_replaced(tmp_path, monkeypatch):
    root = write_checkout(tmp_path / "here", scale="tiny", seeds=(0,))
    monkeypatch.chdir(root)
    (root / "README.md").write_text(block("old\n"))
    with only("hebbian"):
        with pytest.raises(BiorobustError, match=re.escape("run `python -m stages.readme`")):
            readme.main(["--check"])
        readme.main([])
        readme.main(["--check"])
    assert (root / "README.md").read_text() == block("No recorded run yet.\n")
    with pytest.raises(BiorobustError, match="lost the markers"):
        readme.with_results("nothing here", root=root)


def test_a_seed_that_went_wrong_is_named_and_not_averaged(tmp_path):
    write_metrics(tmp_path)
    path = tmp_path / "train/report-uniform.json"
    unharmed, study = read_json(path), STUDIES["hebbian"](read_params(ROOT / "params.yaml"))
    for values, words, averaged in (
        ({"correct": 5000}, "under-trained", True),  # half of the images: found by its accuracy, no training says so
        ({"diverged": True}, "diverged", False),
        ({"collapsed": True, "correct": 1000}, "collapsed", False),  # and nothing else
    ):
        first, second, *others = unharmed["per_seed"]
        write_json(path, unharmed | {"per_seed": [first, second | values, *others]})
        accuracy = next(table for table in tables(Measurements(tmp_path), study, []) if table.id == "hebbian-accuracy")
        row = next(row for row in accuracy.rows if row["network"] == label("report-uniform"))
        assert row["state"] == f"seed 1 {words}"
        assert (row["ours"] is not None) == averaged
