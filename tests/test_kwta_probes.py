"""Jumps along lines on functions that are known, active fractions, and one more JPEG."""

import pytest
import torch
from torch import nn

from biorobust.attacks.noise import signs
from biorobust.kwta.model import attacking, probes
from biorobust.kwta.model.operator import KWTA, set_gamma


class Known(nn.Module):
    """One output, a function of the mean pixel."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x.double().mean(dim=(1, 2, 3))).unsqueeze(1)


def measured(function, *, n_points=101, scale=1.0):
    """Along a line from black to grey."""
    black = torch.zeros(1, 3, 4, 4)
    return probes.discontinuity(Known(function), black, black + 0.5, n_points=n_points, scale=scale)


@pytest.mark.parametrize("slope", [4, 0])
def test_a_steady_climb_has_no_jump(slope):
    found = measured(lambda m: slope * m)
    assert found["change"]["mean"] == pytest.approx(slope * 0.5 / 100, rel=1e-4)
    assert found["jump"]["mean"] == pytest.approx(0, abs=1e-5)
    assert found["variation"]["mean"] == pytest.approx(1)


def test_a_jump_is_found_whatever_the_slope_and_the_spacing():
    for n_points in (51, 1001):
        found = measured(lambda m: 4 * m + 0.7 * (m > 0.2345), n_points=n_points, scale=2.0)
        assert found["jump"]["mean"] == pytest.approx(0.35, abs=1e-4)
        assert found["variation"]["median"] == pytest.approx(1)


def test_going_up_and_down_is_variation_without_a_jump():
    found = measured(lambda m: torch.sin(20 * m), n_points=2001)
    assert found["jump"]["mean"] < 0.01
    turns = torch.sin(20 * torch.linspace(0, 0.5, 20_001)).diff().abs().sum() / abs(torch.sin(torch.tensor(10.0)))
    assert found["variation"]["mean"] == pytest.approx(turns.item(), rel=1e-3)


def test_smaller_gamma_gives_larger_jumps_on_the_same_weights():
    """The statement K23 is about, on a small network where nothing else differs."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 400), KWTA(1.0), nn.Linear(400, 10))
    images = torch.rand(6, 3, 4, 4)
    ends = signs(images, 0.2, torch.Generator().manual_seed(1))
    jumps, crossings = [], []
    for gamma in (0.05, 0.2, 1.0):
        set_gamma(model, gamma)
        scale = probes.output_scale(model, torch.rand(50, 3, 4, 4))
        found = probes.discontinuity(model, images, ends, n_points=401, scale=scale)
        jumps.append(found["jump"]["mean"])
        crossings.append(found["crossings"]["mean"])
    assert jumps[0] > jumps[1] > 0.05
    assert jumps[2] < 1e-3  # gamma 1 keeps everything: linear
    assert crossings[2] == 0 < crossings[0]


def test_active_fractions_count_winners_ties_and_both_calls():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.act, self.relu = KWTA(0.5), nn.ReLU(inplace=True)

        def forward(self, x):
            return self.act(self.act(self.relu(x).flatten(1)))

    x = torch.tensor([[3.0, -2.0, 5.0, 1.0, -1.0, -1.0, -1.0, -1.0]]).view(1, 2, 2, 2).repeat(70, 1, 1, 1)
    # ReLU leaves 3, 5, 1 and five zeros: the fourth largest is a zero, and all zeros tie.
    assert probes.active_fractions(Twice(), x) == pytest.approx({"relu": 3 / 8, "act": 1.0, "act:2": 1.0})


def test_jpeg_changes_pixels_a_little_and_less_at_higher_quality():
    ramp = torch.linspace(0, 255, 32).round().to(torch.uint8)
    images = torch.stack([ramp.expand(32, 32), ramp.expand(32, 32).T, ramp.flip(0).expand(32, 32)]).unsqueeze(0)
    images = torch.cat([images, images.flip(1)])
    low, high = (attacking.jpeg(images, quality=quality).int() - images.int() for quality in (20, 95))
    assert high.abs().float().mean() < low.abs().float().mean() < 20
    assert low.any()
