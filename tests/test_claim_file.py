"""The strict reading of a file of claims: what cannot be judged is one clear line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from biorobust.reporting.claim import Claim
from biorobust.reporting.claim_file import ClaimsError, load


def minimal() -> dict[str, Any]:
    part = {"label": "eps {eps}", "rule": "number", "at": [0.1], "reported": "curve"}
    part |= {"quantity": {"accuracy": "{run}", "attack": "fgsm"}}
    claim = {"id": "T1", "study": "hebbian", "source": ["ours"], "where": "here", "statement": "It is so."}
    claim |= {"readings": ["one"], "requires": {"train/{run}": "size"}, "parts": [part]}
    return {
        "recipes": {"size": {"epochs": 3}},
        "readings": {"one": {"words": "the one", "run": "a-run", "weights": "a-weights"}},
        "published": {"curve": {"n": 100, "accuracy": {0.0: 0.9, 0.1: 0.5}}},
        "claims": [claim],
    }


def loaded(tmp_path: Path, raw: dict[str, Any]) -> list[Claim]:
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump(raw))
    return load(path)


def test_a_minimal_file_is_read(tmp_path: Path) -> None:
    (claim,) = loaded(tmp_path, minimal())
    (check,) = claim.under(claim.readings[0])
    assert (check.label, check.reported, check.reported_n) == ("eps 0.1", 0.5, 100)
    assert check.quantity.of == "a-run"
    assert check.requires == (("train/a-run", {"epochs": 3}),)


def test_a_file_may_have_to_fit_several_recipes(tmp_path: Path) -> None:
    raw = minimal()
    raw["recipes"]["wide"] = {"width": 64}
    raw["claims"][0]["requires"] = {"train/{run}": ["size", "wide"]}
    (claim,) = loaded(tmp_path, raw)
    assert claim.under(claim.readings[0])[0].requires == (("train/a-run", {"epochs": 3, "width": 64}),)


def in_claim(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda raw: raw["claims"][0].update(changes)


def in_part(*without: str, **changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(raw: dict[str, Any]) -> None:
        part = raw["claims"][0]["parts"][0]
        part.update(changes)
        for key in without:
            del part[key]

    return change


CLEAN = {"accuracy": "{run}"}
ATTACKED = {"accuracy": "{run}", "attack": "fgsm"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.update(claim=[]), "top: key: 'claim' is not one of"),
        (lambda raw: raw.pop("recipes"), "top.recipes: missing key"),
        (lambda raw: raw["claims"].append(raw["claims"][0]), "T1: stands there twice"),
        (lambda raw: raw["published"]["curve"]["accuracy"].update({0.2: 50}), "published.curve.accuracy: 0.2: 50"),
        (
            lambda raw: raw["recipes"]["size"].update(epochs={"at_most": 3}),
            "recipes.size.epochs: key: 'at_most' is not",
        ),
        (in_claim(verdict="reproduced"), "T1: key: 'verdict' is not one of"),
        (in_claim(source=["a friend"]), "T1.source: 'a friend' is not one of report text"),
        (in_claim(readings=["two"]), "T1.readings: 'two' is not one of one"),
        (in_claim(requires={"train/{run}": "sise"}), "'sise' is not one of size"),
        (in_claim(statement=""), "T1.statement: '' has the wrong type"),
        (in_claim(parts=[]), "T1.parts: need at least one part that counts"),
        (in_claim(readings=[]), "T1: 'run' cannot be filled in: it is not among the names, and there are no readings"),
        (in_part(counts=False), "T1.parts: need at least one part that counts"),
        (in_part(rule="guess"), "T1, part 1.rule: 'guess' is not one of number, order"),
        (in_part("reported"), "T1, part 1: a number needs a reported value"),
        (in_part(reported="other"), "'other' is not one of curve"),
        (in_part(reported=True), "T1, part 1.reported: True has the wrong type"),
        (in_part(at=[0.2]), "the published curve 'curve' has no value at eps 0.2"),
        (in_part(at=["strong"]), "'strong' is no epsilon"),
        (in_part("at"), "accuracy under attack needs `at`"),
        (in_part(quantity=CLEAN), "`at` is for accuracy under attack"),
        (in_part(quantity={"accuracy": "{net}", "attack": "fgsm"}), "'net' cannot be filled in: it is not among the"),
        (in_part(quantity=ATTACKED | {"images": "noisy"}), "attacked images are clean ones; give attack or images"),
        (
            in_part("at", quantity=CLEAN | {"images": "blurred"}, reported=0.5),
            "images: 'blurred' is not one of clean",
        ),
        (
            in_part("at", "reported", rule="order", quantity=CLEAN, against=CLEAN | {"images": "noisy"}),
            "order needs the same images for both",
        ),
        (in_part(quantity={"accuracy": "a", "attack": "b", "eps": 1}), "quantity: key: 'eps' is not one of"),
        (in_part(quantity={"value": "share"}), "quantity.of: missing key"),
        (in_part(quantity={"attack": "fgsm"}), "quantity: need exactly one of accuracy"),
        (in_part(at_least=0.1), "at_least and at_most are for figures"),
        (in_part("reported", rule="figure"), "a figure needs at_least, at_most or both"),
        (in_part("reported", rule="order"), "order needs the accuracy of two runs"),
        (
            in_part("reported", rule="order", against=CLEAN),
            "order needs the accuracy of two runs under the same attack",
        ),
        (in_part(rule="order", against=ATTACKED), "order needs both published curves or none"),
        (in_part(against=ATTACKED), "a number has nothing to stand against"),
    ],
)
def test_what_cannot_be_judged_is_one_clear_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    raw = minimal()
    change(raw)
    with pytest.raises(ClaimsError) as error:
        loaded(tmp_path, raw)
    assert message in str(error.value)
    assert str(tmp_path / "claims.yaml") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_or_broken_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ClaimsError, match="is missing"):
        load(tmp_path / "claims.yaml")
    (tmp_path / "claims.yaml").write_text("claims: [")
    with pytest.raises(ClaimsError, match="not valid YAML"):
        load(tmp_path / "claims.yaml")
