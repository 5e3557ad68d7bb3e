"""Every stage of the graph once, at scale tiny on bundled data, in a fresh repository: what a new user would do."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
import yaml
from graph import DRAWN, REACHED

from biorobust.core.places import find
from biorobust.params import STUDIES

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.pipeline
# What the run leaves out, for it has to end in minutes: instances of a stage of which others stay, and recorded runs.
LEFT_OUT = {
    "hebbian_runs": {"normal-converged", "normal-dropped"},
    "kwta_ablations": {"collapse-relu-slower", "collapse-relu-slow", "collapse-kwta-slow", "collapse-kwta-low-slow"},
}
# What is smaller or shorter than at scale tiny: enough for the tests below.
SMALLER = yaml.safe_load("""
hebbian: {epochs: 100}
hebbian_original: {epochs: 40}
hebbian_readout: {epochs: 200}
hebbian_original_readout: {epochs: 50}
simple_conv: {epochs: 14}
end_to_end: {epochs: 8}
hebbian_attack: {n_images: 16}
hebbian_adaptive: {n_images: 2}
cnnf_training: {n_train: 500}
cnnf_long: {epochs: 2}
cnnf_grid: {trained: [t1-r0]}
cnnf_evaluation: {n_test: 260, n_images: 26}
cnnf_attack: {n_images: 8}
cnnf_adaptive: {n_images: 2}
vonenet_training: {n_train: 128, n_test: 64}
kwta_fast: {n_train: 256, epochs: 2}
kwta_attack: {n_reencoded: 8}
kwta_adaptive: {n_images: 2}
kwta_ablation: {epochs: 1}
question: {n_train: 256, epochs: 1}
""")
RECORDED = "cnnf-cpu"
SIDE_BY_SIDE = (("compare@hebbian", "compare@cnnf"), ("compare@vonenet", "compare@kwta", "ablate_kwta"))
# What these reach in the graph and DVC leaves alone here: tiny has neither network, so what it needs is as it was.
AS_IT_WAS = {"question_attack@cnnf", "question_attack@kwta", "question_transfer", "compare@question"}
OVERRIDES = ("cnnf.residual=0.1", "kwta.gamma=0.15")


def run(*command, folder):
    """A command in a checkout, without the variables that choose data; fails the test with its output."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BIOROBUST_")}
    environment |= {"OMP_NUM_THREADS": "1", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment |= {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def ran(output):
    """Names of the stages that DVC says it ran."""
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository of its own holding the project's files, after `dvc repro` and a commit; what DVC said."""
    folder = tmp_path_factory.mktemp("pipeline") / "project"
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", folder=ROOT)
    for name in filter(None, listed.splitlines()):
        source = ROOT / name
        # Results of the developer's own runs stay out: a new user has none in the cache to fall back on.
        made = name.startswith(("reports/metrics/", "reports/run_info/", "dvc.lock"))
        recorded = name.startswith("reports/recorded/") and RECORDED not in name
        if source.is_file() and not made and not recorded:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["scale"] = "tiny"
    params["data"]["source"] = "bundled"
    params["vonenet_activations"]["eps"] = [0.0, params["vonenet_activations"]["common_eps"]]
    params["vonenet_perturbations"] |= {"steps": 10, "draws": 4}
    for block, sizes in SMALLER.items():
        params["scales"]["tiny"][block] |= sizes
    for block, names in LEFT_OUT.items():
        for name in names:
            del params[block][name]
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    run("git", "init", "-q", folder=folder)
    run("git", "add", "-A", folder=folder)
    run("git", "commit", "-qm", "start", folder=folder)
    # Studies do not depend on each other: two programs work through the graph, and a third one compares all of
    # them and draws what was found.
    with ThreadPoolExecutor() as pool:
        commands = [("dvc", "--wait-for-lock", "repro", *last) for last in SIDE_BY_SIDE]
        outputs = list(pool.map(lambda command: run(*command, folder=folder), commands))
    output = "".join([*outputs, run("dvc", "repro", folder=folder)])
    run("git", "add", "-A", folder=folder)
    run("git", "commit", "-qm", "results", folder=folder)
    return folder, output


@pytest.fixture(scope="module")
def checkout(made):
    return made[0]


def test_every_stage_runs_once_and_then_nothing_is_left_to_do(made):
    folder, output = made
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert {name.split("@")[0] for name in ran(output)} == set(graph)
    assert ran(output) == set(yaml.safe_load((folder / "dvc.lock").read_text())["stages"])
    assert "up to date" in run("dvc", "status", folder=folder)


def metrics(checkout, name):
    return json.loads(find(checkout / "reports/metrics", f"{name}.json").read_text())


def assert_learned(checkout, name):
    loss = pd.read_csv(find(checkout / "reports/metrics", f"curves/{name}.csv"))["loss"]
    assert loss.iloc[-1] < loss.iloc[0]


def test_every_run_of_letters_learned_and_every_attack_saw_enough(checkout):
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    sizes = params["scales"]["tiny"]
    for name in [*params["cnnf_runs"], *sizes["cnnf_variants"]["trained"], *sizes["cnnf_grid"]["trained"]]:
        assert_learned(checkout, name)
    assert metrics(checkout, "train/t2-r0")["reason"].startswith("not at this scale")
    for name in params["cnnf_runs"]:
        attack = metrics(checkout, f"attack/{name}")
        assert attack["n_images"] >= 8
        assert set(attack["attacks"]) == {*params["cnnf_attack"]["attacks"], "worst-case"}


def test_every_digit_run_learned_and_every_attack_saw_enough(checkout):
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    for name in [*params["hebbian_runs"], *params["hebbian_controls"]]:
        assert_learned(checkout, name)
        (trained,) = metrics(checkout, f"train/{name}")["per_seed"]
        assert not trained["collapsed"]
        assert trained["accuracy"] > 0.2  # chance is 0.1; saturated outputs make the readout slow
        attack = metrics(checkout, f"attack/{name}")
        assert attack["n_images"] >= 8
        assert sum(attack["attacks"]["fgsm-report"]["per_seed"][0]["unverified"]) == 0


def test_every_network_with_a_v1_stage_was_perturbed_read_and_scored(checkout):
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    for kind in ("perturb", "activations", "riddle", "attack"):
        for name in params["vonenet_runs"]:
            assert metrics(checkout, f"{kind}/{name}")["status"] == "ok"
        for name in params["vonenet_imagenet"]:
            found = metrics(checkout, f"{kind}/{name}")
            assert (found["status"], "BIOROBUST_WEIGHTS" in found["reason"]) == ("unavailable", True)
    live = metrics(checkout, "perturb/voneresnet50")["per_seed"][0]["live"]
    assert (live["noise"], live["fresh_draws"]) == ("live", params["vonenet_perturbations"]["draws"])


def test_metrics_are_useful_to_dvc(checkout):
    shown = json.loads(run("dvc", "metrics", "show", "--json", folder=checkout).splitlines()[0])
    files = {Path(name).stem: found["data"] for name, found in shown[""]["data"].items()}
    assert set(files) == set(STUDIES)
    assert {"kwta_low_clean", "kwta_low_pgd", "kwta_low_deepfool", "kwta_low_worst"} <= set(files["kwta"])
    assert all(len(found) <= 15 for found in files.values())


def test_the_report_renders_again_from_git_alone(checkout, tmp_path):
    run("git", "clone", "-q", str(checkout), str(tmp_path / "clone"), folder=tmp_path)
    clone = tmp_path / "clone"
    before = (clone / "reports/report.html").read_bytes()
    (clone / "reports/report.html").unlink()
    assert ran(run("dvc", "repro", "--force", "--single-item", "report", folder=clone)) == {"report"}
    assert (clone / "reports/report.html").read_bytes() == before
    assert not (clone / "data/checkpoints").exists()


@pytest.mark.experiment
def test_an_experiment_runs_only_what_depends_on_its_overrides(checkout):
    reached = set.union(*(REACHED[override.split("=")[0]] for override in OVERRIDES))
    output = run("dvc", "exp", "run", *(f"-S{override}" for override in OVERRIDES), folder=checkout)
    assert ran(output) == (reached - AS_IT_WAS) | DRAWN
    for run_name, setting, value in (("cnn-feedback", "residual", 0.1), ("fast-cifar10-scratch-kwta", "gamma", 0.15)):
        assert metrics(checkout, f"train/{run_name}")["settings"][setting] == value
    changed = run("dvc", "metrics", "diff", folder=checkout)
    assert "kwta_clean" in changed
    assert "relu_clean" not in changed


def test_an_advantage_is_the_difference_of_what_two_networks_keep(checkout):
    own, twin = (metrics(checkout, f"question/attack/mnist-{row}") for row in ("kwta-low", "plain"))
    place = own["eps"].index(own["settings"]["eps"])

    def kept(content, attack):
        (entry,) = content["attacks"][attack]["per_seed"]
        return entry["correct"][place] / entry["n"]

    (found,) = metrics(checkout, "question/advantage/mnist-kwta-low")["per_seed"]
    report, worst = (kept(own, attack) - kept(twin, attack) for attack in ("pgd-report", "worst-case"))
    assert found["advantage_report"] == pytest.approx(report)
    assert found["advantage_worst"] == pytest.approx(worst)
    assert found["advantage_lost"] == pytest.approx(report - worst)
    for name in ("mnist-v1", "cifar10-plain"):
        assert metrics(checkout, f"question/attack/{name}")["status"] == "unavailable"
