"""The report prints what was computed: other metrics, other numbers and words; and nothing where nothing was run."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_checkout import ROOT, draw_and_tabulate, record, write_checkout

from biorobust.errors import BiorobustError
from biorobust.files import read_json, write_csv, write_json, write_npz
from biorobust.reporting import claim_file, numbers, rules
from biorobust.reporting.claims import judge, verdict_counts
from biorobust.reporting.figures.figure import read_index
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.render import Rendered, render
from biorobust.reporting.tables import table

VOID = {"meta", "link", "br", "hr", "img", "input", "path", "use", "image", "mspace"}
SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)
SHARES = {"converged_share", "negative_share", "autocorrelation", "test_accuracy", "accuracy"}
COUNTS = {"correct", "zero_gradient", "zero_gradient_correct"}


def other_numbers(metrics: Path) -> None:
    """Change every measured value of a metrics folder, so far that verdicts change with it."""
    for path in metrics.rglob("*.json"):
        if path.parent.name != "data":
            write_json(path, _changed(read_json(path)))
    for path in metrics.rglob("*.csv"):
        frame = pd.read_csv(path)
        for column in SHARES & set(frame):
            frame[column] = 0.61 * frame[column] + 0.1173
        if "only_a" in frame:
            moved = frame[["both", "only_a"]].min(axis=1) // 2
            frame = frame.assign(both=frame["both"] - moved, neither=frame["neither"] + moved, only_b=frame["only_b"])
            frame["only_a"], frame["only_b"] = frame["only_b"] + 0, frame["only_a"]
        write_csv(path, frame)
    for path in metrics.rglob("*.npz"):
        with np.load(path) as stored:
            arrays = dict(stored)
        if "units" in arrays:
            arrays["units"] = arrays["units"][:, ::-1] + np.float16(0.1)
        else:
            arrays["predictions"] = (arrays["predictions"] + 3) % 10
            arrays["images"] = 255 - arrays["images"]
        write_npz(path, arrays)


def _changed(value: object, key: str = "") -> object:
    if isinstance(value, dict):
        return {name: _changed(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_changed(item, key) for item in value]
    if value == 0 and key.startswith("zero_gradient"):
        return 0  # no gradient missing: captions would gain a sentence, and the two pages could not be compared
    if key in COUNTS:
        return int(0.61 * value) + 1173
    if key in SHARES and isinstance(value, float):
        return 0.61 * value + 0.1173
    return value + 7 if key in {"n_parameters", "n_updates", "unverified"} else value


class Page(HTMLParser):
    """Balance of tags, identifiers, addresses, and the cells of every table by caption."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.drawings: list[dict[str, str | None]] = []
        self.headers_without_scope = 0
        self.tables_without_caption = 0  # every table counts up, every caption down
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"]] if given.get("id") else []
        self.loaded += [given[name] or "" for name in ("src", "data", "srcset", "poster") if name in given]
        if tag in ("link", "script", "iframe", "object", "embed"):
            self.loaded.append(tag)
        if tag in ("image", "use"):
            self.loaded.append((given.get("xlink:href") or given.get("href") or "").strip())
        if tag == "a":
            self.links.append(given.get("href") or "")
        if tag == "svg":
            self.drawings.append(given)
        self.headers_without_scope += tag == "th" and "scope" not in given
        self.tables_without_caption += (tag == "table") - (tag == "caption")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> at line {self.getpos()[0]} closes something else"


def ready(root: Path, **given: object) -> Path:
    """A checkout that is drawn and tabulated."""
    write_checkout(root, **given)  # type: ignore[arg-type]
    draw_and_tabulate(root)
    return root


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ready(tmp_path_factory.mktemp("paper"))


@pytest.fixture(scope="module")
def altered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ready(tmp_path_factory.mktemp("altered"), change=other_numbers)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, paper: Path) -> Path:
    """A tiny run on stand-in data beside two recorded runs, of which the later is at the report's size."""
    root = write_checkout(tmp_path_factory.mktemp("both"), scale="tiny", fidelity="stand-in", seeds=(0,))
    for name, at in (("second", "2026-02-01T00:00:00+00:00"), ("first", "2026-01-01T00:00:00+00:00")):
        folder = record(root, paper, name)
        manifest = read_json(folder / "manifest.json")
        write_json(folder / "manifest.json", manifest | {"recorded_at": at})
    draw_and_tabulate(root)
    return root


