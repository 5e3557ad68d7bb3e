"""Below the tables of every study: where an attack's gradients were not numbers."""

import pytest
from report_checkout import FAKES, ROOT, edit

from biorobust.reporting import claim_file
from biorobust.reporting.claims import judge
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.registry import STUDIES, read_params

# The study, a metrics file of an attack, the attack in it and in words, and the table that shows its outcome.
PLACES = [
    ("hebbian", "attack/report-uniform", "fgsm-report", "FGSM on the report's loss", "hebbian-fgsm"),
    ("cnnf", "attack/cnn-feedback", "pgd-cross-entropy@first", "PGD, gradient through the first pass", "cnnf-attacks"),
    ("kwta", "attack/resnet18-svhn-scratch-kwta", "deepfool-report", "DeepFool", "kwta-table-5"),
    ("vonenet", "attack/voneresnet50", "pgd-cross-entropy", "PGD", "vonenet-attack"),
]


def captions(study, metrics):
    built = STUDIES[study](read_params(ROOT / "params.yaml"))
    claims = [claim for claim in claim_file.load(ROOT / "reports/claims") if claim.study == study]
    m = Measurements(metrics)
    return {table.id: table.caption for table in built.tables(m, judge(claims, m))}


@pytest.mark.parametrize(("study", "file", "attack", "words", "shown"), PLACES)
def test_what_could_not_be_differentiated_is_named(study, file, attack, words, shown, tmp_path):
    FAKES[study].write_metrics(tmp_path / "reports/metrics", scale="cpu")
    n, many = 0, 0

    def spoil(content):
        nonlocal n, many
        seeds = content["attacks"][attack]["per_seed"]
        n, many = sum(seed["n"] for seed in seeds), 4 if len(seeds) == 1 else 7
        seeds[0]["nonfinite_gradient"] = [3, *[None] * (len(content["eps"]) - 1)]
        seeds[-1]["nonfinite_gradient"] = [*[2] * (len(content["eps"]) - 1), 4]

    edit(tmp_path, file, spoil)
    found = captions(study, tmp_path / "reports/metrics")
    assert f"{words}: {many} of {n} images" in found[shown]
    assert [name for name, caption in found.items() if "NaN" in caption] == [shown]


def test_what_deepfool_could_not_differentiate_is_named(tmp_path):
    FAKES["vonenet"].write_metrics(tmp_path / "reports/metrics", scale="cpu")
    edit(tmp_path, "perturb/voneresnet50", lambda content: content["per_seed"][0]["live"].update(nonfinite_gradient=5))
    caption = captions("vonenet", tmp_path / "reports/metrics")["vonenet-perturbations"]
    assert "live noise, DeepFool: 5 of" in caption
    assert "frozen noise, DeepFool" not in caption
