"""The page: well formed, whole in one file, the same at every rendering, and silent where nothing was run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import report_checkout
from report_checkout import (
    ROOT,
    Page,
    copied,
    draw_and_tabulate,
    ledger_verdicts,
    record,
    text,
    verdicts,
    write_checkout,
)

from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, write_json, write_text
from biorobust.hebbian.report.figures import FIGURES
from biorobust.reporting import figure, numbers
from biorobust.reporting.notebook import inputs
from biorobust.reporting.render import render
from biorobust.statistics import rules
from stages import tables

alone = report_checkout.alone("hebbian")


@pytest.fixture(scope="module")
def paper(finished):
    """The study at the size its claims need, drawn and tabulated; not to be changed."""
    return finished("hebbian", scale="paper")


@pytest.fixture(scope="module")
def both(tmp_path_factory, paper):
    """A tiny run on stand-in data beside two recorded runs, of which the later is at the report's size."""
    root = write_checkout(tmp_path_factory.mktemp("both"), scale="tiny", fidelity="stand-in", seeds=(0,))
    for name, at in (("second", "2026-02-01T00:00:00+00:00"), ("first", "2026-01-01T00:00:00+00:00")):
        folder = record(root, paper, name)
        manifest = read_json(folder / "manifest.json")
        write_json(folder / "manifest.json", manifest | {"recorded_at": at})
    (root / "reports/run_info/download@mnist.json").unlink()
    draw_and_tabulate(root)
    return root


@pytest.fixture(scope="module")
def rendered(both):
    return render(both)


def test_templates_hold_no_result():
    """No decimal number and no verdict in the words of a template; both are computed."""
    for path in (ROOT / "reports/templates").rglob("*.j2"):
        words = re.sub(
            r"\{[{%#].*?[%#}]\}|<style>.*?</style>|<math.*?</math>|<code>.*?</code>|<[^>]+>",
            " ",
            path.read_text(),
            flags=re.DOTALL,
        )
        assert re.findall(r"\d+\.\d+|\d+ ?%", words.replace("95 %", "")) == [], path.name
        if path.name != "protocol.html.j2":  # which says what leads to which verdict
            assert [verdict for verdict in rules.VERDICTS if re.search(rf"\b{verdict}\b", words)] == [], path.name


def test_the_page_of_two_runs_is_well_formed_and_loads_nothing(rendered):
    assert not re.search(r"\{\{|None", text(rendered.html) + rendered.summary)
    page = Page(rendered.html)
    page.check()
    assert len(page.drawings) == 5


def test_tabulating_and_rendering_again_gives_the_same_bytes(paper, tmp_path):
    again = copied(paper, tmp_path)
    shutil.rmtree(again / "reports/tables")
    tables.write(again)
    files = [path.relative_to(paper) for path in (paper / "reports").rglob("*") if path.is_file()]
    assert [path for path in files if (paper / path).read_bytes() != (again / path).read_bytes()] == []
    assert render(again) == render(paper)


def test_the_newest_recorded_run_leads_and_this_run_stands_beside_it(rendered, paper):
    page = text(rendered.html)
    assert ledger_verdicts(rendered.summary) == verdicts(paper)
    first = page[: page.index("The ledger Every claim")]
    assert "Verdicts of recorded run second (scale paper)" in first
    assert "This run (scale tiny, on data that only stand in for the real ones)" in first
    assert "ecorded run first" not in page
    assert "this run (tiny)" not in page  # its verdicts are all "not testable", so the ledger has no column of them
    assert f"commit {'d' * 40} stages ran at c0ffee , with changes not committed" in page


def test_claims_that_changed_after_recording_are_named_on_page_and_ledger(both, rendered, tmp_path):
    root = copied(both, tmp_path)
    claims = root / "reports/claims/hebbian.yaml"
    claims.write_text(claims.read_text().replace("at_least: 0.9", "at_least: 0.8", 1))
    for page, edited in ((rendered, False), (render(root), True)):
        for part in (text(page.html), page.summary):
            assert ("Claims or thresholds were changed after second was recorded" in part) == edited
        assert text(page.html).count("claims, thresholds changed since") == edited


def test_a_recorded_run_that_was_changed_is_named_and_not_used(both, tmp_path):
    root = copied(both, tmp_path)
    forged = root / "reports/recorded/second/metrics/train/report-uniform.json"
    forged.write_text(forged.read_text().replace('"correct": 9', '"correct": 8', 1))
    rendered = render(root)
    page = text(rendered.html)
    assert "Recorded run second is not used: metrics/train/report-uniform.json was changed" in page
    assert "Recorded run second is not used" in rendered.summary
    assert "Recorded run first, scale paper" in page


def test_an_unavailable_run_is_left_out_and_named(tmp_path):
    def withdraw(metrics):
        for kind in ("train", "attack"):
            path = metrics / kind / "simple-conv.json"
            write_json(path, read_json(path) | {"status": "unavailable", "reason": "no such device"})

    root = write_checkout(tmp_path, change=withdraw)
    tables.write(root)
    assert "unavailable: no such device" in (root / "reports/tables/current/hebbian-accuracy.csv").read_text()
    reports = root / "reports"
    given = inputs("hebbian", metrics=[reports / "metrics"], params=root / "params.yaml", claims=reports / "claims")
    found = {item.id: figure.draw(item, given) for item in FIGURES if item.id in ("accuracy-epsilon", "losses")}
    for drawn in found.values():
        assert "Not run, so not drawn: convolutional network." in drawn.caption
    curve = found["accuracy-epsilon"].data
    assert "simple-conv" not in set(curve["run"])
    assert set(curve.loc[curve["run"] == "convolutional network", "attack"]) == {"reported"}


