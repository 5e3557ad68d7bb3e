"""The zero-deviation hypotheses: every artefact leaves its trace, and one rule draws verdicts from made-up evidence."""

import numpy as np
import pytest
import torch
from fake_vonenet import convolutions

from biorobust.vonenet.model import hypotheses, layers, models
from biorobust.vonenet.model.hypotheses import solve
from biorobust.vonenet.report import hypotheses as judged
from biorobust.vonenet.report.hypotheses import EXCLUDED, OPEN, SUPPORTED, UNTESTABLE

NAMES = convolutions("resnet50")
FOUR = [4, 12, 25, 44]
ARTEFACTS = ("marker", "shared", "pasted", "uncloned", "late_bound", "replaced", "eight_bit", "pictures")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return models.resnet50(n_classes=5, width=4, image_size=64).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def image():
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def curve(dip_at=(), *, depth=0.3):
    """53 rising values with dips."""
    values = np.geomspace(1e-3, 0.3, len(NAMES))
    values[list(dip_at)] *= depth
    return values


def images(values):
    return np.tile(values, (5, 1))


def evidence(values=None, *, artefacts=None, **more):
    """Five images with these deviations and nothing else to be seen."""
    raw = images(curve() if values is None else values)
    nothing = dict.fromkeys(("raw", "centred", "norm_raw", "signs"), raw) | {"names": NAMES, "live": None}
    nothing |= {"itself": np.zeros_like(raw), "between": np.full_like(raw, 0.4), "overwritten": [], "calls": {}}
    nothing |= dict.fromkeys(("size", "left"), np.full(5, 0.01))
    nothing["artefacts"] = dict.fromkeys(ARTEFACTS, images(curve())) | {"half": raw} | (artefacts or {})
    return nothing | more


def at(layers_, value, *, others=None):
    """Five images with one value at some layers."""
    values = images(curve() if others is None else np.full(53, others))
    values[:, list(layers_)] = value
    return values


def numbers(id, given):
    return next(outcome["numbers"] for outcome in solve(**given) if outcome["id"] == id)


def verdict(id, given, *, more=()):
    """What becomes of a hypothesis under this evidence, and outcomes of tests that stand outside of it."""
    return next(item.verdict for item in judged.judge([*solve(**given), *more]) if item.id == id)


def test_one_rule_draws_every_verdict():
    assert judged.agreement(FOUR) == 1
    assert judged.agreement([4, 12, 25]) == judged.agreement([0, 1, 2], [1, 2, 0, 3]) == 0.75
    assert judged.agreement([4, 14, 25, 44]) == pytest.approx(3 / 5)  # three of four, and one of its own
    assert judged.agreement(range(53)) == pytest.approx(4 / 53)
    assert judged.agreement([]) == 0
    asked = {1.0: SUPPORTED, 0.75: SUPPORTED, 0.74: OPEN, 0.26: OPEN, 0.25: EXCLUDED, 0.0: EXCLUDED, None: UNTESTABLE}
    assert {share: judged.verdict(share) for share in asked} == asked


def test_every_hypothesis_is_tested_once_and_has_a_rule():
    outcomes = solve(**evidence(curve(FOUR)))
    assert [outcome["id"] for outcome in outcomes] == [f"Z{i}" for i in range(1, 15)]
    assert set(judged.AGREEMENTS) == set(hypotheses.HYPOTHESES) == {f"Z{i}" for i in range(1, 16)}
    assert all(outcome["numbers"] and "{" not in outcome["finding"] for outcome in outcomes)


def test_dips_and_lowest_layers_by_hand(model):
    assert models.conv_names(model) == NAMES
    assert layers.reported(NAMES) == FOUR
    values = np.array([3.0, 1.0, 2.0, 2.0, 0.5, np.nan, 1.0, 4.0])
    assert np.flatnonzero(layers.dips(values)).tolist() == [1]
    assert layers.depth(np.array([1.0, 0.01, 1.0]))[1] == pytest.approx(-2)
    assert np.isnan(layers.depth(np.array([1.0, 0.0, 1.0]))).all()
    assert layers.lowest(curve(FOUR, depth=1e-3), NAMES) == FOUR


def test_every_artefact_leaves_its_trace_and_the_network_as_it_was(model, image):
    before = model(image)
    moved = image + 0.1 * torch.randn(image.shape, generator=torch.Generator().manual_seed(2))
    found = hypotheses.artefacts(model, image, moved.clamp(0, 1))
    for artefact in ("marker", "uncloned", "late_bound"):
        assert found[artefact].shape == (2, 53)
        assert (found[artefact] > 0).all()
    for artefact, expected in {"pasted": FOUR, "shared": list(range(53)), "replaced": list(range(53))}.items():
        assert np.flatnonzero((found[artefact] == 0).all(axis=0)).tolist() == expected
    exact = found["uncloned"]  # as no convolution is overwritten
    assert ((found["half"] == 0) == (exact < 2**-12)).mean() > 0.95  # half a step of 16-bit numbers below 1
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(model(image), before)


FLAT = images(curve())
GAPS = images(curve())
GAPS[0, FOUR] = np.nan
MANY_GAPS = GAPS.copy()
MANY_GAPS[1, 5:25] = np.nan
BEFORE = [n - 1 for n in FOUR]
NUMBERED = hypotheses.numberings(NAMES)["downsampling left out"]


