"""Everything that is measured of a trained network on the test letters, clean and under noise and blur."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from biorobust.cnnf.model import evaluation
from biorobust.cnnf.model.network import FeedbackNetwork
from biorobust.cnnf.model.noise import blur
from biorobust.cnnf.model.params import Evaluation, EvaluationSize, Noise
from biorobust.core import results
from biorobust.core.files import write_csv, write_parquet
from biorobust.core.progress import progress
from biorobust.core.tensors import Tensors
from biorobust.core.training import as_float, share


class Measurements:
    """The letters of the evaluation list in all versions, and what is measured on them, training by training."""

    def __init__(self, data: Tensors, *, noise: Noise, plan: Evaluation, size: EvaluationSize) -> None:
        self.noise, self.plan = noise, plan
        self.index, clean, self.labels = data.evaluated(size.n_test)
        self.n_images = min(size.n_images, len(self.index))
        self.images = self.versions(clean)
        # The versions as predictions name them.
        self.attacks = {"clean": ("none", 0.0), "noisy": ("noise", noise.level), "blurred": ("blur", plan.blur)}
        few = clean[: self.n_images]
        self.by_level = {
            "noise": {level: self._noisy(few, level) for level in plan.levels},
            "blur": {level: blur(few, level) for level in plan.blur_levels},
        }
        self.curves: dict[str, list[dict[str, Any]]] = {kind: [] for kind in self.by_level}
        self.predictions: list[pd.DataFrame] = []
        self.settings = {
            "evaluation_noise_kind": noise.kind,
            "evaluation_noise_level": noise.level,
            "evaluation_blur": plan.blur,
            "n_test": len(self.index),
            "n_images": self.n_images,
        }

    def versions(self, images: Tensor) -> dict[str, Tensor]:
        """Letters (N, 1, H, W) in [0, 1] as they are, noisy and blurred."""
        noisy, blurred = self._noisy(images, self.noise.level), blur(images, self.plan.blur)
        return {"clean": images, "noisy": noisy, "blurred": blurred}

    def _noisy(self, images: Tensor, level: float) -> Tensor:
        return evaluation.noisy(images, kind=self.noise.kind, level=level)

    def of(self, model: FeedbackNetwork, *, seed: int, diverged: bool) -> dict[str, Any]:
        """The entry of one training; what goes into tables is kept for `write`."""
        entry: dict[str, Any] = {}
        few = self.images["clean"][: self.n_images]
        letters = {"index": self.index.cpu().numpy(), "label": self.labels.cpu().numpy()}
        for name, images in self.images.items():
            logits = evaluation.cycle_logits(model, images)
            said = model.read(logits).argmax(dim=1)
            if name == "clean":
                entry |= results.seed_entry(seed, said, self.labels, diverged=diverged)
            else:
                entry |= {f"{name}_{key}": value for key, value in results.proportion(said, self.labels).items()}
            numbers = evaluation.accuracies(logits, self.labels)
            numbers |= evaluation.reconstruction(model, images[: self.n_images], few)
            entry |= {f"{name}_{key}": value for key, value in numbers.items()}
            attack, eps = self.attacks[name]
            rows = {"seed": seed, "attack": attack, "eps": eps, **letters, "prediction": said.cpu().numpy()}
            self.predictions.append(pd.DataFrame(rows))
        for kind, levels in self.by_level.items():
            for level, images in progress(levels.items(), label="noise levels", unit="levels"):
                read = evaluation.readouts(evaluation.cycle_logits(model, images)).items()
                counts = {name: int((said == self.labels[: self.n_images]).sum()) for name, said in read}
                self.curves[kind].append({"seed": seed, "level": level, "n": self.n_images, **counts})
        return entry

    def write(self, name: str, *, predictions: Path) -> None:
        """The tables of a run: right answers by level, predictions as an attack record has them, and confusions."""
        for kind, rows in self.curves.items():
            results.write_curves(f"{kind}-{name}", rows)
        table = pd.concat(self.predictions, ignore_index=True)
        write_parquet(predictions, table)
        named = table["attack"].map({attack: version for version, (attack, _) in self.attacks.items()})
        counts = table.assign(images=named).groupby(["seed", "images", "label", "prediction"]).size()
        confusion = counts.rename("count").reset_index().rename(columns={"prediction": "predicted"})
        write_csv(results.METRICS / f"confusion/{name}.csv", confusion)

    def tuning(self, model: FeedbackNetwork, images: Tensor, labels: Tensor) -> dict[str, float]:
        """Accuracies on training images (uint8) that were held out; nothing where none were."""
        found = {}
        for name, version in self.versions(as_float(images)).items() if len(images) else ():
            right = model.read(evaluation.cycle_logits(model, version)).argmax(dim=1) == labels
            found[f"{'' if name == 'clean' else f'{name}_'}tuning_accuracy"] = share(right)
        return found

    def pictures(self, model: FeedbackNetwork) -> dict[str, Any]:
        """The first letters of the evaluation list in their three versions, with their reconstructions."""
        n = evaluation.N_PICTURES
        versions = [images[:n] for images in self.images.values()]
        labels, index = self.labels[:n].cpu().numpy(), self.index[:n].cpu().numpy()
        return evaluation.pictures(model, versions, versions[0]) | {"labels": labels, "index": index}
