"""The comparison's part of the report: what is said of a defence beside its twin, and which signs of masking count."""

import pytest
from edits import ROOT

from biorobust.question.report.headline import Kept, signs_of_masking
from biorobust.question.report.tables import named
from biorobust.reporting.estimates import Estimate
from biorobust.reporting.registry import STUDIES, read_params
from biorobust.reporting.words import SHARED, paragraphs
from biorobust.statistics import THRESHOLDS, Difference


@pytest.fixture(scope="module")
def study():
    return STUDIES["question"](read_params(ROOT / "params.yaml"))


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.2, "It keeps more than its twin,"),
        (-0.2, -0.01, "It keeps less than its twin,"),
        (-0.009, 0.009, "The two differ by less than 1 point,"),
        (-0.023, 0.009, "It is not ahead of its twin by 1 point or more,"),
        (-0.009, 0.011, "Whether it keeps more than its twin is left open,"),
    ],
)
def test_a_defence_beside_its_twin_is_told_by_the_rule_of_an_order(low, high, said):
    ahead = Difference((low + high) / 2, low, high, 0.5)
    found = {"original": {"report": 0.8, "worst": 0.5, "twin": "end-to-end", "twins": 0.4, "ahead": ahead}}
    given = {"defences": found, "eps": 0.1, "smallest": THRESHOLDS.smallest_effect}
    assert said in paragraphs(SHARED, "adaptive_conclusions", **given)[0]
    found["original"] |= {"worst": 0.0, "twins": 0.0}
    (told,) = paragraphs(SHARED, "adaptive_conclusions", **given)
    assert ("Neither keeps an image," in told) == (low < 0.01 and high > -0.01)


@pytest.mark.parametrize(("low", "high", "said"), [(-0.2, -0.01, True), (-0.2, 0.01, False), (0.01, 0.2, False)])
def test_a_defence_that_keeps_less_than_its_twin_is_named_on_the_first_screen(low, high, said):
    ahead, kept = Difference((low + high) / 2, low, high, 0.5), Estimate(0.4, 0.3, 0.5, 500, 3)
    of_task = {"defences": {"cifar10": [Kept("cifar10-kwta-low", "k-WTA", kept, kept, ahead, ahead)]}}
    given = of_task | {"ahead": {"cifar10": []}, "eps": {"cifar10": 0.004}, "suspect": []}
    lead, *_ = paragraphs("question", "headline", verdict="not run", more=[], same=[], left_open=[], **given)
    assert ("On CIFAR-10 (ε\xa0=\xa00.004) k-WTA keeps less than its twin." in lead) == said


class Examined:
    """Metrics in which every network of MNIST has one sign of masked gradients."""

    def __init__(self, check):
        self.finding = {"check": check, "value": 0.16, "limit": 0.01, "flagged": True}

    def ran(self, name):
        return {"diagnostics": {"seed0": {"own": [self.finding]}}} if name.startswith("attack/mnist-") else None


@pytest.mark.parametrize(("check", "counts"), [("stable evaluation", False), ("zero gradients", True)])
def test_noise_alone_is_no_sign_of_masked_gradients(check, counts, study):
    found = signs_of_masking(Examined(check), study)
    assert ("mnist-v1" in found) == counts
    assert ("mnist-v1-noise-alone" in found) == counts
    assert found["mnist-plain"] == f"{check} 0.16, limit 0.01"


def test_a_network_is_called_with_its_data_set_only_beside_another_one(study):
    runs = ["mnist-kwta-low", "mnist-kwta-adversarial"]
    assert list(map(named(study, runs), runs)) == ["k-WTA (γ = 0.1)", "k-WTA (γ = 0.1), adversarial training"]
    both = ["mnist-kwta-low", "cifar10-plain"]
    assert list(map(named(study, both), both)) == ["k-WTA (γ = 0.1) on MNIST", "plain network on CIFAR-10"]


def test_noise_in_training_leads_where_every_defence_tried_is_behind_it():
    kept = Estimate(0.4, 0.3, 0.5, 500, 3)
    behind = Difference(0.1, -0.1, 0.3, 0.5)
    defences = {name: [Kept(f"{name}-kwta-low", "k-WTA", kept, kept, behind, behind)] for name in ("mnist", "cifar10")}
    noise = {name: [(f"{name}-noise", 0.8)] for name in defences}

    def lead(ahead):
        given = {"more": ["k-WTA"], "same": [], "left_open": [], "suspect": [], "eps": {"mnist": 0.1, "cifar10": 0.004}}
        return paragraphs("question", "headline", verdict="not reproduced", defences=defences, ahead=ahead, **given)[0]

    assert "On MNIST and CIFAR-10 a plain network trained with noise keeps more" in lead(noise)
    assert "On MNIST a plain network trained with noise keeps more" in lead(noise | {"cifar10": []})
    assert "trained with noise" not in lead({"mnist": [("mnist-plain", 0.8)], "cifar10": []})
