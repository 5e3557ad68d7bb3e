"""The outcomes that stages.compare packs against looking at every image, and what it refuses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import ROOT

from biorobust.core import outcomes
from biorobust.core.errors import BiorobustError
from biorobust.core.files import write_parquet
from biorobust.statistics.outcomes import of_runs
from stages import compare

ATTACKS = ("one", "two")
EPS = (0.0, 0.1, 0.2)
OUT = Path("reports/metrics/outcomes/hebbian.npz")
INDEX = np.array([7, 3, 11, 5, 0, 2, 9, 4])


def records(run, *, seeds=(0, 1), index=INDEX):
    """A record in which each image breaks at an epsilon of its own per attack; some are wrong to begin with."""
    rng = np.random.default_rng(run)
    rows = []
    for seed in seeds:
        label = index % 10
        clean = np.where(rng.random(len(index)) < 0.2, (label + 1) % 10, label)
        for attack in ATTACKS:
            breaks_at = rng.choice([0.05, 0.15, 0.25], len(index))
            for eps in EPS:
                broken = (clean != label) | (breaks_at <= eps)
                part = {"seed": seed, "attack": attack, "eps": eps, "index": index, "label": label}
                rows.append(pd.DataFrame(part | {"clean_prediction": clean, "broken": broken}))
    table = pd.concat(rows, ignore_index=True)
    return table.sample(frac=1, random_state=run)  # the order of rows carries nothing


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/attacks/hebbian"
    write_parquet(folder / "a.parquet", records(0))
    write_parquet(folder / "b.parquet", records(1))
    write_parquet(folder / "c.parquet", records(2, seeds=(1, 2)))
    (folder / "removed.parquet").write_text("a leftover that is not even Parquet")
    return folder


def right(table, seed, attack, eps, index):
    """Whether one image is still right, from the definitions and one image at a time."""
    image = table[(table["seed"] == seed) & (table["index"] == index)]
    if attack == "none":
        return bool((image["clean_prediction"] == image["label"]).all())
    tried = image if attack == "worst-case" else image[image["attack"] == attack]
    tried = tried[tried["eps"] <= eps] if attack == "worst-case" else tried[tried["eps"] == eps]
    return not tried["broken"].any()


def test_outcomes_are_those_of_looking_at_every_image(study):
    packed = of_runs(study, groups=[["b", "a", "c"]])
    cells = [("none", 0.0), *((attack, eps) for attack in (*ATTACKS, "worst-case") for eps in EPS)]
    assert set(packed) == {outcomes.cell(run, attack, eps) for run in "abc" for attack, eps in cells}
    found = {run: pd.read_parquet(study / f"{run}.parquet") for run in "abc"}
    for (run, attack, eps), (seeds, images, right_) in packed.items():
        assert seeds == ((1, 2) if run == "c" else (0, 1))
        assert images.tolist() == sorted(INDEX)
        for row, seed in enumerate(seeds):
            expected = [right(found[run], seed, attack, eps, index) for index in images]
            assert right_[row].tolist() == expected, (run, attack, eps, seed)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda table: table.assign(index=table["index"] + 1), "a and b were attacked on different images"),
        (lambda table: table.assign(eps=table["eps"] * 2), "a and b were attacked with different attacks or epsilons"),
        (lambda table: table.iloc[:-1], "has other images than the rest"),
        (lambda table: table[(table["seed"] == 0) | (table["attack"] == "one")], "seed 1 lacks an attack"),
        (lambda table: table.iloc[:0], "holds no images"),
        (lambda table: table.drop(columns="broken"), "is no attack record"),
        (lambda table: table.assign(broken="no"), "is no attack record (broken is"),
    ],
)
def test_records_that_do_not_fit_stop_with_one_line(study, spoil, message):
    write_parquet(study / "b.parquet", spoil(records(1)))
    with pytest.raises(BiorobustError) as error:
        of_runs(study, groups=[["a", "b"]])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_or_damaged_record_stops_with_one_line(study):
    with pytest.raises(BiorobustError, match=r"d\.parquet is missing"):
        of_runs(study, groups=[["a", "d"]])
    with pytest.raises(BiorobustError, match=r"removed\.parquet is no attack record"):
        of_runs(study, groups=[["a", "removed"]])


def test_the_stage_takes_its_runs_from_params(study):
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text())
    names = ["report-uniform", "report-normal", "normal-converged", "normal-dropped", "original"]
    names += ["simple-conv", "end-to-end"]
    adapted = ["report-uniform", "report-normal", "original", "end-to-end"]
    names += [f"{name}-adaptive" for name in adapted]
    for i, name in enumerate(names):
        write_parquet(study / f"{name}.parquet", records(i))
    compare.main(["hebbian"])
    assert list(dict.fromkeys(cell.run for cell in outcomes.read(OUT))) == names
    assert Path("reports/run_info/compare@hebbian.json").exists()