def text(html: str) -> str:
    """The page as it is read: no drawings, no styles, no tags."""
    plain = re.sub(r"<style>.*?</style>", " ", SVG.sub(" ", html), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", plain))


def verdicts(root: Path, metrics: str = "reports/metrics") -> dict[str, str]:
    judged = judge(claim_file.load(root / "reports/claims.yaml"), Metrics(root / metrics))
    return {item.claim.id: item.verdict for item in judged if item.counted}


def ledger_verdicts(summary: str) -> dict[str, str]:
    """Claim -> verdict word as the ledger of summary.md prints it."""
    return dict(re.findall(r"^\| (H\d) \|.*\| [+~×?○·] ([a-z ]+): ", summary, flags=re.MULTILINE))


def cells(root: Path) -> dict[tuple[str, int, str], str]:
    """Every printed cell of the study's tables that holds a measured number."""
    settings = {"network", "run", "reported", "loss", "seeds", "images", "state", "weights", "init", "p", "k"}
    found = {}
    for name, item in table.read(root / "reports/tables/current").items():
        if name == "ledger":
            continue
        for position, row in enumerate(item.rows):
            if row.get("loss") == "as reported":
                continue
            for column in item.columns:
                without_gradient = column.key in ("zero", "zero_correct") and row[column.key] == 0
                if column.key not in settings | {"n_hidden", "epochs"} and not without_gradient:
                    found[name, position, column.key] = table.cell(row, column)
    return found


def test_every_number_of_the_tables_follows_the_metrics(paper: Path, altered: Path) -> None:
    before, after = cells(paper), cells(altered)
    assert len(before) > 200
    assert before.keys() == after.keys()
    same = {key: value for key, value in before.items() if value == after[key] and value != numbers.MISSING}
    assert same == {}


def test_every_number_of_the_ledger_follows_the_metrics(paper: Path, altered: Path) -> None:
    frames = [pd.read_csv(root / "reports/tables/current/ledger.csv") for root in (paper, altered)]
    for column in ("ours", "low", "high"):
        before, after = (frame[column] for frame in frames)
        assert before.notna().sum() > 20
        # A difference of two shares that are equal before and after stays zero.
        moved = before.round(6) != after.round(6)
        assert moved[before.notna() & (before.abs() > 1e-6)].all(), column
    assert (frames[0]["reported"].dropna() == frames[1]["reported"].dropna()).all()


def test_captions_and_figure_data_follow_the_metrics(paper: Path, altered: Path) -> None:
    before, after = (read_index(root / "reports/figures/hebbian/current") for root in (paper, altered))
    assert [entry["id"] for entry in before] == [entry["id"] for entry in after]
    assert len(before) == 6
    for old, new in zip(before, after, strict=True):
        drawings = [(root / "reports/figures/hebbian/current" / old["file"]).read_text() for root in (paper, altered)]
        assert drawings[0] != drawings[1], old["id"]
        pattern = r"\d+\.\d+(?=\u00a0%)|(?<=: )0\.\d+|\d+ of the \d+"
        measured = [re.findall(pattern, entry["caption"]) for entry in (old, new)]
        assert measured[0], old["id"]
        assert all(a != b for a, b in zip(*measured, strict=True)), (old["id"], measured)
        files = [root / "reports/figures/hebbian/current" / old["data"] for root in (paper, altered)]
        tables = [pd.read_csv(file) for file in files]
        for column in {"accuracy", "low", "high", "value", "prediction", "autocorrelation"} & set(tables[0]):
            measured_rows = tables[0][column].notna() & (tables[0].get("attack") != "reported")
            if "quantity" in tables[0]:
                measured_rows &= tables[0]["quantity"] != "learning_rate"
            assert measured_rows.any()
            assert (tables[0][column] != tables[1][column])[measured_rows].all(), (old["id"], column)


def test_the_headline_follows_the_metrics(paper: Path, altered: Path) -> None:
    answers = [re.search(r'<section id="answer">.*?</p>', render(root).html, re.DOTALL)[0] for root in (paper, altered)]  # type: ignore[index]
    leads = [re.search(r"<strong>(.*?)</strong>", answer)[1] for answer in answers]  # type: ignore[index]
    assert leads[0] == "Our explanation of the published curve holds."
    assert leads[1] != leads[0]
    figures = [re.findall(r"\d+\.\d+(?=\u00a0%| points)", answer) for answer in answers]
    assert len(figures[0]) == len(figures[1]) == 8
    assert all(a != b for a, b in zip(*figures, strict=True))


def test_verdict_words_are_those_of_the_rules(paper: Path, altered: Path) -> None:
    for root in (paper, altered):
        rendered, expected = render(root), verdicts(root)
        assert ledger_verdicts(rendered.summary) == expected
        page = text(rendered.html)
        for claim, verdict in expected.items():
            assert f"{claim} {rules_symbol(verdict)} {verdict}" in page
        counts = verdict_counts(judge(claim_file.load(root / "reports/claims.yaml"), Metrics(root / "reports/metrics")))
        for verdict, count in counts.items():
            assert f"{rules_symbol(verdict)} {count} {verdict}" in page
    before, after = verdicts(paper), verdicts(altered)
    assert sum(before[claim] != after[claim] for claim in before) >= 3


def rules_symbol(verdict: str) -> str:
    return dict(zip(rules.VERDICTS, "+~×?○·", strict=True))[verdict]


def test_templates_hold_no_result() -> None:
    """No decimal number and no verdict in the words of a template; both are computed."""
    for path in (ROOT / "reports/templates").glob("*.j2"):
        words = re.sub(
            r"\{[{%#].*?[%#}]\}|<math.*?</math>|<code>.*?</code>|<[^>]+>", " ", path.read_text(), flags=re.DOTALL
        )
        assert re.findall(r"\d+\.\d+|\d+ ?%", words.replace("95 %", "")) == [], path.name
        assert [verdict for verdict in rules.VERDICTS if re.search(rf"\b{verdict}\b", words)] == [], path.name


@pytest.mark.parametrize("name", ["paper", "altered", "both"])
def test_the_page_is_well_formed_and_loads_nothing(name: str, request: pytest.FixtureRequest) -> None:
    page = Page(render(request.getfixturevalue(name)).html)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids)) > 20
    assert [address for address in page.loaded if not address.startswith(("#", "data:image/png;base64,"))] == []
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert [link for link in page.links if not link.startswith("#")] == []
    used = {address[1:] for address in page.loaded if address.startswith("#")}
    assert used <= set(page.ids)
    assert len(page.drawings) == (12 if name == "both" else 6)
    assert all(len(drawing["aria-label"] or "") > 40 for drawing in page.drawings)
    assert page.headers_without_scope == page.tables_without_caption == 0


