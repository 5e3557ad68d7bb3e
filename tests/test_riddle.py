"""The riddle of the zeros: every mistake leaves its trace, and every test decides made-up evidence by its rule."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_vonenet import convolutions

from biorobust.vonenet import dips, explanations, layers, mistakes, models, probes, riddle
from biorobust.vonenet.evidence import EXCLUDED, OPEN, SUPPORTED, UNTESTABLE, Evidence

NAMES = convolutions("resnet50")
FOUR = [4, 12, 25, 44]


@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(0)
    model = models.resnet50(n_classes=5, width=4, image_size=64).eval().requires_grad_(False)
    clean = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    moved = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(2))
    return probes.Pair(model, models.convolutions(model), clean, moved.clamp(0, 1))


def curve(dip_at=(), *, depth=0.3):
    """53 rising values with dips."""
    values = np.geomspace(1e-3, 0.3, len(NAMES))
    values[list(dip_at)] *= depth
    return values


def evidence(values=None, **more):
    """Five images with these deviations and nothing else to be seen."""
    raw = np.tile(curve() if values is None else values, (5, 1))
    given = Evidence(
        names=NAMES,
        raw=raw,
        centred=raw,
        norm_raw=raw,
        signs=raw,
        itself=np.zeros_like(raw),
        live=None,
        between=np.full_like(raw, 0.4),
        probes=dict.fromkeys(probes.PROBES, raw),
        size=np.full(5, 0.01),
        left=np.full(5, 0.01),
        overwritten={},
        calls={},
    )
    return replace(given, **more)


def at_zero(layers_at_zero):
    values = np.tile(curve(), (5, 1))
    values[:, layers_at_zero] = 0
    return values


def test_the_names_are_those_of_the_network(pair):
    assert list(pair.convolutions) == NAMES
    assert dips.reported(NAMES) == FOUR
    assert [NAMES[n] for n in FOUR] == list(dips.REPORTED)
    assert len(dips.of_kind(NAMES, "conv2")) == 16
    assert [len(numbers) for numbers in dips.stages(NAMES).values()] == [10, 13, 19, 10]


def test_dips_and_lowest_layers_by_hand():
    values = np.array([3.0, 1.0, 2.0, 2.0, 0.5, np.nan, 1.0, 4.0])
    assert np.flatnonzero(dips.dips(values)).tolist() == [1]
    assert dips.depth(np.array([1.0, 0.01, 1.0]))[1] == pytest.approx(-2)
    assert np.isnan(dips.depth(np.array([1.0, 0.0, 1.0]))).all()
    assert dips.lowest(curve(FOUR, depth=1e-3), NAMES) == FOUR
    scaled = dips.minmax(curve(FOUR, depth=1e-3), NAMES)
    assert np.flatnonzero(scaled[1:] == 0).tolist() == [n - 1 for n in FOUR]


@pytest.mark.parametrize(
    ("probe", "zeros"),
    [
        ("correct", []),
        ("marker", []),
        ("uncloned", []),
        ("late_bound", []),
        ("pasted", FOUR),
        ("shared", list(range(53))),
        ("replaced", list(range(53))),
    ],
)
def test_every_mistake_leaves_its_trace(pair, probe, zeros):
    values = probes.PROBES[probe](pair)
    assert values.shape == (2, 53)
    assert np.flatnonzero((values == 0).all(axis=0)).tolist() == zeros
    if probe == "late_bound":
        assert (values == values[:, :1]).all()
    elif not zeros:
        assert (values > 0).all()


def test_probes_leave_the_network_as_it_was(pair):
    before = pair.model(pair.clean)
    for probe in probes.PROBES.values():
        probe(pair)
    assert not any(module._forward_hooks for module in pair.model.modules())
    assert torch.equal(pair.model(pair.clean), before)


def test_without_copies_norms_are_overwritten_and_convolutions_are_not(pair):
    read = layers.of(pair.model)
    norms = {f"norm of {name}": module for name, module in read.norms.items()}
    changed = probes.overwritten(pair, {**pair.convolutions, **norms})
    assert not any(changed[name] for name in pair.convolutions)
    assert changed["norm of layer1.0.conv1"]
    assert changed["norm of layer1.0.conv3"]
    counted = probes.calls(pair)
    assert counted["body.layer1.0.relu"] == 3
    assert counted["body.layer1.0.conv1"] == 1
    found = mistakes.called_often(evidence(calls=dict(counted)))
    assert found.decision == EXCLUDED
    assert "up to 3 times" in found.finding


def test_rounding_hides_small_values_only(pair):
    values = probes.half(pair)
    exact = probes.correct(pair)
    assert ((values == 0) == (exact < 2**-12)).mean() > 0.95  # half a step of 16-bit numbers below 1
    assert explanations.rounding(evidence(np.full(53, 0.2))).decision == EXCLUDED
    assert explanations.rounding(evidence(np.full(53, 0.004))).decision == OPEN
    only_four = np.full(53, 0.2)
    only_four[FOUR] = 0.004
    assert explanations.rounding(evidence(only_four)).decision == SUPPORTED


def test_natural_minima():
    deep = explanations.natural_minima(evidence(curve(FOUR, depth=1e-3)))
    assert deep.decision == SUPPORTED
    assert deep.numbers["exact_zeros"] == 0
    assert deep.numbers["minima"] == FOUR
    assert explanations.natural_minima(evidence(curve())).decision == EXCLUDED
    assert explanations.natural_minima(evidence(curve(FOUR))).decision == OPEN
    zero = explanations.natural_minima(evidence(at_zero(FOUR)[0]))
    assert zero.numbers["exact_zeros"] == 20
    assert zero.decision != SUPPORTED


def test_scaling_by_stage_needs_the_same_four():
    assert explanations.scaled_by_stage(evidence(curve(FOUR, depth=1e-3))).decision == SUPPORTED
    other = explanations.scaled_by_stage(evidence(curve([4, 12, 25, 46], depth=1e-3)))
    assert other.decision == EXCLUDED
    assert other.numbers["lowest"]["convolutions"] == [4, 12, 25, 46]
    behind = np.tile(curve(FOUR, depth=1e-3), (5, 1))
    assert explanations.scaled_by_stage(evidence(norm_raw=behind)).numbers["agree"] == ["behind normalisation"]


def test_channel_means_explain_dips_that_vanish_without_them():
    dipped = curve(FOUR)
    assert explanations.channel_means(evidence(dipped)).decision == EXCLUDED
    flat = explanations.channel_means(evidence(dipped, centred=np.tile(curve(), (5, 1))))
    assert flat.decision == SUPPORTED
    assert flat.numbers["depth_left"] == pytest.approx(0, abs=0.05)
    assert explanations.channel_means(evidence(curve())).decision == UNTESTABLE


@pytest.mark.parametrize(
    ("test", "probe"),
    [
        (mistakes.same_tensor, "shared"),
        (mistakes.in_place, "uncloned"),
        (mistakes.late_binding, "late_bound"),
        (mistakes.replaced_output, "replaced"),
        (mistakes.pictures, "pictures"),
    ],
)
def test_a_mistake_is_supported_only_by_exactly_the_four(test, probe):
    usual = {name: np.tile(curve(), (5, 1)) for name in probes.PROBES}
    assert test(evidence(probes=usual)).decision == EXCLUDED
    assert test(evidence(probes=usual | {probe: at_zero(list(range(53)))})).decision == EXCLUDED
    assert test(evidence(probes=usual | {probe: at_zero(FOUR)})).decision == SUPPORTED
    undefined = at_zero([])
    undefined[:, FOUR] = np.nan  # what a careless program would print as 0
    assert test(evidence(probes=usual | {probe: undefined})).decision == SUPPORTED


def test_what_only_the_reports_program_can_tell_is_said_to_be_untestable():
    found = mistakes.pasted_lines(evidence(live=np.full((5, 53), 0.4)))
    assert found.decision == UNTESTABLE
    assert "4.0e-01" in found.finding


def test_undefined_values_are_counted():
    assert mistakes.undefined(evidence()).decision == EXCLUDED
    values = np.tile(curve(), (5, 1))
    values[0, FOUR] = np.nan
    found = mistakes.undefined(evidence(raw=values))
    assert (found.decision, found.numbers["undefined"]) == (SUPPORTED, 4)
    values[1, 7] = np.nan
    assert mistakes.undefined(evidence(raw=values)).decision == EXCLUDED


def test_a_missing_perturbation_zeroes_every_layer():
    found = mistakes.no_perturbation(evidence(size=np.array([0.0, 0.1]), left=np.array([0.0, 0.0])))
    assert found.decision == EXCLUDED
    assert (found.numbers["unmoved"], found.numbers["erased"]) == (1, 2)
    assert mistakes.no_perturbation(evidence(itself=at_zero(FOUR))).decision == OPEN


def test_another_numbering_is_left_open_only_if_it_fits_better():
    assert explanations.other_numbering(evidence(curve(FOUR))).decision == EXCLUDED
    assert explanations.other_numbering(evidence(curve([n - 1 for n in FOUR]))).decision == OPEN


def test_learned_dips():
    second = dips.of_kind(NAMES, "conv2")
    dipped, flat = (np.tile(values, (5, 1)) for values in (curve(second), curve()))
    assert explanations.learned(NAMES, dipped, flat).decision == SUPPORTED
    assert explanations.learned(NAMES, flat, dipped).decision == EXCLUDED
    assert explanations.learned(NAMES, dipped, dipped).decision == EXCLUDED


def test_every_hypothesis_is_asked_once_and_says_something():
    outcomes = riddle.solve(evidence(curve(FOUR)))
    assert [outcome.id for outcome in outcomes] == [f"H{i}" for i in range(1, 15)]
    for outcome in outcomes:
        assert outcome.decision in (EXCLUDED, SUPPORTED, OPEN, UNTESTABLE)
        assert len(outcome.finding) > 20
        assert outcome.numbers
        assert "nan" not in outcome.finding
