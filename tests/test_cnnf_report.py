"""The CNN-F study's part of the report: claims, tables, figures, prose and headline from made-up metrics."""

import numpy as np
import pandas as pd
import pytest
import report_checkout
from report_checkout import copied, edit, verdicts, write_checkout

from biorobust.cnnf.report.letters import psnr
from biorobust.core import outcomes
from biorobust.core.files import read_json
from biorobust.reporting import claim_file, table
from biorobust.reporting.claims import judge
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.registry import STUDIES, read_params
from biorobust.statistics import Accuracy, difference, rules

alone = report_checkout.alone("cnnf")


@pytest.fixture(scope="module")
def paper(finished):
    """The study at the size its claims need, drawn and tabulated; not to be changed."""
    return finished("cnnf", scale="paper")


# --- claims ---


def on_noisy_images(root, a, b):
    """Accuracy of run a minus that of run b, from their outcomes."""
    packed = {
        cell[:2]: right for cell, (_, _, right) in outcomes.read(root / "reports/metrics/outcomes/cnnf.npz").items()
    }
    of_a, of_b = (packed[run, "noise"] for run in (a, b))
    return difference(*(Accuracy(tuple(map(int, of.sum(axis=1))), of.shape[1], outcomes=of) for of in (of_a, of_b)))


ONE = {"loss_ratio": 0.91, "noisy_changed_last": 0.021, "noisy_psnr_gain": 0.09}
OTHER = {"loss_ratio": 0.9, "loss_fall": 0.25, "noisy_changed_fall": 0.0009}
OTHER |= {"noisy_margin_gain": -0.1, "noisy_psnr_change": 0.0}


@pytest.mark.parametrize(("feedback", "loss"), [(ONE, rules.PARTLY), (OTHER, rules.REPRODUCED)])
def test_proxies_on_the_other_side_of_their_thresholds(feedback, loss, paper, tmp_path):
    root, both = copied(paper, tmp_path), {"correct": 12_000, "noisy_correct": 12_000}
    files = {"cnn-feedback": feedback, "cnn-clean": {"learning_rate_error": 0.0011}, "longer": both}
    for run, values in files.items():
        edit(root, f"train/{run}", lambda content, values=values: [one.update(values) for one in content["per_seed"]])
    wanted = dict.fromkeys(("F15", "F19", "F20"), rules.PARTLY) | {"F13": loss, "F21": rules.INCONCLUSIVE}
    assert wanted.items() <= verdicts(root).items()


# --- tables, headline, conclusions ---


def test_what_noise_and_feedback_bring_adds_up(paper):
    rows = {row["differs"]: row for row in table.read(paper / "reports/tables/current")["cnnf-confounds"].rows}
    whole, noise, feedback = (
        rows[name] for name in ("noisy training images and feedback", "noisy training images", "feedback")
    )
    for images in ("noisy", "clean"):
        assert whole[images] == pytest.approx(noise[images] + feedback[images], abs=2e-6)
    expected = on_noisy_images(paper, "cnn-feedback", "cnn-noisy")
    shown = feedback["noisy"], feedback["noisy_low"], feedback["noisy_high"]
    assert shown == pytest.approx(expected[:3], abs=1e-6)


@pytest.mark.parametrize(("shift", "words"), [(0.0, "no advantage"), (-0.05, "costs accuracy")])
def test_the_confound_is_told_from_the_metrics(shift, words, tmp_path):
    root = write_checkout(tmp_path, study="cnnf", shift=shift)
    study = STUDIES["cnnf"](read_params(root / "params.yaml"))
    metrics = Measurements(root / "reports/metrics")
    said = study.conclusions(judge(claim_file.load(root / "reports/claims"), metrics), metrics)
    (confound,) = [paragraph for paragraph in said if paragraph.startswith("The confound")]
    assert [other for other in ("no advantage", "adds something", "costs accuracy") if other in confound] == [words]


# --- figures and page ---


def test_the_confusion_matrices_are_shares_of_each_letter(paper):
    drawn = pd.read_csv(paper / "reports/figures/cnnf/current/confusion.csv")
    assert drawn.groupby(["run", "images", "label"])["share"].sum().to_numpy() == pytest.approx(1.0)
    diagonal = drawn[drawn["label"] == drawn["predicted"]].groupby(["run", "images"])["share"].mean()
    accuracy = read_json(paper / "reports/metrics/train/cnn-feedback.json")["accuracy"]["mean"]
    assert diagonal["cnn-feedback", "clean"] == pytest.approx(accuracy, abs=1e-6)


def test_psnr_is_that_of_the_best_affine_fit():
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (28, 28)).astype(float)
    noise = 20 * rng.standard_normal((28, 28))
    picture = 3.0 * (clean + noise) - 40
    design = np.stack([picture.ravel(), np.ones(picture.size)], axis=1)
    fit = np.linalg.lstsq(design, clean.ravel(), rcond=None)[0]
    error = np.mean((design @ fit - clean.ravel()) ** 2)
    assert psnr(picture, clean) == pytest.approx(10 * np.log10(255**2 / error), abs=1e-9)
    assert psnr(0.5 * clean + 7, clean) > 200
    assert psnr(np.zeros((28, 28)), clean) == pytest.approx(10 * np.log10(255**2 / clean.var()))