def test_rendering_and_drawing_again_gives_the_same_bytes(paper: Path, tmp_path: Path) -> None:
    again = shutil.copytree(paper, tmp_path / "elsewhere")
    for folder in ("tables", "figures"):
        shutil.rmtree(again / "reports" / folder)
    draw_and_tabulate(again)
    files = [path.relative_to(paper) for path in (paper / "reports").rglob("*") if path.is_file()]
    assert [path for path in files if (paper / path).read_bytes() != (again / path).read_bytes()] == []
    assert render(again) == render(paper)


def test_without_metrics_nothing_is_claimed(tmp_path: Path) -> None:
    root = ready(tmp_path, change=shutil.rmtree)
    rendered = render(root)
    assert set(ledger_verdicts(rendered.summary).values()) == {rules.NOT_RUN}
    page = text(rendered.html)
    assert "· 8 not run" in page
    assert "No data set has been prepared" in page
    assert "has not been run at the size it needs" in page
    assert "No figure has been drawn" in page
    assert "of the units that start from" not in page.lower()
    assert Page(rendered.html).drawings == []


def test_a_small_run_is_not_a_failed_claim(tmp_path: Path) -> None:
    rendered = render(write_checkout(tmp_path, scale="tiny", seeds=(0,)))
    assert set(ledger_verdicts(rendered.summary).values()) == {rules.NOT_RUN}
    page = text(rendered.html)
    assert "a claim without a verdict has not failed" in page
    assert "0 not reproduced" in page
    assert "the claim needs" in page
    assert "Weights that start from N(0,1) give" not in page


