"""Every stage of the graph once, at scale tiny on bundled data, in a fresh repository: what a new user would do."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
# What is trained for less long than at scale tiny: enough for the tests below.
EPOCHS = {
    "hebbian": 100,
    "hebbian_original": 100,
    "hebbian_readout": 200,
    "hebbian_original_readout": 100,
    "end_to_end": 12,
}
RECORDED = "cnnf-cpu"
SIDE_BY_SIDE = (("compare@hebbian", "compare@cnnf"), ("compare@vonenet", "compare@kwta", "ablate_kwta"))
# What these reach in the graph and DVC leaves alone here: tiny has neither network, so what it needs is as it was.
AS_IT_WAS = {"question_attack@cnnf", "question_attack@kwta", "question_transfer", "compare@question"}
OVERRIDES = ("cnnf.residual=0.1", "kwta.gamma=0.15")


def run(*command, folder):
    """A command in a checkout, without the variables that choose data; fails the test with its output."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BIOROBUST_")}
    environment |= {"OMP_NUM_THREADS": "1", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.c"}
    environment |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b.c"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def ran(output):
    """Names of the stages an output of DVC says it ran."""
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")}


def stages_of(folder):
    """Names of all stages of a checkout."""
    return {line.split()[0] for line in run("dvc", "stage", "list", folder=folder).splitlines()}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A repository of its own holding the project's files, after `dvc repro` and a commit of what it made."""
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
    for block, epochs in EPOCHS.items():
        params["scales"]["tiny"][block]["epochs"] = epochs
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
    (folder / "data/first-output.txt").write_text(output)
    run("git", "add", "-A", folder=folder)
    run("git", "commit", "-qm", "results", folder=folder)
    return folder


def test_every_stage_runs_once_and_then_nothing_is_left_to_do(checkout):
    graph = stages_of(checkout)
    assert {name.split("@")[0] for name in graph} == {name.split("@")[0] for name in stages_of(ROOT)}
    assert ran((checkout / "data/first-output.txt").read_text()) == graph
    assert ran(run("dvc", "repro", folder=checkout)) == set()
    assert "up to date" in run("dvc", "status", folder=checkout)


def test_the_report_says_what_it_is_made_of(checkout):
    report = (checkout / "reports/report.html").read_text()
    assert "scikit-learn" in report
    assert "stand-in" in report
    for run_name in yaml.safe_load((checkout / "params.yaml").read_text())["hebbian_runs"]:
        assert run_name in report
    assert (checkout / "reports/summary.md").read_text().count("| H") >= 8


def test_every_run_of_letters_learned_and_every_attack_saw_enough(checkout):
    import pandas as pd

    params = yaml.safe_load((checkout / "params.yaml").read_text())
    sizes, metrics = params["scales"]["tiny"], checkout / "reports/metrics"
    lists = [sizes[name]["trained"] for name in ("cnnf_variants", "cnnf_grid")]
    for name in [*params["cnnf_runs"], *lists[0], *lists[1]]:
        curve = pd.read_csv(find(metrics, f"curves/{name}.csv"))
        assert curve["loss"].iloc[-1] < curve["loss"].iloc[0]
    left_out = json.loads(find(metrics, "train/t2-r0.json").read_text())
    assert left_out["reason"].startswith("not at this scale")
    for name in params["cnnf_runs"]:
        attack = json.loads((checkout / f"reports/metrics/attack/{name}.json").read_text())
        assert attack["n_images"] >= 8
        assert set(attack["attacks"]) == {*params["cnnf_attack"]["attacks"], "worst-case"}


def test_every_digit_run_learned_and_every_attack_saw_enough(checkout):
    import pandas as pd

    params = yaml.safe_load((checkout / "params.yaml").read_text())
    for name in [*params["hebbian_runs"], *params["hebbian_controls"]]:
        curve = pd.read_csv(checkout / f"reports/metrics/curves/{name}.csv")
        assert curve["loss"].iloc[-1] < curve["loss"].iloc[0]
        metrics = json.loads((checkout / f"reports/metrics/train/{name}.json").read_text())
        assert not metrics["per_seed"][0]["collapsed"]
        assert metrics["per_seed"][0]["accuracy"] > 0.2  # chance is 0.1; saturated outputs make the readout slow
        attack = json.loads((checkout / f"reports/metrics/attack/{name}.json").read_text())
        assert attack["n_images"] >= 8
        assert sum(attack["attacks"]["fgsm-report"]["per_seed"][0]["unverified"]) == 0


def test_every_network_with_a_v1_stage_was_perturbed_read_and_scored(checkout):
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    for kind in ("perturb", "activations", "riddle", "attack"):
        for name in params["vonenet_runs"]:
            assert json.loads(find(checkout / "reports/metrics", f"{kind}/{name}.json").read_text())["status"] == "ok"
        for name in params["vonenet_imagenet"]:
            found = json.loads(find(checkout / "reports/metrics", f"{kind}/{name}.json").read_text())
            assert (found["status"], "BIOROBUST_WEIGHTS" in found["reason"]) == ("unavailable", True)
    live = json.loads((checkout / "reports/metrics/perturb/voneresnet50.json").read_text())["per_seed"][0]["live"]
    assert (live["noise"], live["fresh_draws"]) == ("live", params["vonenet_perturbations"]["draws"])


def test_metrics_parameters_and_plots_are_useful_to_dvc(checkout):
    shown = json.loads(run("dvc", "metrics", "show", "--json", folder=checkout).splitlines()[0])
    files = {Path(name).stem: found["data"] for name, found in shown[""]["data"].items()}
    assert set(files) == set(STUDIES)
    assert {"kwta_low_clean", "kwta_low_pgd", "kwta_low_deepfool", "kwta_low_worst"} <= set(files["kwta"])
    assert all(len(found) <= 15 for found in files.values())
    assert "hebbian.delta" in run("dvc", "params", "diff", "--all", "HEAD~1", folder=checkout)
    plots = run("dvc", "plots", "show", folder=checkout)
    assert "index.html" in plots


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
        metrics = json.loads(find(checkout / "reports/metrics", f"train/{run_name}.json").read_text())
        assert metrics["settings"][setting] == value
    changed = run("dvc", "metrics", "diff", folder=checkout)
    assert "kwta_clean" in changed
    assert "relu_clean" not in changed


def test_an_advantage_is_the_difference_of_what_two_networks_keep(checkout):
    def metrics(kind, name):
        return json.loads((checkout / f"reports/metrics/question/{kind}/{name}.json").read_text())

    own, twin = (metrics("attack", f"mnist-{row}") for row in ("kwta-low", "plain"))
    place = own["eps"].index(own["settings"]["eps"])

    def kept(content, attack):
        (entry,) = content["attacks"][attack]["per_seed"]
        return entry["correct"][place] / entry["n"]

    (found,) = metrics("advantage", "mnist-kwta-low")["per_seed"]
    report, worst = (kept(own, attack) - kept(twin, attack) for attack in ("pgd-report", "worst-case"))
    assert found["advantage_report"] == pytest.approx(report)
    assert found["advantage_worst"] == pytest.approx(worst)
    assert found["advantage_lost"] == pytest.approx(report - worst)
    assert {name: metrics("attack", name)["status"] for name in ("mnist-v1", "cifar10-plain")} == {
        "mnist-v1": "unavailable",
        "cifar10-plain": "unavailable",
    }
