"""A further study is one registry line, one file per concern and one template: the frame shows it beside the others."""

import re
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import yaml
from report_checkout import ROOT, claims_of, copied, edit, ledger_verdicts, only, record, run_info, text, write_checkout

from biorobust import params, studies
from biorobust.core import outcomes
from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, write_json
from biorobust.hebbian.report.figures import FIGURES
from biorobust.reporting import claim_file, figure
from biorobust.reporting.headline import Headline
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.notebook import inputs
from biorobust.reporting.registry import STUDIES, read_params
from biorobust.reporting.render import render
from biorobust.reporting.study import Study
from biorobust.reporting.summary import summary
from biorobust.reporting.table import Column, table
from biorobust.statistics import rules
from stages import tables

SECTION = """
<p>It knows {{ chapter.facts.answer }}.</p>
{{ results(chapter) }}
"""


@dataclass(frozen=True)
class Toy(Study):
    networks = ("toy-net",)

    def train_stage(self, run):
        return f"train_toy@{run}"

    def attack_stage(self, run):
        return f"attack_toy@{run}"

    def stages(self):
        return ("download@mnist", "train_toy@toy-net", "attack_toy@toy-net", "compare@toy")

    def results(self):
        return ("train/toy-net",)

    def tables(self, metrics, judged):
        assert {item.claim.study for item in judged} == {"toy"}
        row = {"network": "toy network", "accuracy": (metrics.get("train/toy-net") or {})["accuracy"]["mean"]}
        columns = (Column("network", "text", "network"), Column("accuracy", "percent", "accuracy"))
        return [table("toy-accuracy", ("Toy accuracy", "In percent."), [row], columns)]

    def headline(self, judged, metrics):
        return Headline(judged[0], "The toy leads.", ())

    def facts(self, metrics, params):
        return {"answer": "forty-two"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A small run of both studies beside a recorded run of the Hebbian one alone."""
    there = write_checkout(tmp_path_factory.mktemp("there"))
    claims_of(*STUDIES, root=there)
    root = write_checkout(tmp_path_factory.mktemp("here"), scale="laptop", seeds=(0,))
    record(root, there, "big-run")
    tables_ = {name: {} for name in ("BLOCKS", "SIZES", "RUNS", "ARCHITECTURES")}
    with only("hebbian"), pytest.MonkeyPatch.context() as patch:
        patch.setitem(params.STUDIES, "toy", SimpleNamespace(**tables_, NETWORKS=(), TRAINED={"all": 0.5}))
        patch.setitem(STUDIES, "toy", lambda values: Toy("toy", "A toy study", ("mnist",), ()))
        add_toy(root)
        tables.write(root)
        yield root


def add_toy(root):
    """Claims, template, metrics and notes of the toy study."""
    part = {"label": "accuracy", "rule": "threshold", "quantity": {"accuracy": "toy-net"}, "at_least": 0.9}
    claim = {"id": "T1", "source": ["ours"], "where": "here", "statement": "A toy works."}
    claims = {"files": [{"train/toy-net": {}}], "claims": [claim | {"parts": [part]}]}
    (root / "reports/claims/toy.yaml").write_text(yaml.safe_dump(claims))
    (root / "reports/templates/studies/toy.html.j2").write_text(SECTION)
    metrics = read_json(root / "reports/metrics/train/simple-conv.json")
    write_json(root / "reports/metrics/train/toy-net.json", metrics | {"run": "toy-net", "study": "toy"})
    outcomes.write(root / "reports/metrics/outcomes/toy.npz", {})
    for stage in ("train_toy@toy-net", "attack_toy@toy-net", "compare@toy"):
        write_json(root / f"reports/run_info/{stage}.json", run_info(stage, seconds=1000.0))


def test_every_study_has_its_files_and_its_names():
    values = read_params(ROOT / "params.yaml")
    for name, make in STUDIES.items():
        assert make(values).name == name
        assert (ROOT / f"reports/templates/studies/{name}.html.j2").exists()
        assert len(set(make(values).stages())) == len(make(values).stages()) > 0
        made = make(values).tables(Measurements(ROOT / "no-such-folder"), [])
        assert made
        assert [table.id for table in made if not table.id.startswith(f"{name}-")] == []


def test_studies_stand_side_by_side_each_with_its_own_newest_run(root):
    rendered = render(root)
    page = text(rendered.html)
    claims = yaml.safe_load((ROOT / "reports/claims/hebbian.yaml").read_text())["claims"]
    assert set(ledger_verdicts(rendered.summary)) == {*(claim["id"] for claim in claims), "T1"}
    assert ledger_verdicts(rendered.summary)["T1"] == rules.REPRODUCED
    assert "Verdicts of recorded run big-run (scale paper), this run (scale laptop)" in page
    title = read_json(root / "reports/metrics/data/mnist.json")["title"]
    assert page.count(f"{title} , ") == 1  # data of both runs are named once
    assert "A toy study: no recorded run is part of the repository" in page
    assert "Competing hidden units: no recorded run" not in page
    assert re.search(r"A toy study ?: numbers of this run, scale laptop", page)
    assert re.search(r"Competing hidden units ?: numbers of recorded run big-run, scale paper", page)
    assert "It knows forty-two." in page
    assert page.count("The toy leads.") == 1
    assert page.count("units that learned without labels keep more than a network of the same size") == 1
    assert "this run (laptop)" in page  # its verdicts are of two kinds
    accuracy = read_json(root / "reports/metrics/train/toy-net.json")["accuracy"]["mean"]
    assert page.count(f"toy network {100 * accuracy:.2f}") == 1
    ids = re.findall(r'\bid="([^"]+)"', rendered.html)
    assert len(ids) == len(set(ids))


def test_data_of_several_runs_are_told_as_the_first_of_them_notes(root, tmp_path):
    root = copied(root, tmp_path)
    edit(root, "data/mnist", lambda content: content.update(note="As the last run notes."))
    assert "As the last run notes." not in render(root).summary


def test_a_claim_of_an_unknown_study_is_refused(tmp_path):
    claims_of("hebbian", root=tmp_path)
    (tmp_path / "reports/claims/hebbian.yaml").rename(tmp_path / "reports/claims/hebian.yaml")
    with pytest.raises(
        BiorobustError, match=r"hebian\.yaml: study of reporting/registry\.py: 'hebian' is not one of .*hebbian"
    ):
        claim_file.load(tmp_path / "reports/claims")


def test_a_study_without_a_summary_is_told_which_file_it_lacks(tmp_path):
    with pytest.raises(BiorobustError, match=r"^src/biorobust/toy/report/summary\.py is missing: see docs/add"):
        summary("toy", Measurements(tmp_path))


def test_an_unknown_name_in_a_section_is_named_with_its_line(root, tmp_path):
    root = copied(root, tmp_path)
    template = root / "reports/templates/studies/toy.html.j2"
    template.write_text(f"{SECTION}{{{{ chapter.nothing.here }}}}")
    with pytest.raises(BiorobustError, match=rf"^{template}, line 4: UndefinedError: .* 'nothing'$"):
        render(root)
    template.unlink()
    with pytest.raises(BiorobustError, match=r"studies/toy\.html\.j2"):
        render(root)


def test_a_figure_without_its_three_paragraphs_is_named(tmp_path, monkeypatch):
    root = write_checkout(tmp_path, study="hebbian", scale="tiny")
    given = inputs(
        "hebbian", metrics=[root / "reports/metrics"], params=root / "params.yaml", claims=root / "reports/claims"
    )
    monkeypatch.setattr(figure.words, "paragraphs", lambda *_, **__: ("A title.", "A caption."))
    with pytest.raises(BiorobustError, match=r"hebbian\.j2: block \w+ needs a title, a text alternative and a caption"):
        [figure.draw(item, given) for item in FIGURES]


def test_a_study_that_lacks_a_module_is_named(monkeypatch):
    monkeypatch.setattr(studies, "STUDIES", ("hebbian", "cortex"))
    with pytest.raises(BiorobustError, match=r"study 'cortex' has no module biorobust\.cortex "):
        studies.modules("report.chapter")
