"""The zero-deviation hypotheses: every artefact leaves its trace, and one rule draws verdicts from made-up evidence."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_vonenet import convolutions

from biorobust.vonenet.model import hypotheses, layers, models
from biorobust.vonenet.model.hypotheses import ARTEFACTS, Evidence, compare, solve
from biorobust.vonenet.report import hypotheses as judged
from biorobust.vonenet.report.hypotheses import EXCLUDED, OPEN, SUPPORTED, UNTESTABLE

NAMES = convolutions("resnet50")
FOUR = [4, 12, 25, 44]


@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(0)
    model = models.resnet50(n_classes=5, width=4, image_size=64).eval().requires_grad_(False)
    clean = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    moved = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(2))
    return hypotheses.Pair(model, models.convolutions(model), clean, moved.clamp(0, 1))


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
    nothing = Evidence(
        names=NAMES,
        raw=raw,
        centred=raw,
        norm_raw=raw,
        signs=raw,
        itself=np.zeros_like(raw),
        live=None,
        between=np.full_like(raw, 0.4),
        artefacts=dict.fromkeys(ARTEFACTS, images(curve())) | {"half": raw} | (artefacts or {}),
        size=np.full(5, 0.01),
        left=np.full(5, 0.01),
        overwritten={},
        calls={},
    )
    return replace(nothing, **more)


def at(layers_, value, *, others=None):
    """Five images with one value at some layers."""
    values = images(curve() if others is None else np.full(53, others))
    values[:, list(layers_)] = value
    return values


def numbers(id, given):
    return next(outcome["numbers"] for outcome in solve(given) if outcome["id"] == id)


def verdict(id, given, *, more=()):
    """What becomes of a hypothesis under this evidence, and outcomes of tests that stand outside of it."""
    return next(item.verdict for item in judged.judge([*solve(given), *more]) if item.id == id)


def test_one_rule_draws_every_verdict():
    assert judged.agreement(FOUR) == 1
    assert judged.agreement([4, 12, 25]) == judged.agreement([0, 1, 2], [1, 2, 0, 3]) == 0.75
    assert judged.agreement([4, 14, 25, 44]) == pytest.approx(3 / 5)  # three of four, and one of its own
    assert judged.agreement(range(53)) == pytest.approx(4 / 53)
    assert judged.agreement([]) == 0
    asked = {1.0: SUPPORTED, 0.75: SUPPORTED, 0.74: OPEN, 0.26: OPEN, 0.25: EXCLUDED, 0.0: EXCLUDED, None: UNTESTABLE}
    assert {share: judged.verdict(share) for share in asked} == asked


def test_every_hypothesis_is_tested_once_and_has_a_rule():
    outcomes = solve(evidence(curve(FOUR)))
    assert [outcome["id"] for outcome in outcomes] == [f"Z{i}" for i in range(1, 15)]
    assert set(judged.AGREEMENTS) == set(hypotheses.HYPOTHESES) == {f"Z{i}" for i in range(1, 16)}
    assert all(outcome["numbers"] and "{" not in outcome["finding"] for outcome in outcomes)


def test_the_names_are_those_of_the_network(pair):
    assert list(pair.convolutions) == NAMES
    assert layers.reported(NAMES) == FOUR
    assert len(layers.of_kind(NAMES, "conv2")) == 16
    assert [len(layers_) for layers_ in layers.stages(NAMES).values()] == [10, 13, 19, 10]


def test_dips_and_lowest_layers_by_hand():
    values = np.array([3.0, 1.0, 2.0, 2.0, 0.5, np.nan, 1.0, 4.0])
    assert np.flatnonzero(layers.dips(values)).tolist() == [1]
    assert layers.depth(np.array([1.0, 0.01, 1.0]))[1] == pytest.approx(-2)
    assert np.isnan(layers.depth(np.array([1.0, 0.0, 1.0]))).all()
    assert layers.lowest(curve(FOUR, depth=1e-3), NAMES) == FOUR


@pytest.mark.parametrize(
    ("artefact", "expected"),
    [
        ("marker", []),
        ("uncloned", []),
        ("late_bound", []),
        ("pasted", FOUR),
        ("shared", list(range(53))),
        ("replaced", list(range(53))),
    ],
)
def test_every_artefact_leaves_its_trace_and_the_network_as_it_was(pair, artefact, expected):
    before = pair.model(pair.clean)
    values = ARTEFACTS[artefact](pair)
    assert values.shape == (2, 53)
    assert np.flatnonzero((values == 0).all(axis=0)).tolist() == expected
    assert expected or (values > 0).all()
    assert not any(module._forward_hooks for module in pair.model.modules())
    assert torch.equal(pair.model(pair.clean), before)


def test_rounding_hides_small_values_only(pair):
    exact = compare(*pair.both())
    assert ((ARTEFACTS["half"](pair) == 0) == (exact < 2**-12)).mean() > 0.95  # half a step of 16-bit numbers below 1
    assert verdict("Z13", evidence(np.full(53, 0.2))) == EXCLUDED
    assert verdict("Z13", evidence(np.full(53, 0.004))) == EXCLUDED  # the four, and all others
    for hidden, expected in ((FOUR, SUPPORTED), (FOUR[:3], SUPPORTED), (FOUR[:2], OPEN), ([*FOUR, 13, 14], OPEN)):
        assert verdict("Z13", evidence(at(hidden, 0.004, others=0.2)[0])) == expected, hidden


def test_without_copies_norms_are_overwritten_and_convolutions_are_not(pair):
    norms = {f"norm of {name}": module for name, module in models.norms(pair.model).items()}
    changed = hypotheses.overwritten(pair, {**pair.convolutions, **norms})
    assert not any(changed[name] for name in pair.convolutions)
    assert changed["norm of layer1.0.conv1"]
    assert changed["norm of layer1.0.conv3"]


def test_modules_that_run_several_times_are_counted(pair):
    counted = hypotheses.calls(pair)
    assert (counted["body.layer1.0.relu"], counted["body.layer1.0.conv1"]) == (3, 1)
    for called, expected in ((counted, EXCLUDED), (layers.REPORTED, SUPPORTED), (NAMES, EXCLUDED)):
        calls = counted if called is counted else {f"body.{name}": 2 for name in called}
        assert verdict("Z11", evidence(calls=calls)) == expected


def test_natural_minima():
    for values, expected in (
        (at(FOUR, 1e-3, others=0.2), SUPPORTED),
        (at(FOUR[:2], 1e-3, others=0.2), OPEN),
        (at([], 0, others=0.2), EXCLUDED),
        (at(FOUR, 0, others=0.2), EXCLUDED),  # zeros are no small values
        (np.geomspace(1e-5, 0.2, 53)[None], EXCLUDED),  # a linear axis hides the first layers too
    ):
        assert verdict("Z1", evidence(values[0])) == expected
    found = numbers("Z1", evidence(at(FOUR, 0, others=0.2)[0]))
    assert (found["exact_zeros"], found["minima"], found["at_zero"]) == (20, FOUR, [])


def test_scaling_by_stage_needs_the_same_four():
    for four, expected in ((FOUR, SUPPORTED), ([4, 12, 25, 46], OPEN), ([4, 13, 26, 46], EXCLUDED)):
        given = evidence(curve(four, depth=1e-3))
        assert numbers("Z2", given)["lowest"]["convolutions"] == four
        assert verdict("Z2", given) == expected
    assert verdict("Z2", evidence(norm_raw=images(curve(FOUR, depth=1e-3)))) == SUPPORTED


def test_channel_means_explain_dips_that_vanish_without_them():
    dipped, flat = curve(FOUR), images(curve())
    assert numbers("Z3", evidence(dipped, centred=flat))["depth_left"] == pytest.approx(0, abs=0.05)
    assert verdict("Z3", evidence(dipped, centred=flat)) == SUPPORTED
    assert verdict("Z3", evidence(dipped)) == EXCLUDED
    assert verdict("Z3", evidence(dipped, centred=images(curve(FOUR, depth=0.55)))) == OPEN
    assert verdict("Z3", evidence(curve(FOUR[:3]), centred=flat)) == SUPPORTED
    assert verdict("Z3", evidence(curve(FOUR[:2]), centred=flat)) == UNTESTABLE  # too few dips to explain
    assert verdict("Z3", evidence(curve())) == UNTESTABLE


@pytest.mark.parametrize(
    ("id", "artefact"),
    [("Z4", "shared"), ("Z6", "uncloned"), ("Z7", "late_bound"), ("Z14", "replaced"), ("Z10", "pictures")],
)
def test_an_artefact_is_held_against_the_four(id, artefact):
    assert verdict(id, evidence()) == EXCLUDED
    for hit, expected in ((range(53), EXCLUDED), (FOUR, SUPPORTED), (FOUR[1:], SUPPORTED), ([4, 12, 30, 31], OPEN)):
        assert verdict(id, evidence(artefacts={artefact: at(hit, 0)})) == expected, hit
    # What is undefined a careless program would print as 0.
    assert verdict(id, evidence(artefacts={artefact: at(FOUR, np.nan)})) == SUPPORTED


def test_pictures_without_a_zero_are_compared_by_their_lowest_layers():
    lowest = {(4, 12, 25, 44): SUPPORTED, (4, 14, 25, 44): OPEN, (4, 14, 25, 46): OPEN, (1, 13, 38, 44): EXCLUDED}
    for layers_, expected in lowest.items():
        drawn = images(curve(layers_, depth=1e-3))
        assert verdict("Z10", evidence(artefacts={"pictures": drawn})) == expected, layers_


def test_what_only_the_reports_program_can_tell_is_said_to_be_untestable():
    given = evidence(live=np.full((5, 53), 0.4))
    assert verdict("Z5", given) == UNTESTABLE
    assert numbers("Z5", given)["least_live"] == 0.4


def test_undefined_values_and_missing_perturbations_are_counted():
    assert verdict("Z8", evidence()) == verdict("Z9", evidence()) == EXCLUDED
    values = images(curve())
    values[0, FOUR] = np.nan
    assert numbers("Z8", evidence(raw=values))["undefined"] == 4
    assert verdict("Z8", evidence(raw=values)) == SUPPORTED
    values[1, 5:25] = np.nan
    assert verdict("Z8", evidence(raw=values)) == EXCLUDED
    found = numbers("Z9", evidence(size=np.array([0.0, 0.1]), left=np.array([0.0, 0.0])))
    assert (found["unmoved"], found["erased"]) == (1, 2)
    assert verdict("Z9", evidence(itself=at(FOUR, 0))) == SUPPORTED


def test_another_numbering_is_asked_of_the_lowest_layers():
    before = [n - 1 for n in FOUR]
    without = [name for name in NAMES if "downsample" not in name]
    numbered = hypotheses.numberings(NAMES)["downsampling left out"]
    assert [NAMES[n] for n in numbered] == [without[n] for n in FOUR]
    for four, expected in ((before, SUPPORTED), (numbered, SUPPORTED), ([*before[:3], 46], OPEN), (FOUR, EXCLUDED)):
        assert verdict("Z12", evidence(curve(four, depth=1e-3))) == expected


def test_learned_dips():
    dipped, two, flat = (images(values) for values in (curve(FOUR), curve(FOUR[:2]), curve()))

    def learned(trained, untrained):
        return verdict("Z15", evidence(trained[0]), more=[hypotheses.learned(NAMES, trained, untrained)])

    assert learned(dipped, flat) == SUPPORTED
    assert learned(dipped, two) == OPEN
    assert learned(dipped, dipped) == EXCLUDED
    assert learned(flat, dipped) == learned(two, flat) == UNTESTABLE  # too few dips to explain
