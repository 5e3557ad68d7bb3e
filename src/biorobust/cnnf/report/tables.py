"""Tables of the CNN-F study: clean and noisy, what feedback adds, the grid, readouts, cycles, noise levels, attacks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from biorobust.cnnf.report.study import (
    CNN,
    CNN_LONGER,
    CNN_NOISY,
    FEEDBACK,
    IMAGES,
    LONGER,
    NOISY_ONLY,
    NOT_CYCLED,
    PLAIN_RELU,
)
from biorobust.core.intervals import mean_interval
from biorobust.reporting import reported
from biorobust.reporting.attacks import FEEDBACK_ATTACKS
from biorobust.reporting.claim import Claim
from biorobust.reporting.estimates import by_level, per_cycle, per_seed, ran, test_accuracy
from biorobust.reporting.measure import NotMeasured, compared
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.style import look
from biorobust.reporting.tables.rows import estimate, gradients, left_out, omitted, state, under_attack
from biorobust.reporting.tables.table import Column, Table, Value

if TYPE_CHECKING:
    from biorobust.cnnf.report.study import Cnnf

Reported = Mapping[str, Mapping[str, float]]  # "clean" or "noisy" -> run -> accuracy
ONE_PASS = " A CNN has one pass: both gradients are the same there, and PGD differs by its random start alone."
READOUTS = {"first": "first pass", "last": "last cycle", "average": "average over cycles"}
# Which pairs take the comparison apart: (a, b, what differs between them).
PAIRS = (
    (FEEDBACK, CNN, "noisy training images and feedback"),
    (CNN_NOISY, CNN, "noisy training images"),
    (FEEDBACK, CNN_NOISY, "feedback"),
    (NOT_CYCLED, CNN_NOISY, "feedback on noisy images only"),
    (NOISY_ONLY, CNN_NOISY, "feedback, and no clean training images"),
    (PLAIN_RELU, CNN_NOISY, "feedback that leaves ReLU and pooling alone"),
    (LONGER, CNN_LONGER, "noisy training images and feedback, both trained longer"),
)


def tables(metrics: Metrics, study: Cnnf, claims: Iterable[Claim]) -> list[Table]:
    """Every table of the study; runs without metrics are listed with what kept them."""
    claims = list(claims)
    printed = {images: reported.clean(claims, images=images) for images in IMAGES}
    return [
        _accuracy(metrics, study, printed),
        _confounds(metrics, study),
        _grid(metrics, study, printed["noisy"]),
        _readouts(metrics, study),
        _cycles(metrics, study),
        _noise(metrics, study),
        under_attack(
            metrics, study.attacked, FEEDBACK_ATTACKS, id="cnnf-attacks", column="attack", printed={}, note=ONE_PASS
        ),
        gradients(metrics, study.attacked, FEEDBACK_ATTACKS, id="cnnf-gradients", column="attack"),
    ]


def _accuracy(metrics: Metrics, study: Cnnf, printed: Reported) -> Table:
    rows = []
    trained = {run: metrics.train(run) for run in study.runs + study.variants}
    for run, found in trained.items():
        if left_out(found):
            continue
        row: dict[str, Value] = {"network": look(run).label, "run": run}
        row["n_parameters"] = found["n_parameters"] if ran(found) and found else None
        for images in IMAGES:
            value = test_accuracy(metrics, run, images)
            row[f"reported_{images}"] = printed[images].get(run)
            row |= estimate(images, value)
            row |= {"seeds": value.n_seeds, "images": value.n} if value else {}
        clean, noisy = row.get("clean"), row.get("noisy")
        row["gap"] = noisy - clean if isinstance(noisy, float) and isinstance(clean, float) else None
        rows.append(row | {"state": state(found)})
    return Table(
        id="cnnf-accuracy",
        title="Clean and noisy test images",
        caption="Share of test images classified correctly under the counted readout, in percent; noisy images are the "
        "same pixels for every network. Brackets: 95 % interval over images, and over seeds where there are "
        "several." + omitted({look(run).label: found for run, found in trained.items()}),
        columns=(
            Column("network", "network"),
            Column("run", "run"),
            Column("n_parameters", "parameters", "count"),
            Column("reported_clean", "clean, reported", "percent"),
            Column("clean", "clean [95 %]", "estimate"),
            Column("reported_noisy", "noisy, reported", "percent"),
            Column("noisy", "noisy [95 %]", "estimate"),
            Column("gap", "noisy minus clean", "points"),
            Column("seeds", "seeds", "count"),
            Column("images", "images", "count"),
            Column("state", "state"),
        ),
        rows=tuple(rows),
    )


def _confounds(metrics: Metrics, study: Cnnf) -> Table:
    rows = []
    for a, b, differs in PAIRS:
        if not {a, b} <= set(study.networks) or any(left_out(metrics.train(run)) for run in (a, b)):
            continue
        row: dict[str, Value] = {"first": look(a).label, "second": look(b).label, "differs": differs}
        for images in ("noisy", "clean"):
            with contextlib.suppress(NotMeasured):
                found = compared(metrics, study.name, a, b, images=images)
                row |= {images: found.value, f"{images}_low": found.low, f"{images}_high": found.high}
        rows.append(row)
    return Table(
        id="cnnf-confounds",
        title="What the noisy training images bring, and what feedback adds",
        caption="Accuracy of the first network minus that of the second on the same test images, in points. Brackets: "
        "95 % interval over images, and over seeds where there are several.",
        columns=(
            Column("first", "first"),
            Column("second", "second"),
            Column("differs", "what differs"),
            Column("noisy", "noisy images [95 %]", "difference"),
            Column("clean", "clean images [95 %]", "difference"),
        ),
        rows=tuple(rows),
    )


def _grid(metrics: Metrics, study: Cnnf, printed: Mapping[str, float]) -> Table:
    rows = []
    trained = {run: metrics.train(run) for run in study.grid}
    for run, found in trained.items():
        cycles, residual = study.cells[run]
        row: dict[str, Value] = {"run": run, "residual": residual, "cycles": cycles}
        row["reported"] = printed.get(run)
        for images in ("noisy", "clean"):
            value = test_accuracy(metrics, run, images)
            row |= estimate(images, value)
            row[f"{images}_difference"] = value.value - printed[run] if value and run in printed else None
            row[f"{images}_sd"] = _sd(found, images) if value else None
            row |= {"seeds": value.n_seeds} if value else {}
        rows.append(row | {"state": "" if left_out(found) else state(found)})
    return Table(
        id="cnnf-grid",
        title="The grid of residual and cycles",
        caption="Test accuracy in percent, as reported and ours on noisy and on clean test images; the report does not "
        "say which it scored. Brackets: 95 % interval over images, and over seeds where there are several. Verdicts on "
        "a single seed borrow the scatter of the settings that have several." + omitted(trained),
        columns=(
            Column("run", "cell", "label"),
            Column("residual", "residual", "plain"),
            Column("cycles", "cycles", "count"),
            Column("reported", "reported", "percent"),
            Column("noisy", "noisy [95 %]", "estimate"),
            Column("noisy_difference", "difference", "points"),
            Column("clean", "clean [95 %]", "estimate"),
            Column("clean_difference", "difference", "points"),
            Column("noisy_sd", "noisy, s.d. over seeds", "percent"),
            Column("clean_sd", "clean, s.d. over seeds", "percent"),
            Column("seeds", "seeds", "count"),
            Column("state", "state"),
        ),
        rows=tuple(rows),
    )


def cell_label(study: Cnnf, run: str) -> str:
    """A cell of the grid by its settings."""
    cycles, residual = study.cells[run]
    return f"grid: T = {cycles}, r = {residual:g}"


def _sd(found: Mapping[str, Any] | None, images: str) -> float | None:
    key = "accuracy" if images == "clean" else f"{images}_accuracy"
    return mean_interval([seed[key] for seed in found["per_seed"]]).sd if found else None


def _readouts(metrics: Metrics, study: Cnnf) -> Table:
    rows = []
    for run in study.networks:
        found = ran(metrics.train(run))
        if not found or not found["settings"]["cycles"]:
            continue
        row: dict[str, Value] = {"network": cell_label(study, run) if run in study.grid else look(run).label}
        row["counted"] = READOUTS[found["settings"]["readout"]]
        for images in IMAGES:
            for readout in READOUTS:
                value = per_seed(found, f"{images}_{readout}_accuracy")
                row[f"{images}_{readout}"] = value.value if value else None
        rows.append(row | {"seeds": len(found["per_seed"])})
    return Table(
        id="cnnf-readouts",
        title="Which logits are read",
        caption="Test accuracy in percent, mean over seeds, of the logits of the first pass, of the last cycle, and of "
        "the mean over all of them. The report does not say which it read.",
        columns=(
            Column("network", "network"),
            *(
                Column(f"{images}_{readout}", f"{images}, {words}", "percent")
                for images in IMAGES
                for readout, words in READOUTS.items()
            ),
            Column("counted", "counted"),
            Column("seeds", "seeds", "count"),
        ),
        rows=tuple(rows),
    )


def _cycles(metrics: Metrics, study: Cnnf) -> Table:
    rows = []
    for run in study.runs + study.variants:
        found = ran(metrics.train(run))
        for images in [name for name in (*IMAGES, "blurred") if per_cycle(found, f"{name}_changed")]:
            row: dict[str, Value] = {"network": look(run).label, "images": images}
            for key in ("changed_first", "changed_last"):
                row |= estimate(key, per_seed(found, f"{images}_{key}"))
            for key in ("margin", "psnr", "reconstruction_rms"):
                values = per_cycle(found, f"{images}_{key}")
                row |= {f"{key}_first": values[0].value, f"{key}_last": values[-1].value} if values else {}
            before = per_seed(found, f"{images}_input_psnr")
            rms = per_seed(found, "clean_feature_rms")
            row |= {"psnr_image": before.value if before else None, "feature_rms": rms.value if rms else None}
            rows.append(row)
    return Table(
        id="cnnf-cycles",
        title="From the first cycle to the last",
        caption="Changed: predictions that differ from the cycle before, in percent [95 % t interval over seeds]. "
        "Margin: probability of the true letter minus that of the best other one, in the first pass and in the last "
        "cycle. PSNR against the clean image, in dB, of the image itself and of its reconstructions. R.m.s.: root mean "
        "square of the feature that feedback reconstructs, and of the one it stands for.",
        columns=(
            Column("network", "network"),
            Column("images", "images"),
            Column("changed_first", "changed, first", "estimate"),
            Column("changed_last", "changed, last", "estimate"),
            Column("margin_first", "margin, first pass", "plain"),
            Column("margin_last", "margin, last", "plain"),
            Column("psnr_image", "PSNR, image", "plain"),
            Column("psnr_first", "PSNR, first", "plain"),
            Column("psnr_last", "PSNR, last", "plain"),
            Column("reconstruction_rms_first", "r.m.s., first", "plain"),
            Column("reconstruction_rms_last", "r.m.s., last", "plain"),
            Column("feature_rms", "r.m.s., feature", "plain"),
        ),
        rows=tuple(rows),
    )


def _noise(metrics: Metrics, study: Cnnf) -> Table:
    rows: list[dict[str, Value]] = []
    grid: dict[str, dict[float, None]] = {"noise": {}, "blur": {}}
    for run in study.runs + study.variants:
        if left_out(metrics.train(run)):
            continue
        settings = (metrics.train(run) or {}).get("settings", {})
        row: dict[str, Value] = {"network": look(run).label, "images": None}
        row["trained"] = settings.get("noise_level") if settings.get("images") != "clean" else None
        for kind, levels in grid.items():
            found = by_level(metrics, run, kind)
            row |= {f"{kind}_{level:g}": value.value for level, value in found.items()}
            row["images"] = next((value.n for value in found.values()), row["images"])
            levels |= dict.fromkeys(found)
        rows.append(row)
    return Table(
        id="cnnf-noise",
        title="Sensitivity to the level of noise and blur",
        caption="Test accuracy in percent by the level of the noise on the test images, and by the standard deviation "
        "of their blur in pixels; mean over seeds. The report gives neither the kind of its noise nor a level.",
        columns=(
            Column("network", "network"),
            Column("trained", "trained at", "plain"),
            *(Column(f"noise_{level:g}", f"level {level:g}", "percent") for level in sorted(grid["noise"])),
            *(Column(f"blur_{level:g}", f"blur {level:g}", "percent") for level in sorted(grid["blur"]) if level),
            Column("images", "images", "count"),
        ),
        rows=tuple(rows),
    )