def test_stand_in_data_are_not_testable(tmp_path: Path) -> None:
    rendered = render(write_checkout(tmp_path, fidelity="stand-in"))
    assert set(ledger_verdicts(rendered.summary).values()) == {rules.NOT_TESTABLE}
    page = text(rendered.html)
    assert "cannot be tested on these data" in page
    assert page.index("stand-in data from source") < page.index("The ledger")


def test_the_newest_recorded_run_leads_and_this_run_stands_beside_it(both: Path, paper: Path) -> None:
    rendered = render(both)
    page = text(rendered.html)
    expected = verdicts(paper)
    assert ledger_verdicts(rendered.summary) == expected
    assert "Recorded run second, scale paper: 8 of 8 claims judged" in page
    assert "This run, scale tiny: 0 of 8 claims judged" in page
    assert "Recorded run first" not in page
    assert page.count("○ not testable") >= 8
    assert "d" * 40 in page
    assert "c0ffee" in page


def test_an_edit_of_the_claims_after_recording_is_shown(both: Path, tmp_path: Path) -> None:
    sentence = "The claims file was edited after recorded run second was made"
    assert sentence not in render(both).html
    root = shutil.copytree(both, tmp_path / "edited")
    with open(root / "reports/claims.yaml", "a", encoding="utf-8") as stream:
        stream.write("# an afterthought\n")
    assert sentence in render(root).html


def test_a_recorded_run_that_was_changed_is_named_and_not_used(both: Path, tmp_path: Path) -> None:
    root = shutil.copytree(both, tmp_path / "forged")
    forged = root / "reports/recorded/second/metrics/train/report-uniform.json"
    forged.write_text(forged.read_text().replace('"correct": 9', '"correct": 8', 1))
    rendered = render(root)
    page = text(rendered.html)
    assert "Recorded run second is not used: metrics/train/report-uniform.json was changed" in page
    assert "Recorded run second is not used" in rendered.summary
    assert "Recorded run first, scale paper" in page


def test_an_unavailable_run_is_left_out_and_named(tmp_path: Path) -> None:
    def withdraw(metrics: Path) -> None:
        for kind in ("train", "attack"):
            path = metrics / kind / "simple-conv.json"
            write_json(path, read_json(path) | {"status": "unavailable", "reason": "no such device"})

    root = ready(tmp_path, change=withdraw)
    captions = {entry["id"]: entry["caption"] for entry in read_index(root / "reports/figures/hebbian/current")}
    for name in ("accuracy-epsilon", "losses", "clean-accuracy"):
        assert "Not run, so not drawn: convolutional network." in captions[name]
    assert "unavailable: no such device" in render(root).html
    curve = pd.read_csv(root / "reports/figures/hebbian/current/accuracy-epsilon.csv")
    assert set(curve.loc[curve["run"] == "simple-conv", "attack"]) == {"reported"}


def test_one_seed_is_drawn_with_the_interval_over_images(tmp_path: Path) -> None:
    root = ready(tmp_path, scale="laptop", seeds=(0,))
    caption = read_index(root / "reports/figures/hebbian/current")[0]["caption"]
    assert "95 % Wilson interval" in caption
    curve = pd.read_csv(root / "reports/figures/hebbian/current/accuracy-epsilon.csv")
    conv = curve[(curve["run"] == "simple-conv") & (curve["attack"] == "fgsm-report")]
    p, n, z = conv["accuracy"].to_numpy(), 2000, 1.959964
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    np.testing.assert_allclose(conv["low"], centre - reach, atol=1e-5)
    np.testing.assert_allclose(conv["high"], centre + reach, atol=1e-5)


