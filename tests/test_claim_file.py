"""The strict reading of a folder of claims: what cannot be judged is one clear line."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from made_up import ROOT
from report_checkout import claims_of
from small_metrics import network

from biorobust.core.files import write_text
from biorobust.reporting import claim_file, snapshot
from biorobust.reporting.claim_file import ClaimsError, load
from biorobust.reporting.claims import judge
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.registry import STUDIES
from biorobust.reporting.requirements import files
from biorobust.reporting.source import recorded

HEAD = "id,eps,value,n,source\n"
PRINTED = {("curve", 0.0): (0.9, 100), ("curve", 0.1): (0.5, 100), ("percent", 0.1): (97, 100)}
Change = Callable[[dict[str, Any]], object]


def minimal():
    part = {"label": "eps {eps}", "rule": "number", "at": [0.1], "reported": "curve"}
    part |= {"quantity": {"accuracy": "{run}", "attack": "fgsm"}}
    claim = {"id": "T1", "source": ["ours"], "where": "here", "statement": "It is so."}
    claim |= {"interpretations": ["one"], "parts": [part]}
    return {
        "recipes": {"size": {"epochs": 3}},
        "files": [{"train/a-run": "size", "attack/a-run": {"n_images": 10}}],
        "interpretations": {"one": {"words": "the one", "run": "a-run"}},
        "claims": [claim],
    }


def loaded(tmp_path, raw, *, printed=PRINTED):
    write_text(tmp_path / "claims/hebbian.yaml", yaml.safe_dump(raw, sort_keys=False))
    rows = [f"{name},{eps},{value},{n},a table\n" for (name, eps), (value, n) in printed.items()]
    write_text(tmp_path / "reported/hebbian.csv", HEAD + "".join(rows))
    return load(tmp_path / "claims")


def test_a_minimal_file_is_read(tmp_path):
    (claim,) = loaded(tmp_path, minimal())
    assert (claim.id, claim.study) == ("T1", "hebbian")
    (check,) = claim.checks
    assert (check.label, check.reported, check.reported_n) == ("eps 0.1", 0.5, 100)
    assert check.quantity.of == "a-run"
    assert check.requires == (("train/a-run", {"epochs": 3}), ("attack/a-run", {"n_images": 10}))


# --- slips ---


def in_claim(**changes):
    return lambda raw: raw["claims"][0].update(changes)


def in_part(*without, **changes):
    def change(raw):
        part = raw["claims"][0]["parts"][0] | changes
        raw["claims"][0]["parts"] = [{key: value for key, value in part.items() if key not in without}]

    return change


def in_size(**changes):
    return lambda raw: raw["recipes"]["size"].update(changes)


def in_files(**block):
    return lambda raw: raw["files"].append(block)


CLEAN = {"accuracy": "{run}"}
ATTACKED = {"accuracy": "{run}", "attack": "fgsm"}
REACHED = {"reached": "{run}", "attack": "pgd-targeted"}
LOGGED = {"value": "psnr", "of": "train/{run}"}
DISTANCE = {"curve_distance": "{run}", "attack": "fgsm", "published": "curve"}
ORDER = {"rule": "order", "against": ATTACKED}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.update(claim=raw.pop("claims")), "top: unknown key 'claim': known are recipes"),
        (in_size(epochs={"at_most": 3}), "recipes.size.epochs: key: 'at_most' is not one of at_least, reported"),
        (in_size(epochs={"at_least": [3]}), "size.epochs.at_least: must be a number, not [3]"),
        (in_claim(interpretations=["two"]), "T1.interpretations: 'two' is not one of one"),
        (in_claim(requires=["pretrain/a"]), "key of `files`: 'pretrain/a' is not one of train/a-run, attack/a-run"),
        (in_claim(statement="Of {network}."), "T1: nothing fills in {network}"),
        (lambda raw: raw["files"][0].update({"train/a-run": "sise"}), "files.train/a-run: 'sise' is not one of size"),
        (in_files(**{"train/a-run": []}), "files, block 2: train/a-run stands there twice"),
        (in_part(counts=False), "T1.parts: need at least one part that counts"),
        (in_part(recipes={"train/b": "size"}), "T1, part 1.recipes: 'train/b' is not one of train/a-run, attack/a-run"),
        (in_part("reported"), "T1, part 1: a number needs a reported value"),
        (in_part(reported="other"), "T1, part 1.reported: id in reported/hebbian.csv: 'other' is not one of curve"),
        (in_part(reported="percent"), "reported: percent is 97 in reported/hebbian.csv, no proportion in [0, 1]"),
        (in_part(at=[0.2]), "T1, part 1.reported: reported/hebbian.csv has no curve at eps 0.2"),
        (in_part("at"), "accuracy under attack needs `at`"),
        (in_part(quantity=CLEAN), "`at` is for quantities of an attack"),
        (in_part(quantity=ATTACKED | {"images": "noisy"}), "attacked images are clean ones; give attack or images"),
        (in_part(quantity={"value": "share"}), "T1, part 1.quantity: of is missing, which value needs"),
        (in_part(at_least=0.1), "T1, part 1: at_least is not for the rule number"),
        (in_part("reported", rule="threshold"), "a threshold needs at_least, at_most or both"),
        (
            in_part("reported", rule="threshold", at_least=0.5, quantity=DISTANCE, against=ATTACKED),
            "the distance of a curve stands alone",
        ),
        (in_part("reported", rule="order"), "an order of accuracies needs `against`"),
        (in_part(**ORDER), "order needs both reported values or none"),
        (in_part("reported", rule="order", against=REACHED, smallest=0.1), "order needs two quantities of one kind"),
        (in_part("at", "reported", rule="order", quantity=LOGGED), "no other, needs `smallest`"),
        (in_part("reported", **ORDER, smallest=0.02), "an order of other values than accuracies, and no other"),
        (in_part("reported", rule="no difference"), "no difference needs the accuracy of two runs"),
    ],
)
def test_what_cannot_be_judged_is_one_clear_line(tmp_path, change, message):
    raw = minimal()
    change(raw)
    with pytest.raises(ClaimsError) as error:
        loaded(tmp_path, raw)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'claims/hebbian.yaml'}: ")
    assert "\n" not in str(error.value)


def test_a_missing_or_broken_file_is_one_clear_line(tmp_path):
    with pytest.raises(ClaimsError, match="claims is missing"):
        load(tmp_path / "claims")
    for text, message in (("claims: [", "not valid YAML"), ("[]", "top: must be a block of keys")):
        write_text(tmp_path / "claims/hebbian.yaml", text)
        with pytest.raises(ClaimsError, match=message):
            load(tmp_path / "claims")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,value\n", "the first line must be id,eps,value,n,source"),
        ("é", "is not UTF-8 text: save it in that encoding"),
        (f"{HEAD}a,0,0.5,10,b,c\n", "line 2: has more than 5 values"),
        (f"{HEAD}a,8,0.5,10,t\n", "line 2: eps '8': Input should be less than or equal to 1"),
        (f"{HEAD}a,0,0.5,,t\na,0.0,0.5,,t\n", "line 3: a at eps 0 stands there twice"),
    ],
)
def test_a_slip_in_the_printed_numbers_is_one_clear_line(tmp_path, text, message):
    loaded(tmp_path, minimal())
    (tmp_path / "reported/hebbian.csv").write_text(text, encoding="latin-1")
    with pytest.raises(ClaimsError) as error:
        load(tmp_path / "claims")
    assert message in str(error.value)
    assert str(tmp_path / "reported/hebbian.csv") in str(error.value)


# --- the claims of this repository ---


@pytest.mark.parametrize(
    ("study", "old", "new", "message"),
    [
        ("hebbian", "end-to-end", "end-2-end", "params.yaml has no run behind train/end-2-end"),
        ("cnnf", "attack: pgd-targeted", "attack: pgd-target", "attack: 'pgd-target' is not one of fgsm-cross-entropy"),
        ("vonenet", "id: V7a", "id: K1", "K1: stands there twice"),
    ],
)
def test_a_name_that_this_checkout_does_not_have_is_one_clear_line(tmp_path, study, old, new, message):
    claims_of(*STUDIES, root=tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    path = tmp_path / f"reports/claims/{study}.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ClaimsError) as error:
        claim_file.of_checkout(tmp_path, complete=True)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


# Measured since the last recorded runs.
NEW = {f"blurred_{name}" for name in ("psnr_change", "psnr_gain", "margin_gain")}


def test_every_setting_and_logged_value_that_a_claim_names_was_written_by_a_recorded_run():
    """A slip in a name would leave its claim not run, and nobody would see why."""
    found = snapshot.snapshots(ROOT / snapshot.RECORDED)
    n_found = 0
    for claim in load(ROOT / "reports/claims"):
        if (newest := recorded(found, claim.study)) is None:
            continue  # a study that has not been recorded yet
        metrics = newest.metrics()
        for check in claim.every_check:
            there = {name: content for name in files(check) if (content := metrics.get(name)) is not None}
            there = {name: content for name, content in there.items() if content["status"] == "ok"}
            for name, settings in check.requires:
                if name in there:
                    assert set(settings) <= set(there[name]["settings"]), (claim.id, name)
            for quantity in check.quantities:
                if quantity.kind == "value" and quantity.of in there and quantity.key not in NEW:
                    n_found += 1
                    assert all(quantity.key in seed for seed in there[quantity.of]["per_seed"]), (claim.id, quantity)
    assert n_found >= 50


# --- what a recipe asks for ---


def test_what_the_report_had_is_named_and_stops_nothing(tmp_path):
    network(tmp_path, "a-run", [900], attacked={"fgsm": [{"correct": [400]}]})  # of 20 epochs
    raw = minimal() | {"files": [{"train/a-run": "size", "attack/a-run": []}]}
    raw["recipes"]["size"] = {"epochs": {"at_least": 10, "reported": 50}, "width": {"reported": 5}}
    (judged,) = judge(loaded(tmp_path, raw), Measurements(tmp_path))
    assert judged.verdict in ("reproduced", "partly", "not reproduced")
    assert judged.note == "not the report's epochs and width"
    raw["recipes"]["size"]["epochs"] = {"at_least": 30, "reported": 50}
    (judged,) = judge(loaded(tmp_path, raw), Measurements(tmp_path))
    assert judged.reason.startswith("epochs is 20, the claim needs at least 30")


def test_a_missing_measurement_has_its_own_reason(tmp_path):
    network(tmp_path, "a-run", [900], attacked={"fgsm": [{"correct": [400]}]})
    raw = minimal()
    in_part(missing="comes later", quantity={"accuracy": "{run}", "attack": "square"})(raw)
    (judged,) = judge(loaded(tmp_path, raw), Measurements(tmp_path))
    assert (judged.verdict, judged.reason) == ("not run", "comes later")
    assert judged.claim.checks[0].requires == ()  # nothing made it
