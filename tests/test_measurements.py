"""The table of measurements: what it holds, and what a file of another shape is called."""

import numpy as np
import pandas as pd
import pytest
from fake_hebbian import write_metrics

from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, write_json, write_npz
from biorobust.reporting.estimates import accuracy, curve, difference, value, zero_gradient
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.metrics_file import read_curve, read_pairs, read_pictures

RUN = "report-normal"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("metrics")
    write_metrics(root, scale="tiny", seeds=(0, 1))
    return root


def test_the_table_has_a_row_for_every_number_of_a_file(folder):
    m = Measurements(folder)
    table = pd.DataFrame([*m.every_row(f"train/{RUN}"), *m.every_row(f"attack/{RUN}")])
    content = read_json(folder / f"attack/{RUN}.json")
    for attack, entry in content["attacks"].items():
        for seed in entry["per_seed"]:
            rows = table[(table.attack == attack) & (table.seed == seed["seed"]) & (table.quantity == "accuracy")]
            assert list(rows.eps) == content["eps"]
            assert list(rows.value) == [k / seed["n"] for k in seed["correct"]]
    clean = table[(table.file == f"train/{RUN}") & (table.quantity == "accuracy")]
    assert list(clean.k) == [seed["correct"] for seed in read_json(folder / f"train/{RUN}.json")["per_seed"]]


def test_estimates_are_means_of_the_rows_inside_their_intervals(folder):
    m = Measurements(folder)
    entries = read_json(folder / f"attack/{RUN}.json")["attacks"]["fgsm-report"]["per_seed"]
    found = curve(m, RUN, "fgsm-report")
    for i, point in enumerate(found.points):
        assert point.value == pytest.approx(sum(seed["correct"][i] for seed in entries) / sum(s["n"] for s in entries))
        assert point.low <= point.value <= point.high
        assert (point.n, point.n_seeds) == (entries[0]["n"], len(entries))
    assert found.at(0.1) == accuracy(m, RUN, attack="fgsm-report", eps=0.1)
    floor = zero_gradient(m, RUN, "fgsm-report")
    assert floor.value == pytest.approx(sum(s["zero_gradient_correct"] for s in entries) / sum(s["n"] for s in entries))
    shared = value(m, "pretrain/normal", "converged_share")
    assert shared.low <= shared.value <= shared.high <= 1
    gap = difference(m, RUN, "simple-conv")
    a, b = accuracy(m, RUN), accuracy(m, "simple-conv")
    assert gap.value == pytest.approx(a.value - b.value)


def test_what_was_not_run_is_none(folder):
    m = Measurements(folder)
    assert accuracy(m, "nothing") is None
    assert curve(m, RUN, "pgd-report") is None
    assert accuracy(m, RUN, attack="fgsm-report", eps=0.123) is None
    assert value(m, f"train/{RUN}", "autocorrelation") is None


@pytest.mark.parametrize(
    ("kind", "spoil", "named"),
    [
        ("train", lambda content: content.pop("per_seed"), "per_seed"),
        ("train", lambda content: content["per_seed"][1].update(correct=20_000), "per_seed.1"),
        ("attack", lambda content: content["attacks"]["fgsm-report"]["per_seed"][0].update(correct=[1]), "fgsm-report"),
    ],
)
def test_a_file_of_another_shape_is_named_in_one_line(folder, tmp_path, kind, spoil, named):
    path = tmp_path / f"{kind}/{RUN}.json"
    content = read_json(folder / f"{kind}/{RUN}.json")
    spoil(content)
    write_json(path, content)
    with pytest.raises(BiorobustError) as error:
        Measurements(tmp_path).get(f"{kind}/{RUN}")
    assert str(path) in str(error.value)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


CURVE = "seed,level,n,first,last,average\n0,0.1,100,50,{},50\n"
PAIRS = "a,b,attack,eps,seed,both,only_a,only_b,neither\na,b,none,0,0,{},1,1,1\n"


@pytest.mark.parametrize(
    ("read", "row", "wrong"),
    [(read_curve, CURVE, "-1"), (read_curve, CURVE, "101"), (read_pairs, PAIRS, "-1"), (read_pairs, PAIRS, "many")],
)
def test_counts_are_counts_of_so_many_images(tmp_path, read, row, wrong):
    path = tmp_path / "noise-a.csv"
    path.write_text(row.format(wrong))
    with pytest.raises(BiorobustError, match=r"noise-a\.csv is not a table"):
        read(path)


def test_pictures_that_are_cut_off_are_one_line(tmp_path):
    write_npz(tmp_path / "a.npz", {"a": np.arange(500)})
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[:200])
    with pytest.raises(BiorobustError, match=r"a\.npz holds no pictures"):
        read_pictures(tmp_path / "a.npz")


def test_files_of_another_scale_are_not_mixed(folder, tmp_path):
    for run, scale in ((RUN, "paper"), ("simple-conv", "tiny")):  # from folders of two scales
        write_json(tmp_path / f"train/{run}.json", read_json(folder / f"train/{run}.json") | {"scale": scale})
    m = Measurements(tmp_path)
    m.get(f"train/{RUN}")
    with pytest.raises(BiorobustError, match=r"simple-conv.json: scale is tiny.*paper"):
        m.get("train/simple-conv")
