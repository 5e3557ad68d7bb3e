"""The CNN-F study's part of the report: claims, tables, figures, prose and headline from made-up metrics."""

import numpy as np
import pandas as pd
import pytest
import report_checkout
from report_checkout import by_claim, copied, draw_and_tabulate, edit, text, verdicts, write_checkout

from biorobust.cnnf.report.figures import FIGURES
from biorobust.cnnf.report.letters import psnr
from biorobust.core import outcomes
from biorobust.core.files import read_json, write_json, write_npz
from biorobust.reporting import claim_file, table
from biorobust.reporting.claims import judge
from biorobust.reporting.figure import draw
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.notebook import inputs
from biorobust.reporting.registry import STUDIES, read_params
from biorobust.reporting.render import render
from biorobust.statistics import Accuracy, difference, rules
from stages import tables

GRID = [f"F{number}" for number in range(1, 10)]
alone = report_checkout.alone("cnnf")


@pytest.fixture(scope="module")
def paper(finished):
    """The study at the size its claims need, drawn and tabulated; not to be changed."""
    return finished("cnnf", scale="paper")


@pytest.fixture
def copy(paper, tmp_path):
    return copied(paper, tmp_path)


def found(root):
    loaded = claim_file.load(root / "reports/claims")
    judged = judge(loaded, Measurements(root / "reports/metrics"))
    return {(item.claim.id, item.reading.name if item.reading else None): item for item in judged}


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """The same with three seeds for every cell of the grid."""
    root = write_checkout(tmp_path_factory.mktemp("several"), study="cnnf", grid_seeds=(0, 1, 2))
    tables.write(root)
    return root


# --- claims ---


def test_metrics_near_the_reports_reproduce_it(paper):
    said = verdicts(paper)
    assert {name for name in said if said[name] == rules.REPRODUCED} == {
        *GRID[:-1],
        *("F10", "F11", "F12", "F13", "F14", "F15", "F17", "F19", "F20", "F22"),
    }
    part = found(paper)["F9", "scored-on-noisy"].parts[0]  # asked of the headline network, 0.7 points below
    assert (part.reported, part.n_seeds, part.n_images, part.verdict) == (0.8939, 3, 20_800, rules.PARTLY)
    assert part.measured == pytest.approx(0.887, abs=1e-4)


def test_a_cell_of_the_grid_borrows_the_scatter_of_networks_with_several_trainings(paper, tmp_path):
    alone_ = by_claim(write_checkout(tmp_path, study="cnnf", seeds=(0,)))
    for name in GRID[:-1]:
        (borrowed,), (unknown,) = by_claim(paper)[name].parts, alone_[name].parts
        assert (borrowed.n_seeds, borrowed.provisional, unknown.provisional) == (1, False, True)
        assert borrowed.low < unknown.low


def test_readings_ask_other_networks_or_other_images(paper):
    items = found(paper)
    as_printed, swapped = items["F11", "both-cycled"].parts, items["F11", "labels-swapped"].parts
    assert [part.measured for part in as_printed] == [part.measured for part in reversed(swapped)]
    assert items["F11", "clean-not-cycled"].parts[0].path == "train/clean-not-cycled.json"
    gaps = {name: items["F18", name].parts[0].difference for name in ("both-cycled", "labels-swapped")}
    assert gaps["both-cycled"] == pytest.approx(0.887 - 0.781, abs=1e-4)
    assert gaps["labels-swapped"] == pytest.approx(-gaps["both-cycled"])


def on_noisy_images(root, a, b):
    """Accuracy of run a minus that of run b, from their outcomes."""
    packed = {
        cell[:2]: right for cell, (_, _, right) in outcomes.read(root / "reports/metrics/outcomes/cnnf.npz").items()
    }
    of_a, of_b = (packed[run, "noise"] for run in (a, b))
    return difference(*(Accuracy(tuple(map(int, of.sum(axis=1))), of.shape[1], outcomes=of) for of in (of_a, of_b)))


def test_the_reports_own_numbers_are_asked_too(paper):
    items = found(paper)
    assert [part.own_numbers for part in items["F12", "both-cycled"].parts[:2]] == [rules.SUPPORTS, rules.SUPPORTS]
    *_, noisy, clean = items["F18", "both-cycled"].parts
    assert (noisy.own_numbers, clean.own_numbers) == (rules.SUPPORTS, rules.CONTRADICTS)
    assert not noisy.counts
    assert not clean.counts
    assert {part.own_numbers for part in items["F18", "both-cycled"].parts[1:9]} == {rules.SUPPORTS}


@pytest.mark.parametrize(
    ("claim", "file", "values", "verdict"),
    [
        ("F13", "train/cnn-feedback", {"loss_ratio": 0.91}, rules.PARTLY),
        ("F13", "train/cnn-feedback", {"loss_ratio": 0.9, "loss_fall": 0.25}, rules.REPRODUCED),
        ("F15", "train/cnn-clean", {"learning_rate_error": 0.0011}, rules.PARTLY),
        ("F19", "train/cnn-feedback", {"noisy_changed_last": 0.021}, rules.PARTLY),
        ("F19", "train/cnn-feedback", {"noisy_changed_fall": 0.0009}, rules.PARTLY),
        ("F20", "train/cnn-feedback", {"noisy_psnr_gain": 0.09}, rules.PARTLY),
        ("F20", "train/cnn-feedback", {"noisy_margin_gain": -0.1, "noisy_psnr_change": 0.0}, rules.PARTLY),
        ("F21", "train/longer", {"correct": 12_000, "noisy_correct": 12_000}, rules.INCONCLUSIVE),
    ],
)
def test_a_proxy_on_the_other_side_of_its_threshold(claim, file, values, verdict, copy):
    edit(copy, file, lambda content: [entry.update(values) for entry in content["per_seed"]])
    assert verdicts(copy)[claim] == verdict


