"""Explanations of the report's zeros by what networks do and by how curves are drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from biorobust.vonenet import dips
from biorobust.vonenet.evidence import EXCLUDED, OPEN, SUPPORTED, UNTESTABLE, Evidence, Outcome, listed, middle, percent

AXIS = 0.01  # of the largest value: closer to zero than this, a point on a linear axis looks as if it were on it
ROUNDED = 0.005  # below this a value with two decimals is printed as 0.00
SHALLOW = 0.02  # log10: a layer less than 5 % below its neighbours is no dip that wants a cause
FLATTENED = 0.5  # share of the depth of the dips that has to vanish for its cause to be found


def natural_minima(given: Evidence) -> Outcome:
    curve, four = middle(given.raw), given.four
    dip = dips.dips(curve)
    relative = [float(curve[n] / np.nanmax(curve)) for n in four]
    least = float(np.nanmin(given.raw[:, four]))
    hidden = sum(value < AXIS for value in relative)
    exact = int((given.raw == 0).sum())
    minima = [n for n in four if dip[n]]
    by_signs = [n for n in four if dips.dips(middle(given.signs))[n]]
    if exact == 0 and hidden == len(four) and len(minima) == len(four):
        decision = SUPPORTED
    else:
        decision = EXCLUDED if hidden == 0 or not minima else OPEN
    finding = (
        f"Of {given.raw.size} values {exact} are exactly zero; the smallest at the report's layers is {least:.1e}. "
        f"Of these layers {listed(minima)} are minima of the median curve, and {hidden} of {len(four)} lie below "
        f"{percent(AXIS)} of its largest value, where a linear axis shows them at zero. Minima under random signs: "
        f"{listed(by_signs)}."
    )
    numbers = {
        "exact_zeros": exact,
        "least": least,
        "relative": relative,
        "minima": minima,
        "hidden": hidden,
        "minima_by_signs": by_signs,
    }
    return Outcome(
        "H1",
        "They are natural minima that a linear axis shows as zero",
        "float64, logarithmic axis, local minima",
        finding,
        decision,
        numbers,
    )


def scaled_by_stage(given: Evidence) -> Outcome:
    readings = {"convolutions": given.raw, "channels centred": given.centred, "behind normalisation": given.norm_raw}
    lowest = {name: dips.lowest(middle(values), given.names) for name, values in readings.items()}
    hits = [name for name, layers in lowest.items() if sorted(layers) == sorted(given.four)]
    per_image = [sorted(dips.lowest(row, given.names)) == sorted(given.four) for row in given.raw]
    finding = (
        "Lowest layer of each stage: "
        + "; ".join(f"{name} {listed(layers)}" for name, layers in lowest.items())
        + f". For {percent(float(np.mean(per_image)))} of single images (convolutions) they are the report's."
    )
    return Outcome(
        "H2",
        "Each stage was scaled to [0, 1] by itself, which makes one zero per stage",
        "are the stages' lowest layers the report's?",
        finding,
        SUPPORTED if hits else EXCLUDED,
        {"lowest": lowest, "agree": hits, "share_of_images": float(np.mean(per_image))},
    )


def channel_means(given: Evidence) -> Outcome:
    four = given.four
    depth_raw, depth_centred = (middle(dips.depth(values))[four] for values in (given.raw, given.centred))
    deep = depth_raw < -SHALLOW
    share = middle(given.between)
    others = [n for n in range(len(given.names)) if n not in four]
    here, elsewhere = float(middle(share[four])), float(middle(share[others]))
    if not deep.any():
        kept, decision = None, UNTESTABLE
    else:
        kept = float(np.minimum(depth_centred[deep], 0).sum() / depth_raw[deep].sum())
        decision = SUPPORTED if kept < FLATTENED else EXCLUDED
    left = "there is no dip to explain" if kept is None else f"{percent(kept)} of the depth of the dips is left"
    finding = (
        f"With the channel means taken away {left}. Between-channel share of the variance: {here:.2f} at the report's "
        f"layers, {elsewhere:.2f} at the others."
    )
    return Outcome(
        "H3",
        "Fixed differences between channels make r large, most of all at these layers",
        "are the dips there when each channel's mean is taken away?",
        finding,
        decision,
        {"depth_left": kept, "between_here": here, "between_elsewhere": elsewhere},
    )


def other_numbering(given: Evidence) -> Outcome:
    without = [n for n, name in enumerate(given.names) if dips.kind(name) != "downsample"]
    lists = {
        "counted from 1": [n - 1 for n in (4, 12, 25, 44)],
        "downsampling left out": [without[n] for n in (4, 12, 25, 44) if n < len(without)],
    }
    dip = set(np.flatnonzero(dips.dips(middle(given.raw))).tolist())
    found = {name: sum(n in dip for n in numbers) for name, numbers in lists.items()}
    ours = sum(n in dip for n in given.four)
    better = [name for name, hits in found.items() if hits > ours]
    finding = (
        f"Of the report's numbers {ours} are dips here if they count all convolutions from 0; "
        + "; ".join(f"{hits} if {name}" for name, hits in found.items())
        + "."
    )
    return Outcome(
        "H12",
        "The numbers count from 1, or leave the downsampling out",
        "under which numbering are the layers dips?",
        finding,
        OPEN if better else EXCLUDED,
        {"from_zero": ours, **found},
    )


def rounding(given: Evidence) -> Outcome:
    curve = middle(given.raw)
    two_decimals = [int(n) for n in np.flatnonzero(curve < ROUNDED)]
    half = given.zeros(given.probes["half"])
    hit = any(sorted(layers) == sorted(given.four) for layers in (two_decimals, half))
    within = any(set(given.four) <= set(layers) for layers in (two_decimals, half))
    finding = (
        f"Two decimals put {len(two_decimals)} layers of the median curve at 0.00, 16-bit numbers {len(half)} at 0; "
        f"the report's four are {'' if within else 'not '}all among them."
    )
    return Outcome(
        "H13",
        "Rounding, to two decimals or to 16-bit numbers",
        "round, and count the zeros",
        finding,
        SUPPORTED if hit else OPEN if within else EXCLUDED,
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
    decision = SUPPORTED if share > 0.5 > before else EXCLUDED if before >= share else OPEN
    return Outcome(
        "H15",
        "The dips are learned, not given by the architecture (ours)",
        "the same network with random weights",
        finding,
        decision,
        {"conv2_share": share, "conv2_share_untrained": before, "minima": ours, "minima_untrained": theirs},
    )