def test_the_printed_curve_is_that_of_the_notebook_and_not_of_a_sentence(paper):
    """H7 asks the plateau of the text, 28 %, as well: it is no point of the curve."""
    printed = pd.read_csv(paper / "reports/reported/hebbian.csv")
    published = printed[printed["id"] == "hebbian"].set_index("eps")["value"].to_dict()
    data = pd.read_csv(paper / "reports/figures/hebbian/current/accuracy-epsilon.csv")
    drawn = data[(data["run"] == "Hebbian") & (data["attack"] == "reported")].set_index("eps")["accuracy"]
    assert drawn.to_dict() == pytest.approx(published)


def test_a_stage_draws_the_same_figures_through_the_notebook_whatever_the_users_settings(paper, tmp_path, monkeypatch):
    from stages import figures

    root = copied(paper, tmp_path)
    shutil.copytree(ROOT / "reports/notebooks", root / "reports/notebooks")
    (root / "reports/figures/hebbian/current/leftover.svg").write_text("<svg/>")
    (root / "matplotlibrc").write_text("font.size: 30\naxes.grid: True\nsavefig.bbox: tight\n")
    user = tmp_path / "user"
    (user / "kernels/python3").mkdir(parents=True)
    (user / "kernels/python3/kernel.json").write_text('{"argv": ["false"], "display_name": "x", "language": "python"}')
    (user / "profile_default/startup").mkdir(parents=True)
    (user / "profile_default/startup/mine.py").write_text("import os; os._exit(1)")
    monkeypatch.chdir(root)
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONSTARTUP", str(user / "profile_default/startup/mine.py"))
    for name in ("JUPYTER_PATH", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(user))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", "/dev/null/nowhere")
    cells = read_json(figures.NOTEBOOK)["cells"]
    assert [cell["id"] for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []
    figures.main(["hebbian"])
    assert not list((root / "reports/figures").glob("*.part"))
    drawn, expected = (base / "reports/figures/hebbian/current" for base in (root, paper))
    assert {path.name: path.read_bytes() for path in drawn.iterdir()} == {
        path.name: path.read_bytes() for path in expected.iterdir()
    }


@pytest.mark.parametrize(
    ("kind", "said", "line"),
    [
        ("BiorobustError", "x.json is damaged", r"^x.json is damaged$"),
        ("KeyError", "'epoch'", r"^reports/notebooks/study.ipynb ended with KeyError: 'epoch' .* shows where$"),
    ],
)
def test_an_error_inside_the_notebook_stays_one_line(tmp_path, monkeypatch, kind, said, line):
    import papermill

    from stages import figures

    def fail(*_, **__):
        raise papermill.PapermillExecutionError(1, 1, "", kind, said, ["a", "long", "story"])

    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "reports/notebooks", tmp_path / "reports/notebooks")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(papermill, "execute_notebook", fail)
    drawn = Path("reports/figures/hebbian/current/a.svg")
    write_text(drawn, "<svg/>")
    with pytest.raises(BiorobustError, match=line):
        figures.main(["hebbian"])
    assert [path for path in Path("reports/figures").rglob("*") if path.is_file()] == [drawn]


def test_tables_that_cannot_be_made_leave_the_old_ones(paper, tmp_path):
    root = copied(paper, tmp_path)
    before = {path: path.read_bytes() for path in (root / "reports/tables").rglob("*.csv")}
    (root / "reports/metrics/train/original.json").write_text("{", encoding="utf-8")
    with pytest.raises(BiorobustError, match=r"train/original.json is not valid JSON"):
        tables.write(root)
    assert {path: path.read_bytes() for path in (root / "reports/tables").rglob("*.csv")} == before
    assert before


def test_a_backend_that_is_not_there_stops_no_stage():
    environment = os.environ | {"MPLBACKEND": "module://mine", "MATPLOTLIBRC": "/no/such"}
    program = "import stages, matplotlib; print(matplotlib.get_backend())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mine" not in done.stdout


def test_numbers_are_written_one_way():
    assert [numbers.percent(value) for value in (0.9664, None)] == ["96.64", "–"]
    assert [numbers.points(value) for value in (-0.012, 0.012)] == ["−1.20", "+1.20"]
    assert [numbers.interval(*ends) for ends in ((0.5, 0.625), (None, 0.5))] == ["[50.00, 62.50]", ""]
    assert numbers.count(60000) == "60\u202f000"
    assert [numbers.listed(items) for items in (["a"], ["a", "b", "c"])] == ["a", "a, b and c"]
    assert [numbers.duration(seconds) for seconds in (41.2, 720, 12240)] == ["41 s", "12 min", "3.4 h"]


def test_what_notes_say_is_no_markup_in_the_summary(tmp_path):
    root = write_checkout(tmp_path, scale="tiny", seeds=(0,))
    path = root / "reports/metrics/data/mnist.json"
    note = "A <b>bold</b> | *note* with `code|x`,\n# a &lt; and [a link](http://x)."
    write_json(path, read_json(path) | {"note": note})
    (root / "reports/recorded/a_b_*c*").mkdir(parents=True)
    lines = render(root).summary.splitlines()
    assert any(
        line.endswith(r": A \<b>bold\</b> \| \*note\* with `code\|x`, # a \&lt; and [a link\](http://x).")
        for line in lines
    )
    assert r"Recorded run a_b\_\*c\* is not used: manifest.json is missing." in lines