def test_another_residual_is_another_network(copy):
    edit(copy, "train/cnn-feedback", lambda content: content["settings"].update(residual=0.1))
    items = found(copy)
    assert items["F11", "both-cycled"].reason == "residual is 0.1, the claim needs 0.3 (train/cnn-feedback)"
    assert items["F11", "clean-not-cycled"].verdict != rules.NOT_RUN
    assert items["F10", None].verdict == rules.REPRODUCED


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


def test_the_grid_prints_mean_and_spread_where_there_are_seeds(paper, several):
    one, three = (table.read(root / "reports/tables/current")["cnnf-grid"].rows for root in (paper, several))
    assert {row["noisy_sd"] for row in one} == {None}
    assert [row["noisy_sd"] for row in three] == pytest.approx([0.002] * 9, abs=1e-4)
    assert [row["reported"] for row in one] == [
        *(0.8420, 0.8739, 0.8397),
        *(0.8779, 0.8793, 0.8227),
        *(0.8718, 0.8807, 0.8939),
    ]


@pytest.mark.parametrize(
    ("shift", "words"), [(0.0, "no advantage"), (0.05, "adds something"), (-0.05, "costs accuracy")]
)
def test_the_confound_is_told_from_the_metrics(shift, words, tmp_path):
    root = write_checkout(tmp_path, study="cnnf", shift=shift)
    study = STUDIES["cnnf"](read_params(root / "params.yaml"))
    metrics = Measurements(root / "reports/metrics")
    said = study.conclusions(judge(claim_file.load(root / "reports/claims"), metrics), metrics)
    (confound,) = [paragraph for paragraph in said if paragraph.startswith("The confound")]
    assert words in confound
    assert len([other for other in ("no advantage", "adds something", "costs accuracy") if other in confound]) == 1


# --- figures and page ---


def test_metrics_without_blur_and_without_some_runs_are_drawn_and_say_so(copy):
    folder = copy / "reports/metrics"
    for path in folder.glob("curves/blur-*.csv"):
        path.unlink()
    for run in ("plain-relu", "cnn-longer"):
        (folder / f"train/{run}.json").unlink()
    for path in folder.glob("train/*.json"):
        content = read_json(path)
        content["per_seed"] = [
            {key: value for key, value in seed.items() if not key.startswith("blurred")} for seed in content["per_seed"]
        ]
        write_json(path, content)
    for path in folder.glob("pictures/reconstructions-*.npz"):
        with np.load(path) as stored:
            arrays = dict(stored)
        pairs = {key: arrays[key][:2] for key in ("images", "reconstructions", "predictions")}
        write_npz(path, arrays | pairs)
    draw_and_tabulate(copy)
    found = table.read(copy / "reports/tables/current")
    assert {row["images"] for row in found["cnnf-cycles"].rows} == {"clean", "noisy"}
    assert not [column.key for column in found["cnnf-noise"].columns if column.key.startswith("blur")]
    states = {row["run"]: (row["clean"], row["state"]) for row in found["cnnf-accuracy"].rows}
    assert states["plain-relu"] == states["cnn-longer"] == (None, "not run")
    drawn = pd.read_csv(copy / "reports/figures/cnnf/current/reconstructions.csv")
    assert drawn["image"].nunique() == 3
    assert "Recurrent generative feedback" in text(render(copy).html)


def test_blurred_letters_stand_beside_noisy_ones(paper):
    found = table.read(paper / "reports/tables/current")
    levels = {column.key for column in found["cnnf-noise"].columns}
    assert {"noise_0", "noise_0.15", "blur_0.15"} <= levels
    assert "blur_0" not in levels  # the same images as without noise
    rows = {(row["network"], row["images"]): row for row in found["cnnf-cycles"].rows}
    blurred = rows["CNN-F", "blurred"]
    assert blurred["psnr_image"] == 12.6
    assert blurred["psnr_last"] == pytest.approx(14.5 + 0.6 * 2, abs=0.1)


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


def test_missing_runs_are_named_and_the_rest_is_shown(copy):
    for kind in ("train", "attack"):
        edit(copy, f"{kind}/cnn-noisy", lambda content: content.update(status="unavailable", reason="no such device"))
    (copy / "reports/metrics/train/t2-r1.json").unlink()
    tables.write(copy)
    given = inputs(
        "cnnf", metrics=copy / "reports/metrics", params=copy / "params.yaml", claims=copy / "reports/claims"
    )
    figures = {item.id: item for item in FIGURES}
    epsilon, clean_noisy, grid = (draw(figures[name], given) for name in ("accuracy-epsilon", "clean-noisy", "grid"))
    assert epsilon
    assert clean_noisy
    assert grid
    for figure in (epsilon, clean_noisy):
        assert "Not run, so not drawn: CNN on the same noisy batches." in figure.caption
    assert "t2-r1" in grid.caption
    assert "unavailable: no such device" in text(render(copy).html)
    items = found(copy)
    assert {part.verdict for part in items["F16", None].parts[3:]} == {rules.NOT_RUN}
    assert items["F5", "scored-on-noisy"].reason == "train/t2-r1.json is missing"
