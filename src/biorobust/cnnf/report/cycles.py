"""What the cycles do: the image that the network hands back to itself, and what changes from cycle to cycle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from biorobust.cnnf.report.letters import letter, psnr, show_letters
from biorobust.cnnf.report.study import IMAGES
from biorobust.reporting.attacks import FEEDBACK_ATTACKS
from biorobust.reporting.estimates import Estimate, per_cycle, per_seed
from biorobust.reporting.figures.curves import left_out
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.figures.pictures import arrays
from biorobust.reporting.numbers import count, epsilon, listed, share
from biorobust.reporting.style import INK, WIDTH, drawing_style, look

if TYPE_CHECKING:
    from biorobust.cnnf.report.study import Cnnf
    from biorobust.reporting.metrics import Metrics

SHOWN = 12  # letters in all, in blocks of equal size
ATTACKED = 0.1  # the epsilon whose letters are shown, or the nearest to it that was attacked
PANELS = {  # what is logged per cycle or per feedback -> title, whether it is a share, the first cycle it is logged for
    "cycle_accuracy": ("accuracy, %", True, 0),
    "changed": ("predictions changed, %", True, 1),
    "margin": ("margin of the true letter", False, 0),
    "psnr": ("PSNR of the reconstruction, dB", False, 1),
}


def reconstructions(metrics: Metrics, study: Cnnf, *, runs: Sequence[str]) -> Figure | None:
    """Clean, noisy, blurred and attacked letters of one network, and what each cycle makes of them, with their PSNR."""
    for run in runs:
        found = arrays(metrics, f"reconstructions-{run}")
        if found is not None:
            break
    else:
        return None
    attacked = arrays(metrics, f"adversarial-reconstructions-{run}")
    n = SHOWN // (len(found["images"]) + (attacked is not None))
    versions = (*IMAGES, "blurred")[: len(found["images"])]  # older runs have no blurred letters
    blocks = {name: _block(found, index, found["images"][0], n=n) for index, name in enumerate(versions)}
    if attacked is not None:
        index = int(np.argmin(np.abs(attacked["eps"] - ATTACKED)))
        clean = attacked["images"][int(np.argmin(attacked["eps"]))]
        blocks[f"attacked, {epsilon(float(attacked['eps'][index]))}"] = _block(attacked, index, clean, n=n)
    n_rows = found["reconstructions"].shape[1] + 1
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 0.45 + 0.76 * n_rows))
        for axes, (name, block) in zip(
            drawing.subplots(1, len(blocks), squeeze=False).flat, blocks.items(), strict=True
        ):
            names = ["image", *(f"cycle {cycle}" for cycle in range(1, n_rows))]
            show_letters(
                axes,
                block["pictures"],
                labels=block["labels"],
                predictions=block["predictions"],
                rows=names if axes is drawing.axes[0] else [""] * n_rows,
                notes=[["" if not np.isfinite(value) else f"{value:.1f}" for value in row] for row in block["psnr"]],
            )
            axes.set_title(name)
    return Figure(
        id="reconstructions",
        title="What the network hands back to itself",
        alt=f"Blocks of letters, {listed(blocks)}: the image in the first row, below it the reconstruction of each of "
        f"{n_rows - 1} cycles.",
        caption=f"Do the cycles sharpen an image?{_measured(metrics, run)} Below each picture: the letter that "
        f"{look(run).label} reads in that cycle (in the first row: in its first pass), bold where it is wrong, and the "
        f"PSNR to the clean image in dB, both after brightness and contrast are fitted.{_attack(attacked)}",
        drawing=drawing,
        data=pd.DataFrame([row for name, block in blocks.items() for row in _rows(name, block)]),
        provenance=(study.train_stage(run), *([study.attack_stage(run)] if attacked is not None else [])),
    )


def _attack(attacked: Mapping[str, Any] | None) -> str:
    if attacked is None:
        return ""
    name = str(attacked["attack"])
    return f" Attack: {FEEDBACK_ATTACKS[name].label if name in FEEDBACK_ATTACKS else name}."


def _block(found: Mapping[str, Any], index: int, clean: np.ndarray, *, n: int) -> dict[str, np.ndarray]:
    """One condition: pictures (T+1, n, H, W), the image first; predictions (T+1, n); psnr (T+1, n) in dB."""
    pictures = np.concatenate([found["images"][index][None], found["reconstructions"][index]])[:, :n]
    close = np.array([[psnr(one, whole) for one, whole in zip(row, clean, strict=False)] for row in pictures])
    predictions, labels = found["predictions"][index][:, :n], found["labels"][:n]
    return {"pictures": pictures, "predictions": predictions, "labels": labels, "psnr": close}


def _rows(name: str, block: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    return [
        {"image": name, "cycle": cycle, "label": letter(block["labels"][i]), "prediction": letter(said)}
        | {"psnr": block["psnr"][cycle, i]}
        for cycle, row in enumerate(block["predictions"])
        for i, said in enumerate(row)
    ]


def _measured(metrics: Metrics, run: str) -> str:
    """PSNR over all measured images: that of the noisy image, then that of its reconstructions."""
    found = metrics.train(run)
    before, cycles = per_seed(found, "noisy_input_psnr"), per_cycle(found, "noisy_psnr")
    if before is None or not cycles:
        return ""
    n = found["settings"]["n_images"] if found else 0
    values = listed(f"{value.value:.1f}" for value in cycles)
    return (
        f" Mean PSNR over {count(n)} noisy test images: {before.value:.1f} dB before, {values} dB after "
        f"{'the cycle' if len(cycles) == 1 else 'the cycles'}."
    )


def over_the_cycles(metrics: Metrics, study: Cnnf, *, runs: Sequence[str]) -> Figure | None:
    """Accuracy, changed predictions, margin and PSNR by cycle, on clean and on noisy images."""
    found = {run: metrics.train(run) for run in runs if per_cycle(metrics.train(run), "noisy_changed")}
    if not found:
        return None
    rows: list[dict[str, Any]] = []
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 5.2))
        for axes, (key, (title, as_share, first)) in zip(drawing.subplots(2, 2).flat, PANELS.items(), strict=True):
            for run, content in found.items():
                for images in IMAGES:
                    values = per_cycle(content, f"{images}_{key}")
                    _draw(axes, values, run=run, images=images, first=first, scale=100 if as_share else 1)
                    rows += [
                        {"run": run, "images": images, "quantity": key, "cycle": first + step, "value": value.value}
                        | {"low": value.low, "high": value.high}
                        for step, value in enumerate(values)
                    ]
            axes.set_title(title)
            axes.set_xlabel("cycle (0: the first pass)" if not first else "cycle")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(axis="y")
        handles = [Line2D([], [], color=look(run).colour, marker=look(run).marker, ls="") for run in found]
        handles += [Line2D([], [], color=INK, ls=ls) for ls in ("-", "--")]
        labels = [*(look(run).label for run in found), "clean images", "noisy images"]
        drawing.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return Figure(
        id="cycles",
        title="From cycle to cycle",
        alt="Four line charts over the cycles: accuracy, changed predictions, margin and PSNR of the reconstruction, "
        f"on clean and noisy images, for {listed(look(run).label for run in found)}.",
        caption="Do predictions settle, and does anything get better while they do?"
        + "".join(_settled(run, content) for run, content in found.items())
        + " Bars: 95 % t interval over seeds where there are several."
        + left_out(runs, list(found)),
        drawing=drawing,
        data=pd.DataFrame(rows),
        provenance=tuple(map(study.train_stage, found)),
    )


def _draw(axes: Axes, values: Sequence[Estimate], *, run: str, images: str, first: int, scale: float) -> None:
    middle = [scale * value.value for value in values]
    reach = [
        [scale * (value.value - value.low) for value in values],
        [scale * (value.high - value.value) for value in values],
    ]
    axes.errorbar(
        range(first, first + len(values)),
        middle,
        yerr=reach,
        color=look(run).colour,
        marker=look(run).marker,
        mfc=look(run).colour if images == "clean" else "none",
        ls="-" if images == "clean" else "--",
        elinewidth=1,
    )


def _settled(run: str, content: Mapping[str, Any] | None) -> str:
    said = []
    for images in IMAGES:
        changed = per_cycle(content, f"{images}_changed")
        said.append(f"{listed(share(value.value) for value in changed)} of the predictions on {images} images")
    return f" {look(run).label} changes {listed(said)}, cycle by cycle."
