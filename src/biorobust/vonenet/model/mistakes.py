"""Hypotheses on the report's zeros by a mistake in its program; each is made on purpose, or counted."""

from __future__ import annotations

import numpy as np

from biorobust.vonenet.model import dips
from biorobust.vonenet.model.evidence import Evidence, Outcome, listed, middle


def _mistake(given: Evidence, id: str, hypothesis: str, test: str, probe: str) -> Outcome:
    """A mistake made on purpose, and the layers it puts at zero."""
    zeros = given.zeros(given.probes[probe])
    finding = f"It puts {len(zeros)} of {len(given.names)} layers at zero."
    return Outcome(id, hypothesis, test, finding, {"zeros": zeros})


def same_tensor(given: Evidence) -> Outcome:
    zeros, marked = given.zeros(given.probes["shared"]), float(np.nanmin(given.probes["marker"]))
    finding = (
        f"One dictionary for both passes puts {len(zeros)} of {len(given.names)} layers at zero. In our own capture, "
        f"images of random pixels give no layer less than {marked:.1e}."
    )
    return Outcome(
        "Z4",
        "A tensor was compared with itself: a dictionary shared by both passes",
        "that mistake, and marker images",
        finding,
        {"zeros": zeros, "least_marker": marked},
    )


def pasted_lines(given: Evidence) -> Outcome:
    zeros = given.zeros(given.probes["pasted"])
    live = None if given.live is None else float(np.nanmin(given.live))
    noisy = (
        ""
        if live is None
        else f" Under live noise two passes over one image differ in every layer by {live:.1e} or more: there an exact "
        "zero would prove it."
    )
    finding = f"Such lines give exact zeros at {listed(zeros)}, by construction, in any network.{noisy}"
    return Outcome(
        "Z5",
        "Lines copied by hand compare clean with clean at one layer of each stage",
        "that mistake; live noise, under which nothing else gives an exact zero",
        finding,
        {"zeros": zeros, "least_live": live},
    )


def in_place(given: Evidence) -> Outcome:
    zeros = given.zeros(given.probes["uncloned"])
    changed = [name for name, is_changed in given.overwritten.items() if is_changed]
    convolutions = [name for name in changed if name in given.names]
    finding = (
        f"Without copies {len(convolutions)} of {len(given.names)} convolutions and {len(changed) - len(convolutions)} "
        f"other outputs are overwritten before they are compared; layers at zero: {listed(zeros)}."
    )
    return Outcome(
        "Z6",
        "Outputs were kept without a copy and overwritten in place",
        "capture without copies",
        finding,
        {"zeros": zeros, "overwritten": changed},
    )


def late_binding(given: Evidence) -> Outcome:
    return _mistake(given, "Z7", "Hooks made in a loop all stored under one name", "that mistake", "late_bound")


def undefined(given: Evidence) -> Outcome:
    missing = [int(n) for n in np.flatnonzero(np.isnan(given.raw).any(axis=0))]
    count = int(np.isnan(given.raw).sum())
    finding = f"{count} of {given.raw.size} correlations are undefined; layers with any: {listed(missing)}."
    return Outcome(
        "Z8",
        "An undefined correlation (a constant layer) was printed as 0",
        "count the undefined ones",
        finding,
        {"undefined": count, "layers": missing},
    )


def no_perturbation(given: Evidence) -> Outcome:
    unmoved, erased = int((given.size == 0).sum()), int((given.left == 0).sum())
    at_zero = [int(n) for n in np.flatnonzero((given.itself == 0).all(axis=0))]
    finding = (
        f"{unmoved} of {len(given.size)} perturbations are zero, {erased} after rounding to 8 bits, which leaves "
        f"{len(given.zeros(given.probes['eight_bit']))} layers at zero. An image compared with itself is at zero in "
        f"{len(at_zero)} of {len(given.names)} layers."
    )
    return Outcome(
        "Z9",
        "There was no perturbation: a failed attack, or 8-bit files that erased it",
        "sizes before and after rounding",
        finding,
        {"unmoved": unmoved, "erased": erased, "layers": at_zero},
    )


def pictures(given: Evidence) -> Outcome:
    values = given.probes["pictures"]
    zeros, lowest = given.zeros(values), dips.lowest(middle(values), given.names)
    finding = (
        f"Compared as pictures (first component, own basis, 8 bits), layers at zero: {listed(zeros)}; lowest of each "
        f"stage: {listed(lowest)}."
    )
    return Outcome(
        "Z10",
        "Pictures of principal components were compared, not activations",
        "that comparison",
        finding,
        {"zeros": zeros, "lowest": lowest},
    )


def called_often(given: Evidence) -> Outcome:
    several = {name: n for name, n in given.calls.items() if n > 1}
    layers = [n for n, known in enumerate(given.names) if any(name.endswith(known) for name in several)]
    finding = (
        f"{len(several)} modules run more than once in a pass (up to {max(several.values(), default=1)} times), "
        f"{len(layers)} of them convolutions."
    )
    return Outcome(
        "Z11",
        "A module that runs several times in a pass kept its last output only",
        "count the calls of every module",
        finding,
        {"several": len(several), "layers": layers},
    )


def replaced_output(given: Evidence) -> Outcome:
    return _mistake(
        given,
        "Z14",
        "A hook handed a stored output back, so the second pass computed with the first's",
        "that mistake",
        "replaced",
    )
