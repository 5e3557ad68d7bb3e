"""Hypotheses on the report's zeros: what networks do, and how curves are drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from biorobust.vonenet.model import dips
from biorobust.vonenet.model.evidence import Evidence, Outcome, listed, middle, percent

AXIS = 0.01  # of the largest value: closer to zero than this, a point on a linear axis looks as if it were on it
ROUNDED = 0.005  # below this a value with two decimals is printed as 0.00
SHALLOW = 0.02  # log10: a layer less than 5 % below its neighbours is no dip that wants a cause
NUMBERS = (4, 12, 25, 44)  # the report's


def drawn_at_zero(curve: np.ndarray) -> list[int]:
    """Layers of a curve (L,) that are not zero and that a linear axis shows at zero."""
    return [int(n) for n in np.flatnonzero((curve > 0) & (curve < AXIS * np.nanmax(curve)))]


def numberings(names: Sequence[str]) -> dict[str, list[int]]:
    """The report's numbers read in another way -> the convolutions they would then be, counted from 0 over all."""
    without = [n for n, name in enumerate(names) if dips.kind(name) != "downsample"]
    return {
        "counted from 1": [n - 1 for n in NUMBERS],
        "downsampling left out": [without[n] for n in NUMBERS if n < len(without)],
    }


def natural_minima(given: Evidence) -> Outcome:
    curve, four = middle(given.raw), given.four
    dip = dips.dips(curve)
    at_zero = drawn_at_zero(curve)
    least = float(np.nanmin(given.raw[:, four]))
    exact = int((given.raw == 0).sum())
    minima = [n for n in four if dip[n]]
    by_signs = [n for n in four if dips.dips(middle(given.signs))[n]]
    finding = (
        f"Of {given.raw.size} values {exact} are exactly zero; the smallest at the report's layers is {least:.1e}. "
        f"Below {percent(AXIS)} of the largest value of the median curve, where a linear axis shows them at zero: "
        f"{listed(at_zero)}. Of the report's layers {listed(minima)} are minima, under random signs {listed(by_signs)}."
    )
    numbers = {
        "exact_zeros": exact,
        "least": least,
        "at_zero": at_zero,
        "minima": minima,
        "minima_by_signs": by_signs,
    }
    return Outcome(
        "Z1",
        "They are natural minima that a linear axis shows as zero",
        "float64, logarithmic axis, local minima",
        finding,
        numbers,
    )


def scaled_by_stage(given: Evidence) -> Outcome:
    readings = {"convolutions": given.raw, "channels centred": given.centred, "behind normalisation": given.norm_raw}
    lowest = {name: dips.lowest(middle(values), given.names) for name, values in readings.items()}
    per_image = [sorted(dips.lowest(row, given.names)) == sorted(given.four) for row in given.raw]
    finding = (
        "Lowest layer of each stage: "
        + "; ".join(f"{name} {listed(layers)}" for name, layers in lowest.items())
        + f". For {percent(float(np.mean(per_image)))} of single images (convolutions) they are the report's."
    )
    return Outcome(
        "Z2",
        "Each stage was scaled to [0, 1] by itself, which makes one zero per stage",
        "are the stages' lowest layers the report's?",
        finding,
        {"lowest": lowest, "share_of_images": float(np.mean(per_image))},
    )


def channel_means(given: Evidence) -> Outcome:
    four = given.four
    depth_raw, depth_centred = (middle(dips.depth(values))[four] for values in (given.raw, given.centred))
    deep = depth_raw < -SHALLOW
    share = middle(given.between)
    others = [n for n in range(len(given.names)) if n not in four]
    here, elsewhere = float(middle(share[four])), float(middle(share[others]))
    kept = float(np.minimum(depth_centred[deep], 0).sum() / depth_raw[deep].sum()) if deep.any() else None
    left = "there is no dip to explain" if kept is None else f"{percent(kept)} of the depth of the dips is left"
    finding = (
        f"With the channel means taken away {left}. Between-channel share of the variance: {here:.2f} at the report's "
        f"layers, {elsewhere:.2f} at the others."
    )
    return Outcome(
        "Z3",
        "Fixed differences between channels make r large, most of all at these layers",
        "are the dips there when each channel's mean is taken away?",
        finding,
        {"depth_left": kept, "between_here": here, "between_elsewhere": elsewhere},
    )


def other_numbering(given: Evidence) -> Outcome:
    read, lowest = numberings(given.names), dips.lowest(middle(given.raw), given.names)
    finding = (
        "The report's numbers would be the convolutions "
        + "; ".join(f"{listed(numbers)} if {words}" for words, numbers in read.items())
        + f". The lowest of each stage are {listed(lowest)}."
    )
    return Outcome(
        "Z12",
        "The numbers count from 1, or leave the downsampling out",
        "under which numbering are the layers the stages' lowest?",
        finding,
        {"numberings": read},
    )


def rounding(given: Evidence) -> Outcome:
    curve = middle(given.raw)
    two_decimals = [int(n) for n in np.flatnonzero(curve < ROUNDED)]
    half = given.zeros(given.probes["half"])
    within = any(set(given.four) <= set(layers) for layers in (two_decimals, half))
    finding = (
        f"Two decimals put {len(two_decimals)} layers of the median curve at 0.00, 16-bit numbers {len(half)} at 0; "
        f"the report's four are {'' if within else 'not '}all among them."
    )
    return Outcome(
        "Z13",
        "Rounding, to two decimals or to 16-bit numbers",
        "round, and count the zeros",
        finding,
        {"two_decimals": two_decimals, "half": half},
    )


def learned(names: Sequence[str], trained: np.ndarray, untrained: np.ndarray) -> Outcome:
    """Are dips at the 3x3 convolutions learned? Raw deviations (N, L) of a network and of one with random weights."""
    wanted = dips.of_kind(names, "conv2")
    share, before = (float(dips.dips(values)[:, wanted].mean()) for values in (trained, untrained))
    four = dips.reported(names)
    ours, theirs = ([n for n in four if dips.dips(middle(values))[n]] for values in (trained, untrained))
    finding = (
        f"A second convolution of a block is a dip in {percent(share)} of all cases when trained, {percent(before)} "
        f"with random weights. Of the report's layers these are minima of the median curve: {listed(ours)} when "
        f"trained, {listed(theirs)} with random weights."
    )
    return Outcome(
        "Z15",
        "The dips are learned, not given by the architecture (ours)",
        "the same network with random weights",
        finding,
        {"conv2_share": share, "conv2_share_untrained": before, "minima": ours, "minima_untrained": theirs},
    )
