"""Pictures of letters: what an attack makes of them, and what the cycles of CNN-F hand back to themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from biorobust.cnnf.report.study import CNN, FEEDBACK, IMAGES
from biorobust.reporting import plots
from biorobust.reporting.figure import Figure, Inputs, of_runs
from biorobust.reporting.labels import FEEDBACK_ATTACKS, label
from biorobust.reporting.numbers import epsilon

ATTACKED_LETTERS, ATTACKED_ROWS = 6, 4  # letters per network, and epsilons of those that were attacked
LETTERS = 12  # letters whose reconstructions are shown, in blocks of equal size
NEAR = 0.1  # the epsilon of the attacked ones, or the nearest to it that was attacked


def letter(label: int) -> str:
    """The letter of a label 0..25; capitals, though the data set merges both cases."""
    return chr(ord("A") + int(label))


def psnr(picture: np.ndarray, clean: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of a picture against the clean one (both H, W, values 0..255).

    Brightness and contrast are fitted first, as the study's metrics do it: a feature fixes neither.
    """
    x, y = picture.astype(np.float64), clean.astype(np.float64)
    slope = ((x - x.mean()) * (y - y.mean())).mean() / x.var() if x.var() else 0.0
    error = float(((y.mean() + slope * (x - x.mean()) - y) ** 2).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(255.0**2 / error))


def _attack_label(name: str) -> str:
    return FEEDBACK_ATTACKS[name].label if name in FEEDBACK_ATTACKS else name


def _attacked(given: Inputs) -> pd.DataFrame:
    """A row for each letter at each of a few epsilons, untargeted and targeted: what it is, and what is read."""
    rows = []
    for kind in ("adversarial", "targeted"):
        for run in given.named(CNN, FEEDBACK):
            if (found := given.m.pictures(f"{kind}-{run}")) is None:
                continue
            attack, aimed = str(found["attack"]), "targets" in found
            panel = f"{label(run)}: {_attack_label(attack)}"
            last = len(found["eps"]) - 1
            for at in sorted({round(step * last / (ATTACKED_ROWS - 1)) for step in range(ATTACKED_ROWS)}):
                for i, true in enumerate(found["labels"][:ATTACKED_LETTERS]):
                    said, eps = found["predictions"][at, i], float(found["eps"][at])
                    note = letter(said) + (f" ({letter(found['targets'][i])})" if aimed and eps else "")
                    shown = (note, said != true, found["images"][at, i], panel, aimed)
                    rows.append((run, attack, eps, i, letter(true), letter(said), *shown))
    columns = ["run", "attack", "eps", "image", "label", "prediction", "_note", "_bold", "_pixels", "_panel", "_aimed"]
    return pd.DataFrame(rows, columns=columns)


def _attacked_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """How many of the letters shown are still right at the largest epsilon of each attack."""
    largest = frame[frame["eps"] == frame.groupby(["run", "attack"])["eps"].transform("max")]
    right = [
        (int((~part["_bold"]).sum()), len(part), run, _attack_label(attack), eps)
        for (run, attack, eps), part in largest.groupby(["run", "attack", "eps"], sort=False)
    ]
    return {"right": right, "aimed": bool(frame["_aimed"].any())}


def _draw_attacked(frame: pd.DataFrame) -> Drawing:
    return plots.pictures(frame, panel="_panel", row="eps", column="image", row_label=lambda eps: f"ε {eps:g}")


def _reconstructions(given: Inputs) -> pd.DataFrame:
    """Clean, noisy, blurred and attacked letters of CNN-F and what each cycle makes of them, with the PSNR in dB."""
    found = given.m.pictures(f"reconstructions-{FEEDBACK}") if given.named(FEEDBACK) else None
    if found is None:
        return pd.DataFrame()
    kinds = (*IMAGES, "blurred")[: len(found["images"])]
    blocks = [(name, found, i, found["images"][0]) for i, name in enumerate(kinds)]
    attack = ""
    if (attacked := given.m.pictures(f"adversarial-reconstructions-{FEEDBACK}")) is not None:
        eps, attack = attacked["eps"], str(attacked["attack"])
        at = int(np.argmin(np.abs(eps - NEAR)))
        blocks.append((f"attacked, {epsilon(float(eps[at]))}", attacked, at, attacked["images"][int(np.argmin(eps))]))
    rows = []
    for name, stored, at, clean in blocks:
        steps = np.concatenate([stored["images"][at][None], stored["reconstructions"][at]])
        for cycle, step in enumerate(steps):
            for i in range(LETTERS // len(blocks)):
                said, true, close = stored["predictions"][at][cycle, i], stored["labels"][i], psnr(step[i], clean[i])
                note = letter(said) + (f" {close:.1f}" if np.isfinite(close) else "")
                rows.append((name, cycle, letter(true), letter(said), close, i, step[i], note, said != true, attack))
    columns = ["image", "cycle", "label", "prediction", "psnr", "_i", "_pixels", "_note", "_bold", "_attack"]
    return pd.DataFrame(rows, columns=columns)


def _reconstructions_words(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    """`n`: of how many noisy images the metrics give the mean PSNR."""
    return {
        "blocks": list(dict.fromkeys(frame["image"])),
        "cycles": int(frame["cycle"].max()),
        "run": FEEDBACK,
        "n": given.m.settings(f"train/{FEEDBACK}").get("n_images", 0),
        "attack": _attack_label(frame["_attack"].iloc[0]),
    }


def _reconstructions_stages(given: Inputs, frame: pd.DataFrame) -> Iterator[str]:
    yield given.study.train_stage(FEEDBACK)
    if frame["_attack"].iloc[0]:
        yield given.study.attack_stage(FEEDBACK)


def _draw_reconstructions(frame: pd.DataFrame) -> Drawing:
    return plots.pictures(
        frame,
        panel="image",
        row="cycle",
        column="_i",
        row_label=lambda cycle: f"cycle {cycle}" if cycle else "image",
        columns=frame["image"].nunique(),
        height=0.68,
        rows_once=True,
    )


RECONSTRUCTIONS = Figure(
    "reconstructions", _reconstructions, _draw_reconstructions, _reconstructions_stages, _reconstructions_words
)
ATTACKED = Figure("attacked-letters", _attacked, _draw_attacked, of_runs("attack"), _attacked_words)
