"""Rows of claims.yaml that are written out, sizes that are named, and measurements that are missing with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_metrics import write_metrics
from test_claim_file import loaded, minimal

from biorobust.reporting.claim_file import ClaimsError
from biorobust.reporting.claims import judge
from biorobust.reporting.metrics import Metrics


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("paper")
    write_metrics(root)
    return root


def test_a_part_is_written_out_for_every_combination(tmp_path: Path) -> None:
    raw = minimal()
    raw["series"] = {"tables": [{"cell": "a", "size": 0.1}, {"cell": "b", "size": 0.0}], "rows": [{"row": "x"}]}
    part = raw["claims"][0]["parts"][0]
    part |= {
        "each": ["tables", "rows"],
        "label": "{cell} {row}",
        "at": ["{size}"],
        "requires": {"train/{cell}": "size"},
    }
    part["quantity"] = {"accuracy": "{run}-{cell}", "attack": "fgsm"}
    (claim,) = loaded(tmp_path, raw)
    checks = claim.under(claim.readings[0])
    assert [(check.label, check.eps, check.quantity.of) for check in checks] == [
        ("a x", 0.1, "a-run-a"),
        ("b x", 0.0, "a-run-b"),
    ]
    assert [dict(check.requires).keys() - {"train/a-run"} for check in checks] == [{"train/a"}, {"train/b"}]
    part["each"] = ["tables", "columns"]
    with pytest.raises(ClaimsError, match=r"T1, part 1.each: 'columns' is not one of rows, tables"):
        loaded(tmp_path, raw)


def test_what_the_report_had_is_named_and_stops_nothing(tmp_path: Path, paper: Path) -> None:
    raw = minimal()
    raw["recipes"]["size"] = {"n_train": {"at_least": 1000, "reported": 100_000}, "epochs": {"reported": 5}}
    raw["readings"]["one"]["run"] = "simple-conv"
    raw["claims"][0]["parts"][0]["quantity"] = {"accuracy": "{run}", "attack": "fgsm-report"}
    (judged,) = judge(loaded(tmp_path, raw), Metrics(paper))
    assert judged.verdict in ("reproduced", "partly", "not reproduced")
    assert judged.note == "not the report's epochs and n_train"
    raw["recipes"]["size"]["n_train"] = {"at_least": 70_000, "reported": 100_000}
    (judged,) = judge(loaded(tmp_path, raw), Metrics(paper))
    assert judged.words.startswith("not run (n_train is 60000, the claim needs at least 70000")


def test_a_missing_measurement_has_its_own_reason(tmp_path: Path, paper: Path) -> None:
    raw = minimal()
    raw["recipes"]["size"] = {}
    raw["claims"][0]["parts"][0] |= {"missing": "comes later", "quantity": {"accuracy": "{run}", "attack": "square"}}
    raw["readings"]["one"]["run"] = "simple-conv"
    (judged,) = judge(loaded(tmp_path, raw), Metrics(paper))
    assert judged.words == "not run (comes later)"
