"""Below the tables of every study: where an attack's gradients were not numbers."""

import pytest
from report_checkout import edit, only, write_checkout

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


def captions(root, study):
    built = STUDIES[study](read_params(root / "params.yaml"))
    metrics = Measurements(root / "reports/metrics")
    claims = [claim for claim in claim_file.load(root / "reports/claims") if claim.study == study]
    tables = built.tables(metrics, judge(claims, metrics))
    return {table.id: table.caption for table in tables}


@pytest.mark.parametrize(("study", "file", "attack", "words", "shown"), PLACES)
def test_what_could_not_be_differentiated_is_named(study, file, attack, words, shown, tmp_path):
    with only(study):
        root = write_checkout(tmp_path, study=study, scale="cpu")
        assert not any("NaN" in caption for caption in captions(root, study).values())
        n = 0

        def spoil(content):
            nonlocal n
            seeds = content["attacks"][attack]["per_seed"]
            n = sum(seed["n"] for seed in seeds)
            seeds[0]["nonfinite_gradient"] = [3, *[None] * (len(content["eps"]) - 1)]
            seeds[-1]["nonfinite_gradient"] = [*[2] * (len(content["eps"]) - 1), 4]

        edit(root, file, spoil)
        found = captions(root, study)
        many = 4 if len(Measurements(root / "reports/metrics").get(file)["seeds"]) == 1 else 7
        assert f"{words}: {many} of {n} images" in found[shown]
        assert [name for name, caption in found.items() if "NaN" in caption] == [shown]


def test_what_deepfool_could_not_differentiate_is_named(tmp_path):
    with only("vonenet"):
        root = write_checkout(tmp_path, study="vonenet", scale="cpu")
        edit(root, "perturb/voneresnet50", lambda content: content["per_seed"][0]["live"].update(nonfinite_gradient=5))
        caption = captions(root, "vonenet")["vonenet-perturbations"]
        assert "live noise, DeepFool: 5 of" in caption
        assert "frozen noise, DeepFool" not in caption
