"""Everything that is measured of a trained network on the test letters, clean and under noise and blur."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from torch import Tensor

from biorobust.cnnf.model import evaluation
from biorobust.cnnf.model.network import FeedbackNetwork
from biorobust.cnnf.model.noise import blur
from biorobust.cnnf.model.params import Evaluation, EvaluationSize, Noise
from biorobust.core.progress import progress
from biorobust.core.tensors import Tensors
from biorobust.core.training import as_float, share


@dataclass(frozen=True)
class Measured:
    """What is measured of one network: predictions (N,) on clean letters, numbers, and rows of tables by their name."""

    predictions: Tensor
    numbers: dict[str, Any]
    tables: Mapping[str, list[Any]]


class Measurements:
    """The letters of the evaluation list in all versions, and what is measured on them."""

    def __init__(self, data: Tensors, *, noise: Noise, plan: Evaluation, size: EvaluationSize) -> None:
        self.noise, self.plan, self.n_classes = noise, plan, data.n_classes
        self.index, clean, self.labels = data.evaluated(size.n_test)
        self.n_images = min(size.n_images, len(self.index))
        self.images = self.versions(clean)
        few = clean[: self.n_images]
        self.by_level = {
            "noise": {level: self._noisy(few, level) for level in plan.levels},
            "blur": {level: blur(few, level) for level in plan.blur_levels},
        }
        self.settings = {
            "evaluation_noise_kind": noise.kind,
            "evaluation_noise_level": noise.level,
            "evaluation_blur": plan.blur,
            "n_test": len(self.index),
            "n_images": self.n_images,
        }

    def versions(self, images: Tensor) -> dict[str, Tensor]:
        """Letters (N, 1, H, W) in [0, 1] as they are, noisy and blurred."""
        return {
            "clean": images,
            "noisy": self._noisy(images, self.noise.level),
            "blurred": blur(images, self.plan.blur),
        }

    def _noisy(self, images: Tensor, level: float) -> Tensor:
        return evaluation.noisy(images, kind=self.noise.kind, level=level)

    def of(self, model: FeedbackNetwork, *, seed: int) -> Measured:
        logits = {name: evaluation.cycle_logits(model, images) for name, images in self.images.items()}
        predictions = {name: model.read(each).argmax(dim=1) for name, each in logits.items()}
        right = {name: classes == self.labels for name, classes in predictions.items()}
        numbers: dict[str, Any] = {}
        for name in evaluation.IMAGES:
            numbers |= evaluation.accuracies(logits[name], self.labels, images=name)
            if name != "clean":
                numbers |= evaluation.counted_numbers(right[name], right["clean"], images=name)
        numbers |= evaluation.feedback_entry(model, {name: each[: self.n_images] for name, each in self.images.items()})
        tables = {kind: self._level_rows(model, levels, seed=seed) for kind, levels in self.by_level.items()}
        tables["confusion"] = [
            {"seed": seed, "images": name, "label": label, "predicted": predicted}
            | {"count": int(table[label, predicted])}
            for name, classes in predictions.items()
            for table in [evaluation.confusion(classes, self.labels, n_classes=self.n_classes)]
            for label, predicted in table.nonzero().tolist()
        ]
        return Measured(
            predictions["clean"], numbers, tables | {"predictions": self._prediction_rows(predictions, seed=seed)}
        )

    def _level_rows(self, model: FeedbackNetwork, levels: Mapping[float, Tensor], *, seed: int) -> list[dict[str, Any]]:
        labels = self.labels[: self.n_images]
        rows = []
        for level, images in progress(levels.items(), label="noise levels", unit="levels"):
            predictions = evaluation.readouts(evaluation.cycle_logits(model, images))
            counts = {name: int((classes == labels).sum()) for name, classes in predictions.items()}
            rows.append({"seed": seed, "level": level, "n": len(labels), **counts})
        return rows

    def _prediction_rows(self, predictions: Mapping[str, Tensor], *, seed: int) -> list[pd.DataFrame]:
        """A frame per version of the letters, a row per letter, as an attack record has it."""
        sizes = {"clean": ("none", 0.0), "noisy": ("noise", self.noise.level), "blurred": ("blur", self.plan.blur)}
        letters = {"index": self.index.cpu().numpy(), "label": self.labels.cpu().numpy()}
        return [
            pd.DataFrame(
                {"seed": seed, "attack": sizes[name][0], "eps": sizes[name][1], **letters}
                | {"prediction": predictions[name].cpu().numpy()}
            )
            for name in evaluation.IMAGES
        ]

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