def test_leftovers_of_a_removed_run_are_not_shown(tmp_path: Path) -> None:
    root = write_checkout(tmp_path)
    params = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(re.sub(r"(?m)^  original: \{weights.*\n", "", params))
    draw_and_tabulate(root)
    assert "original" not in set(pd.read_csv(root / "reports/tables/current/hebbian-accuracy.csv")["run"])
    assert "original" not in set(pd.read_csv(root / "reports/figures/hebbian/current/clean-accuracy.csv")["run"])


def test_a_template_with_an_unknown_name_is_refused(paper: Path, tmp_path: Path) -> None:
    templates = shutil.copytree(ROOT / "reports/templates", tmp_path / "templates")
    with open(templates / "summary.md.j2", "a", encoding="utf-8") as stream:
        stream.write("{{ leading.no_such_value }}")
    with pytest.raises(BiorobustError, match="no_such_value"):
        render(paper, templates=templates)


def test_a_damaged_metrics_file_is_named(tmp_path: Path) -> None:
    root = write_checkout(tmp_path)
    (root / "reports/metrics/train/original.json").write_text("{", encoding="utf-8")
    with pytest.raises(BiorobustError, match=r"train/original.json is not valid JSON"):
        render(root)


def test_a_stage_draws_the_same_figures_through_the_notebook(
    paper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stages import figures

    root = shutil.copytree(paper, tmp_path / "checkout")
    shutil.copytree(ROOT / "reports/notebooks", root / "reports/notebooks")
    (root / "reports/figures/hebbian/current/leftover.svg").write_text("<svg/>")
    monkeypatch.chdir(root)
    monkeypatch.setenv("PYTHONPATH", "")
    figures.main(["hebbian"])
    drawn, expected = (base / "reports/figures/hebbian/current" for base in (root, paper))
    assert {path.name: path.read_bytes() for path in drawn.iterdir()} == {
        path.name: path.read_bytes() for path in expected.iterdir()
    }


def test_a_users_error_inside_the_notebook_stays_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import papermill

    from stages import figures

    def fail(*_: object, **__: object) -> None:
        raise papermill.PapermillExecutionError(1, 1, "", "BiorobustError", "x.json is damaged", ["a", "long", "story"])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(papermill, "execute_notebook", fail)
    with pytest.raises(BiorobustError, match=r"^x.json is damaged$"):
        figures.main(["hebbian"])


def test_the_notebook_is_committed_without_outputs() -> None:
    notebook = json.loads((ROOT / "reports/notebooks/hebbian.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"]] == []


def test_numbers_are_written_one_way() -> None:
    assert numbers.percent(0.9664) == "96.64"
    assert numbers.percent(None) == "–"
    assert numbers.points(-0.012) == "−1.20"
    assert numbers.points(0.012) == "+1.20"
    assert numbers.interval(0.5, 0.625) == "[50.00, 62.50]"
    assert numbers.interval(None, 0.5) == ""
    assert numbers.count(60000) == "60\u202f000"
    assert numbers.listed(["a", "b", "c"]) == "a, b and c"
    assert numbers.listed(["a"]) == "a"
    assert [numbers.duration(seconds) for seconds in (41.2, 720, 12240)] == ["41 s", "12 min", "3.4 h"]


def test_a_table_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    columns = (table.Column("name", "name"), table.Column("x", "x", "estimate"), table.Column("n", "n", "count"))
    row = {"name": "1", "x": 0.25, "x_low": 0.125, "x_high": 0.5, "n": 1000}
    written = table.Table("t", "T", "c", columns, (row, {"name": "empty", "x": None, "n": None}))
    table.save([written], tmp_path)
    found = table.read(tmp_path)["t"]
    assert [[table.cell(r, c) for c in columns] for r in found.rows] == [
        ["1", "25.00 [12.50, 50.00]", "1\u202f000"],
        ["empty", "–", "–"],
    ]
    (tmp_path / "t.csv").unlink()
    with pytest.raises(BiorobustError, match=r"t.csv is missing"):
        table.read(tmp_path)


def test_rendered_text_is_plain_files(paper: Path) -> None:
    rendered = render(paper)
    assert isinstance(rendered, Rendered)
    assert rendered.html.startswith('<!DOCTYPE html>\n<html lang="en">')
    for part in (rendered.html, rendered.summary):
        assert "{{" not in part
        assert "None" not in text(part)
