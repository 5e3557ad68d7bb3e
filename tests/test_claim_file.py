"""The strict reading of a file of claims: what cannot be judged is one clear line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from biorobust.reporting.claim import Claim
from biorobust.reporting.claim_file import ClaimsError, load
from biorobust.statistics import THRESHOLDS


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


def test_a_smallest_number_of_images_has_a_name(tmp_path: Path) -> None:
    raw = minimal()
    raw["recipes"]["size"] = {"n_images": {"at_least": "kwta-svhn", "reported": 1280}}
    (claim,) = loaded(tmp_path, raw)
    ((_, settings),) = claim.under(claim.readings[0])[0].requires
    assert settings == {"n_images": {"at_least": THRESHOLDS.images("kwta-svhn"), "reported": 1280}}


def test_a_claim_may_hold_only_with_every_part(tmp_path: Path) -> None:
    raw = minimal()
    assert not loaded(tmp_path, raw)[0].every
    raw["claims"][0]["holds"] = "every part"
    assert loaded(tmp_path, raw)[0].every


@pytest.mark.parametrize(
    ("printed", "asked", "errors"),
    [
        ((0.96, 0.97), {}, True),
        ((0.95, 0.97), {}, False),  # not above .95
        ((0.50, 0.52), {}, False),
        ((0.50, 0.52), {"errors": True}, True),
        (None, {}, False),
        (None, {"errors": True}, True),
    ],
)
def test_errors_are_compared_where_a_report_prints_high_accuracies_or_a_part_asks(
    tmp_path: Path, printed: tuple[float, float] | None, asked: dict[str, bool], errors: bool
) -> None:
    raw = minimal()
    part = {"label": "alike", "rule": "no difference", "quantity": CLEAN, "against": {"accuracy": "other"}, **asked}
    if printed:
        names = ("reported", "reported_against")
        part |= dict(zip(names, names, strict=True))
        raw["published"] |= {
            name: {"n": 100, "accuracy": {0.0: value}} for name, value in zip(names, printed, strict=True)
        }
    raw["claims"][0]["parts"] = [part]
    assert loaded(tmp_path, raw)[0].checks[0].errors is errors


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
REACHED = {"reached": "{run}", "attack": "pgd-targeted"}
LOGGED = {"value": "psnr", "of": "train/{run}"}
DISTANCE = {"curve_distance": "{run}", "attack": "fgsm", "published": "curve"}


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
        (
            lambda raw: raw["recipes"]["size"].update(n_images={"at_least": "mnist"}),
            "recipes.size.n_images: no smallest number of images for 'mnist': known are cnnf, kwta-cifar10",
        ),
        (in_claim(verdict="reproduced"), "T1: key: 'verdict' is not one of"),
        (in_claim(holds="most parts"), "T1.holds: 'most parts' is not one of every part"),
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
        (in_part(quantity=CLEAN), "`at` is for quantities of an attack"),
        (in_part(quantity={"accuracy": "{net}", "attack": "fgsm"}), "'net' cannot be filled in: it is not among the"),
        (in_part(quantity=ATTACKED | {"images": "noisy"}), "attacked images are clean ones; give attack or images"),
        (
            in_part("at", quantity=CLEAN | {"images": "dark"}, reported=0.5),
            "images: 'dark' is not one of clean, noisy, blurred",
        ),
        (in_part(quantity={"accuracy": "a", "attack": "b", "eps": 1}), "quantity: key: 'eps' is not one of"),
        (in_part(quantity={"value": "share"}), "quantity.of: missing key"),
        (in_part(quantity={"attack": "fgsm"}), "quantity: need exactly one of accuracy"),
        (in_part(at_least=0.1), "at_least and at_most are for thresholds"),
        (in_part("reported", rule="threshold"), "a threshold needs at_least, at_most or both"),
        (in_part("reported", rule="order"), "an order of accuracies needs `against`"),
        (in_part("reported", rule="order", against=REACHED, smallest=0.1), "order needs two quantities of one kind"),
        (in_part("reported", rule="no difference"), "no difference needs the accuracy of two runs"),
        (
            in_part("reported", rule="no difference", quantity=REACHED, against=REACHED),
            "needs the accuracy of two runs",
        ),
        (in_part("at", "reported", rule="order", quantity=LOGGED), "other values than accuracies needs `smallest`"),
        (in_part("reported", rule="order", quantity=REACHED, against=REACHED), "accuracies needs `smallest`"),
        (
            in_part("reported", rule="order", against=ATTACKED, smallest=0.02),
            "`smallest` is for an order of other values",
        ),
        (in_part(smallest=0.02), "`smallest` is for an order of other values"),
        (in_part("at", quantity=LOGGED, reported=0.5, smallest=0.02), "`smallest` is for an order of other values"),
        (in_part("reported", rule="order", quantity=LOGGED, smallest="much"), "smallest: 'much' has the wrong type"),
        (in_part(errors=True), "`errors` is for no difference"),
        (in_part("reported", rule="order", against=ATTACKED, errors=True), "`errors` is for no difference"),
        (in_part("reported", rule="no difference", against=ATTACKED, errors=1), "errors: 1 has the wrong type"),
        (
            in_part("reported", rule="threshold", at_least=0.5, reported_against="curve"),
            "is for order and no difference",
        ),
        (
            in_part("reported", rule="threshold", at_least=0.5, quantity=DISTANCE, against=ATTACKED),
            "the distance of a curve stands alone",
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