def deep(four):
    """A curve whose lowest layers are these."""
    return curve(four, depth=1e-3)


@pytest.mark.parametrize(
    ("id", "expected", "given"),
    [
        ("Z1", SUPPORTED, at(FOUR, 1e-3, others=0.2)[0]),
        ("Z1", EXCLUDED, at(FOUR, 0, others=0.2)[0]),  # zeros are no small values
        ("Z1", EXCLUDED, np.geomspace(1e-5, 0.2, 53)),  # a linear axis hides the first layers too
        ("Z2", SUPPORTED, deep(FOUR)),
        ("Z2", OPEN, deep([4, 12, 25, 46])),
        ("Z2", SUPPORTED, {"norm_raw": images(deep(FOUR))}),
        ("Z3", SUPPORTED, {"values": curve(FOUR), "centred": FLAT}),
        ("Z3", EXCLUDED, curve(FOUR)),
        ("Z3", OPEN, {"values": curve(FOUR), "centred": images(curve(FOUR, depth=0.55))}),
        ("Z3", UNTESTABLE, {"values": curve(FOUR[:2]), "centred": FLAT}),  # too few dips to explain
        ("Z5", UNTESTABLE, {"live": np.full((5, 53), 0.4)}),  # only the report's program can tell
        ("Z8", EXCLUDED, curve()),
        ("Z8", SUPPORTED, {"raw": GAPS}),
        ("Z8", EXCLUDED, {"raw": MANY_GAPS}),
        ("Z9", EXCLUDED, curve()),
        ("Z9", SUPPORTED, {"itself": at(FOUR, 0)}),
        ("Z10", SUPPORTED, {"artefacts": {"pictures": images(deep(FOUR))}}),
        ("Z10", OPEN, {"artefacts": {"pictures": images(deep([4, 14, 25, 44]))}}),
        ("Z11", SUPPORTED, {"calls": {f"body.{name}": 2 for name in layers.REPORTED}}),
        ("Z11", EXCLUDED, {"calls": {f"body.{name}": 2 for name in NAMES}}),
        *(("Z12", SUPPORTED, deep(four)) for four in (BEFORE, NUMBERED)),
        ("Z12", EXCLUDED, deep(FOUR)),
        ("Z13", EXCLUDED, np.full(53, 0.004)),  # the four, and all others
        ("Z13", SUPPORTED, at(FOUR[:3], 0.004, others=0.2)[0]),
        ("Z13", OPEN, at([*FOUR, 13, 14], 0.004, others=0.2)[0]),
        ("Z4", EXCLUDED, {"artefacts": {"shared": at(range(53), 0)}}),
        ("Z4", OPEN, {"artefacts": {"shared": at([4, 12, 30, 31], 0)}}),
        ("Z6", EXCLUDED, {"artefacts": {"uncloned": FLAT}}),
        ("Z7", SUPPORTED, {"artefacts": {"late_bound": at(FOUR, 0)}}),
        ("Z14", SUPPORTED, {"artefacts": {"replaced": at(FOUR, np.nan)}}),  # a careless program would print it as 0
    ],
)
def test_verdicts_follow_the_evidence(id, expected, given):
    assert verdict(id, evidence(**(given if isinstance(given, dict) else {"values": given}))) == expected


def test_numbers_of_a_hypothesis_are_those_of_the_evidence():
    found = numbers("Z1", evidence(at(FOUR, 0, others=0.2)[0]))
    assert (found["exact_zeros"], found["minima"], found["at_zero"]) == (20, FOUR, [])
    assert numbers("Z3", evidence(curve(FOUR), centred=FLAT))["depth_left"] == pytest.approx(0, abs=0.05)
    assert numbers("Z5", evidence(live=np.full((5, 53), 0.4)))["least_live"] == 0.4
    assert numbers("Z8", evidence(raw=GAPS))["undefined"] == 4
    found = numbers("Z9", evidence(size=np.array([0.0, 0.1]), left=np.array([0.0, 0.0])))
    assert (found["unmoved"], found["erased"]) == (1, 2)
    without = [name for name in NAMES if "downsample" not in name]
    assert [NAMES[n] for n in NUMBERED] == [without[n] for n in FOUR]


def test_without_copies_norms_are_overwritten_and_convolutions_are_not(model, image):
    changed = hypotheses.overwritten(model, image)
    assert not set(changed) & set(NAMES)
    assert {"norm of layer1.0.conv1", "norm of layer1.0.conv3"} <= set(changed)


def test_modules_that_run_several_times_are_counted(model, image):
    counted = hypotheses.calls(model, image)
    assert (counted["body.layer1.0.relu"], counted["body.layer1.0.conv1"]) == (3, 1)
    assert verdict("Z11", evidence(calls=counted)) == EXCLUDED


def test_learned_dips():
    dipped, two, flat = (images(values) for values in (curve(FOUR), curve(FOUR[:2]), curve()))

    def learned(trained, untrained):
        return verdict("Z15", evidence(trained[0]), more=[hypotheses.learned(NAMES, trained, untrained)])

    assert learned(dipped, flat) == SUPPORTED
    assert learned(dipped, two) == OPEN
    assert learned(dipped, dipped) == EXCLUDED
    assert learned(flat, dipped) == learned(two, flat) == UNTESTABLE  # too few dips to explain
