"""Tables of the CNN-F study: clean and noisy, what feedback adds, the grid, readouts, cycles, noise levels, attacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from biorobust.cnnf.report.study import IMAGES, Cnnf
from biorobust.reporting import columns, reported
from biorobust.reporting.claim import Claim
from biorobust.reporting.columns import left_out, omitted, state
from biorobust.reporting.estimates import Estimate, accuracy, by_level, difference, value, values
from biorobust.reporting.labels import FEEDBACK_ATTACKS, attack_looks, label
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.table import Column, Table, table
from biorobust.reporting.words import paragraphs

Reported = Mapping[str, Mapping[str, float]]  # "clean" or "noisy" -> run -> accuracy
ONE_PASS = " A CNN has one pass: both gradients are the same there, and PGD differs by its random start alone."
READOUTS = {"first": "first pass", "last": "last cycle", "average": "average over cycles"}
# Which pairs take the comparison apart: (a, b, what differs between them).
PAIRS = (
    ("cnn-feedback", "cnn-clean", "noisy training images and feedback"),
    ("cnn-noisy", "cnn-clean", "noisy training images"),
    ("cnn-feedback", "cnn-noisy", "feedback"),
    ("clean-not-cycled", "cnn-noisy", "feedback on noisy images only"),
    ("noisy-only", "cnn-noisy", "feedback, and no clean training images"),
    ("plain-relu", "cnn-noisy", "feedback that leaves ReLU and pooling alone"),
    ("longer", "cnn-longer", "noisy training images and feedback, both trained longer"),
)


def tables(m: Measurements, study: Cnnf, claims: Sequence[Claim]) -> list[Table]:
    printed = {images: reported.clean(claims, images=images) for images in IMAGES}
    options: dict[str, Any] = {"column": "attack", "id": "cnnf-attacks", "printed": {}, "note": ONE_PASS}
    return [
        _accuracy(m, study, printed),
        _confounds(m, study),
        _grid(m, study, printed["noisy"]),
        _readouts(m, study),
        _cycles(m, study),
        _noise(m, study),
        columns.under_attack(m, study.attacked, attack_looks(study.attacks, FEEDBACK_ATTACKS), **options),
    ]


def _measured(m: Measurements) -> dict[str, Callable[[str], Estimate | None]]:
    return {images: cache(partial(accuracy, m, images=images)) for images in IMAGES}


def _accuracy(m: Measurements, study: Cnnf, printed: Reported) -> Table:
    trained = {run: m.get(f"train/{run}") for run in study.runs + study.variants}
    of = _measured(m)

    def gap(run: str) -> float | None:
        clean, noisy = of["clean"](run), of["noisy"](run)
        return noisy.value - clean.value if clean and noisy else None

    missing = omitted({label(run): found for run, found in trained.items()})
    return table(
        "cnnf-accuracy",
        paragraphs(study.name, "accuracy_table", m, omitted=missing),
        [run for run, found in trained.items() if not left_out(found)],
        (
            columns.network(),
            columns.parameters(m),
            Column("clean, reported", "percent", printed["clean"].get, "reported_clean"),
            columns.estimate("clean", of["clean"]),
            Column("noisy, reported", "percent", printed["noisy"].get, "reported_noisy"),
            columns.estimate("noisy", of["noisy"]),
            Column("noisy minus clean", "points", gap, "gap"),
            *columns.trainings(lambda run: of["noisy"](run) or of["clean"](run)),
            columns.run_state(m),
        ),
    )


def _confounds(m: Measurements, study: Cnnf) -> Table:
    def compared(images: str) -> Callable[[tuple[str, str, str]], Any]:
        return lambda pair: difference(m, pair[0], pair[1], images=images)

    runs = {run for run in study.networks if not left_out(m.get(f"train/{run}"))}
    return table(
        "cnnf-confounds",
        paragraphs(study.name, "confounds_table", m),
        [pair for pair in PAIRS if {*pair[:2]} <= runs],
        (
            Column("first", "text", lambda pair: label(pair[0])),
            Column("second", "text", lambda pair: label(pair[1])),
            Column("what differs", "text", lambda pair: pair[2], "differs"),
            Column("noisy images [95 %]", "difference", compared("noisy"), "noisy"),
            Column("clean images [95 %]", "difference", compared("clean"), "clean"),
        ),
    )


def _grid(m: Measurements, study: Cnnf, printed: Mapping[str, float]) -> Table:
    of, trained = _measured(m), {run: m.get(f"train/{run}") for run in study.grid}
    return table(
        "cnnf-grid",
        paragraphs(study.name, "grid_table", m, omitted=omitted(trained)),
        study.grid,
        (
            Column("cell", "label", str, "run"),
            Column("residual", "plain", lambda run: study.cells[run][1]),
            Column("cycles", "count", lambda run: study.cells[run][0]),
            columns.reported(printed),
            columns.estimate("noisy", of["noisy"]),
            columns.difference(of["noisy"], printed, key="noisy_difference"),
            columns.estimate("clean", of["clean"]),
            columns.difference(of["clean"], printed, key="clean_difference"),
            columns.trainings(lambda run: of["clean"](run) or of["noisy"](run))[0],
            Column("state", "text", lambda run: "" if left_out(trained[run]) else state(trained[run])),
        ),
    )


def _mean(m: Measurements, run: str, quantity: str) -> float | None:
    return found.value if (found := value(m, f"train/{run}", quantity)) else None


def _readouts(m: Measurements, study: Cnnf) -> Table:
    def called(run: str) -> str:
        return "grid: T = {}, r = {:g}".format(*study.cells[run]) if run in study.cells else label(run)

    def read(images: str, readout: str) -> Column:
        of = partial(_mean, m, quantity=f"{images}_{readout}_accuracy")
        return Column(f"{images}, {READOUTS[readout]}", "percent", of, f"{images}_{readout}")

    return table(
        "cnnf-readouts",
        paragraphs(study.name, "readouts_table", m),
        [run for run in study.networks if m.ran(f"train/{run}") and m.settings(f"train/{run}")["cycles"]],
        (
            columns.network(called),
            *(read(images, readout) for images in IMAGES for readout in READOUTS),
            Column("seeds", "count", lambda run: len((m.ran(f"train/{run}") or {})["per_seed"])),
        ),
    )


def _cycles(m: Measurements, study: Cnnf) -> Table:
    Row = tuple[str, str]  # run, kind of images

    def changed(end: str) -> Column:
        def of(row: Row) -> Estimate | None:
            return value(m, f"train/{row[0]}", f"{row[1]}_changed_{end}")

        return Column(f"changed, {end}", "estimate", of, f"changed_{end}")

    def logged(title: str, quantity: str, at: int, key: str) -> Column:
        def of(row: Row) -> float | None:
            return found[at].value if (found := values(m, f"train/{row[0]}", f"{row[1]}_{quantity}")) else None

        return Column(title, "plain", of, key)

    return table(
        "cnnf-cycles",
        paragraphs(study.name, "cycles_table", m),
        [
            (run, kind)
            for run in study.runs + study.variants
            for kind in (*IMAGES, "blurred")
            if values(m, f"train/{run}", f"{kind}_changed")
        ],
        (
            Column("network", "text", lambda row: label(row[0])),
            Column("images", "text", lambda row: row[1]),
            changed("first"),
            changed("last"),
            logged("margin, first pass", "margin", 0, "margin_first"),
            logged("margin, last", "margin", -1, "margin_last"),
            Column("PSNR, image", "plain", lambda row: _mean(m, row[0], f"{row[1]}_input_psnr"), "psnr_image"),
            logged("PSNR, first", "psnr", 0, "psnr_first"),
            logged("PSNR, last", "psnr", -1, "psnr_last"),
        ),
    )


def _noise(m: Measurements, study: Cnnf) -> Table:
    runs = [run for run in study.runs + study.variants if not left_out(m.get(f"train/{run}"))]
    found = {(kind, run): by_level(m, run, kind) for kind in ("noise", "blur") for run in runs}
    grid = {kind: sorted({eps for run in runs for eps in found[kind, run]}) for kind in ("noise", "blur")}

    def trained(run: str) -> float | None:
        settings = m.settings(f"train/{run}")
        return settings.get("noise_level") if settings.get("images") != "clean" else None

    def at(kind: str, level: float, title: str) -> Column:
        key = f"{kind}_{level:g}"
        return Column(title, "percent", lambda run: item.value if (item := found[kind, run].get(level)) else None, key)

    return table(
        "cnnf-noise",
        paragraphs(study.name, "noise_table", m),
        runs,
        (
            columns.network(),
            Column("trained at", "plain", trained, "trained"),
            *(at("noise", level, f"level {level:g}") for level in grid["noise"]),
            *(at("blur", level, f"blur {level:g}") for level in grid["blur"] if level),
            Column("images", "count", lambda run: m.settings(f"train/{run}").get("n_images")),
        ),
    )
