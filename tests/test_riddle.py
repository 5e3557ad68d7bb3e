"""The riddle of the zeros: every mistake leaves its trace, and one rule draws verdicts from made-up evidence."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from fake_vonenet import convolutions

from biorobust.vonenet.model import dips, explanations, layers, mistakes, models, probes, riddle
from biorobust.vonenet.model.evidence import Evidence
from biorobust.vonenet.report import zeros
from biorobust.vonenet.report.zeros import EXCLUDED, OPEN, SUPPORTED, UNTESTABLE

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


def verdict(id, given, *, more=()):
    """What becomes of a hypothesis under this evidence, and outcomes of tests that stand outside of it."""
    outcomes = [asdict(outcome) for outcome in (*riddle.solve(given), *more)]
    return next(item.verdict for item in zeros.judge(outcomes) if item.id == id)


def test_one_rule_draws_every_verdict():
    assert zeros.agreement(FOUR) == 1
    assert zeros.agreement([4, 12, 25]) == zeros.agreement([0, 1, 2], [1, 2, 0, 3]) == 0.75
    assert zeros.agreement([4, 14, 25, 44]) == pytest.approx(3 / 5)  # three of four, and one of its own
    assert zeros.agreement(range(53)) == pytest.approx(4 / 53)
    assert zeros.agreement([]) == 0
    asked = {1.0: SUPPORTED, 0.75: SUPPORTED, 0.74: OPEN, 0.26: OPEN, 0.25: EXCLUDED, 0.0: EXCLUDED, None: UNTESTABLE}
    assert {share: zeros.verdict(share) for share in asked} == asked


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
    called = evidence(calls=dict(counted))
    assert "up to 3 times" in mistakes.called_often(called).finding
    assert verdict("Z11", called) == EXCLUDED
    assert verdict("Z11", evidence(calls={f"body.{name}": 2 for name in dips.REPORTED})) == SUPPORTED
    assert verdict("Z11", evidence(calls={f"body.{name}": 2 for name in NAMES})) == EXCLUDED


def test_rounding_hides_small_values_only(pair):
    values = probes.half(pair)
    exact = probes.correct(pair)
    assert ((values == 0) == (exact < 2**-12)).mean() > 0.95  # half a step of 16-bit numbers below 1
    assert verdict("Z13", evidence(np.full(53, 0.2))) == EXCLUDED
    assert verdict("Z13", evidence(np.full(53, 0.004))) == EXCLUDED  # the four, and all others
    for hidden, expected in ((FOUR, SUPPORTED), (FOUR[:3], SUPPORTED), (FOUR[:2], OPEN), ([*FOUR, 13, 14], OPEN)):
        values = np.full(53, 0.2)
        values[hidden] = 0.004
        assert verdict("Z13", evidence(values)) == expected, hidden


def test_natural_minima():
    flat = np.full(53, 0.2)
    flat[FOUR] = 1e-3
    deep = explanations.natural_minima(evidence(flat)).numbers
    assert (deep["exact_zeros"], deep["minima"], deep["at_zero"]) == (0, FOUR, FOUR)
    assert verdict("Z1", evidence(flat)) == SUPPORTED
    assert verdict("Z1", evidence(np.full(53, 0.2))) == EXCLUDED
    steep = np.geomspace(1e-5, 0.2, 53)
    steep[FOUR] *= 1e-3
    assert verdict("Z1", evidence(steep)) == EXCLUDED  # a linear axis hides the first layers too
    flat[25] = flat[44] = 0.1
    assert verdict("Z1", evidence(flat)) == OPEN
    flat[FOUR] = 0
    assert explanations.natural_minima(evidence(flat)).numbers["exact_zeros"] == 20
    assert verdict("Z1", evidence(flat)) == EXCLUDED  # zeros are no small values


def test_scaling_by_stage_needs_the_same_four():
    assert verdict("Z2", evidence(curve(FOUR, depth=1e-3))) == SUPPORTED
    three = evidence(curve([4, 12, 25, 46], depth=1e-3))
    assert explanations.scaled_by_stage(three).numbers["lowest"]["convolutions"] == [4, 12, 25, 46]
    assert verdict("Z2", three) == OPEN
    assert verdict("Z2", evidence(curve([4, 13, 26, 46], depth=1e-3))) == EXCLUDED
    behind = np.tile(curve(FOUR, depth=1e-3), (5, 1))
    assert verdict("Z2", evidence(norm_raw=behind)) == SUPPORTED


def test_channel_means_explain_dips_that_vanish_without_them():
    dipped, flat = curve(FOUR), np.tile(curve(), (5, 1))
    assert explanations.channel_means(evidence(dipped, centred=flat)).numbers["depth_left"] == pytest.approx(
        0, abs=0.05
    )
    assert verdict("Z3", evidence(dipped, centred=flat)) == SUPPORTED
    assert verdict("Z3", evidence(dipped)) == EXCLUDED
    assert verdict("Z3", evidence(dipped, centred=np.tile(curve(FOUR, depth=0.55), (5, 1)))) == OPEN
    assert verdict("Z3", evidence(curve(FOUR[:3]), centred=flat)) == SUPPORTED
    assert verdict("Z3", evidence(curve(FOUR[:2]), centred=flat)) == UNTESTABLE  # too few dips to explain
    assert verdict("Z3", evidence(curve())) == UNTESTABLE


@pytest.mark.parametrize(
    ("id", "probe"),
    [("Z4", "shared"), ("Z6", "uncloned"), ("Z7", "late_bound"), ("Z14", "replaced"), ("Z10", "pictures")],
)
def test_a_mistake_is_held_against_the_four(id, probe):
    usual = {name: np.tile(curve(), (5, 1)) for name in probes.PROBES}
    assert verdict(id, evidence(probes=usual)) == EXCLUDED
    for hit, expected in ((range(53), EXCLUDED), (FOUR, SUPPORTED), (FOUR[1:], SUPPORTED), ([4, 12, 30, 31], OPEN)):
        assert verdict(id, evidence(probes=usual | {probe: at_zero(list(hit))})) == expected, hit
    undefined = at_zero([])
    undefined[:, FOUR] = np.nan  # what a careless program would print as 0
    assert verdict(id, evidence(probes=usual | {probe: undefined})) == SUPPORTED


def test_pictures_without_a_zero_are_read_by_their_lowest_layers():
    usual = {name: np.tile(curve(), (5, 1)) for name in probes.PROBES}
    lowest = {(4, 12, 25, 44): SUPPORTED, (4, 14, 25, 44): OPEN, (4, 14, 25, 46): OPEN, (1, 13, 38, 44): EXCLUDED}
    for layers_, expected in lowest.items():
        drawn = np.tile(curve(layers_, depth=1e-3), (5, 1))
        assert verdict("Z10", evidence(probes=usual | {"pictures": drawn})) == expected, layers_


def test_what_only_the_reports_program_can_tell_is_said_to_be_untestable():
    given = evidence(live=np.full((5, 53), 0.4))
    assert verdict("Z5", given) == UNTESTABLE
    assert "4.0e-01" in mistakes.pasted_lines(given).finding


def test_undefined_values_are_counted():
    assert verdict("Z8", evidence()) == EXCLUDED
    values = np.tile(curve(), (5, 1))
    values[0, FOUR] = np.nan
    assert mistakes.undefined(evidence(raw=values)).numbers["undefined"] == 4
    assert verdict("Z8", evidence(raw=values)) == SUPPORTED
    values[1, 5:25] = np.nan
    assert verdict("Z8", evidence(raw=values)) == EXCLUDED


def test_a_missing_perturbation_zeroes_every_layer():
    found = mistakes.no_perturbation(evidence(size=np.array([0.0, 0.1]), left=np.array([0.0, 0.0])))
    assert (found.numbers["unmoved"], found.numbers["erased"]) == (1, 2)
    assert verdict("Z9", evidence()) == EXCLUDED
    assert verdict("Z9", evidence(itself=at_zero(FOUR))) == SUPPORTED


def test_another_numbering_is_asked_of_the_lowest_layers():
    before = [n - 1 for n in FOUR]
    assert verdict("Z12", evidence(curve(before, depth=1e-3))) == SUPPORTED
    assert verdict("Z12", evidence(curve([*before[:3], 46], depth=1e-3))) == OPEN
    assert verdict("Z12", evidence(curve(FOUR, depth=1e-3))) == EXCLUDED
    without = [name for name in NAMES if "downsample" not in name]
    numbered = explanations.numberings(NAMES)["downsampling left out"]
    assert [NAMES[n] for n in numbered] == [without[n] for n in FOUR]
    assert verdict("Z12", evidence(curve(numbered, depth=1e-3))) == SUPPORTED


def test_learned_dips():
    dipped, two, flat = (np.tile(values, (5, 1)) for values in (curve(FOUR), curve(FOUR[:2]), curve()))

    def said(trained, untrained):
        return verdict("Z15", evidence(trained[0]), more=[explanations.learned(NAMES, trained, untrained)])

    assert said(dipped, flat) == SUPPORTED
    assert said(dipped, two) == OPEN
    assert said(dipped, dipped) == EXCLUDED
    assert said(flat, dipped) == said(two, flat) == UNTESTABLE  # too few dips to explain


def test_every_hypothesis_is_asked_once_and_says_something():
    outcomes = riddle.solve(evidence(curve(FOUR)))
    assert [outcome.id for outcome in outcomes] == [f"Z{i}" for i in range(1, 15)]
    assert set(zeros.AGREEMENTS) == {f"Z{i}" for i in range(1, 16)}
    for outcome in outcomes:
        assert len(outcome.finding) > 20
        assert outcome.numbers
        assert "nan" not in outcome.finding
