"""The ledger of every recorded run stays as it is: each claim under each reading, part by part, without the wording.

`python -m tests.test_ledgers NAME ...` writes tests/ledgers/NAME.json, for a new recorded run or a change of verdicts
that is meant. Only `ledger_of` knows the code that judges.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stages import ROOT  # puts this checkout's src first

# isort: split
from biorobust.core.files import read_json, sha256, write_text
from biorobust.reporting import claim_file
from biorobust.reporting.claim import Claim
from biorobust.reporting.claims import judge
from biorobust.reporting.measurements import Measurements

RECORDED = ROOT / "reports/recorded"
LEDGERS = ROOT / "tests/ledgers"
FIELDS = (
    *("label", "rule", "eps", "reported", "reported_against", "measured", "against", "low", "high", "ratio"),
    *("difference", "p", "n_images", "n_seeds", "verdict", "provisional", "counts"),
)
NAMES = sorted({path.parent.name for path in RECORDED.glob("*/manifest.json")} | {p.stem for p in LEDGERS.glob("*")})


@cache
def _claims() -> list[Claim]:
    return claim_file.load(ROOT / "reports/claims")


def ledger_of(snapshot: Path) -> dict[str, Any]:
    """How the claims of this checkout judge a recorded run: what `python -m stages.tables` writes, as plain data."""
    claims, metrics = _claims(), Measurements(snapshot / "metrics")
    studies = read_json(snapshot / "manifest.json")["studies"]
    judged = [item for name in studies for item in judge([claim for claim in claims if claim.study == name], metrics)]
    return {
        "snapshot": snapshot.name,
        "manifest_sha256": sha256(snapshot / "manifest.json"),
        "claims": [
            {
                "claim": item.claim.id,
                "reading": item.reading.name if item.reading else None,
                "counted": item.counted,
                "verdict": item.verdict,
                "provisional": item.provisional,
                "parts": [{field: _plain(getattr(part, field)) for field in FIELDS} for part in item.parts],
            }
            for item in judged
        ],
    }


def _plain(value: Any) -> Any:
    """To 9 digits, so that another order of summing is no other number."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def as_text(ledger: dict[str, Any]) -> str:
    """JSON with a line for each part; what a part does not have is left out."""
    head = {key: ledger[key] for key in ("snapshot", "manifest_sha256")}
    claims = []
    for item in ledger["claims"]:
        parts = (json.dumps({k: v for k, v in part.items() if v is not None}) for part in item["parts"])
        start = json.dumps({key: value for key, value in item.items() if key != "parts"})[:-1]
        claims.append(f'{start}, "parts": [\n  ' + ",\n  ".join(parts) + "]}")
    return json.dumps(head)[:-1] + ', "claims": [\n' + ",\n".join(claims) + "]}\n"


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """A line for every value that differs: snapshot, claim, part, field, old -> new."""
    before, after = dict(_values(old)), dict(_values(new))
    return [
        f"{new['snapshot']}: {', '.join(place)}: {before.get(place)!r} -> {after.get(place)!r}"
        for place in sorted(before.keys() | after.keys())
        if not _same(before.get(place), after.get(place))
    ]


def _same(old: Any, new: Any) -> bool:
    return old == new or (isinstance(new, (float, list)) and old == pytest.approx(new, rel=1e-8, abs=1e-12))


def _values(ledger: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(claim and reading, part, field) -> value, in one table."""
    yield ("manifest_sha256",), ledger["manifest_sha256"]
    for item in ledger["claims"]:
        claim = f"{item['claim']} ({item['reading']})" if item["reading"] else item["claim"]
        for key in ("counted", "verdict", "provisional"):
            yield (claim, key), item[key]
        for part in item["parts"]:
            name = part["label"] if part.get("eps") is None else f"{part['label']} (eps {part['eps']})"
            yield from (((claim, name, field), part.get(field)) for field in FIELDS)


def problems(name: str, *, ledgers: Path = LEDGERS) -> list[str]:
    if not (RECORDED / name).is_dir():
        return [f"{name}: no such recorded run any more: delete tests/ledgers/{name}.json"]
    if not (ledgers / f"{name}.json").exists():
        return [f"{name}: has no ledger: write it with `python -m tests.test_ledgers {name}`"]
    return differences(read_json(ledgers / f"{name}.json"), ledger_of(RECORDED / name))


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_run_is_judged_as_before(name: str) -> None:
    found = problems(name)
    assert not found, "\n".join(["", *found, f"If that is meant: python -m tests.test_ledgers {name}"])


def test_a_recorded_run_without_a_ledger_is_named_with_the_command(tmp_path: Path) -> None:
    (line,) = problems(NAMES[0], ledgers=tmp_path)
    assert f"python -m tests.test_ledgers {NAMES[0]}" in line


if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - set(NAMES):
        sys.exit(f"no recorded run {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for given in sys.argv[1:]:
        write_text(LEDGERS / f"{given}.json", as_text(ledger_of(RECORDED / given)))
