"""The page that puts an experiment beside what it started from: everything that differs, from git alone."""

import base64
import json
import re
import subprocess
from pathlib import Path

import pytest

from biorobust.core.errors import BiorobustError
from stages import experiment

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><text>{}</text></svg>'
LEDGER = "claim,reading,part,ours,verdict\n{}"
BEFORE = {
    "params.yaml": "scale: tiny\nhebbian:\n  delta: 0.4  # strength\n  k: 2\nlist:\n  - 1\n",
    "reports/metrics/summary/hebbian.json": json.dumps({"accuracy": 0.9, "same": 1, "gone": 3}),
    "reports/tables/current/ledger.csv": LEDGER.format("H1,,accuracy,0.9,partly\nH2,,plateau,0.5,reproduced"),
    "reports/figures/hebbian/current/learning.svg": SVG.format("old"),
    "reports/figures/hebbian/current/prototypes.svg": SVG.format("alike"),
    "reports/figures/hebbian/current/figures.json": json.dumps([{"file": "learning.svg", "title": "How <it> learned"}]),
    "reports/figures/hebbian/recorded/learning.svg": SVG.format("recorded"),
}
AFTER = BEFORE | {
    "params.yaml": "scale: tiny\nhebbian:\n  delta: 0.3\n  k: 2\nlist:\n  - 1\n  - 2\nnew: <b>\n",
    "reports/metrics/summary/hebbian.json": json.dumps({"accuracy": 0.85, "same": 1, "added": None}),
    "reports/tables/current/ledger.csv": LEDGER.format(
        "H1,,accuracy,0.85,not reproduced\nH2,,plateau,0.6,reproduced\n"
    ),
    "reports/figures/hebbian/current/learning.svg": SVG.format("new"),
    "reports/figures/hebbian/recorded/learning.svg": SVG.format("recorded since"),
}


def git(*arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    done = subprocess.run(["git", *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(files):
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    git("add", "-A")
    git("commit", "-qm", "state")
    return git("rev-parse", "HEAD")


def is_experiment(name, revision, *, of):
    """Name a commit as DVC names an experiment that began at another one."""
    git("update-ref", f"refs/exps/{of[:2]}/{of[2:]}/{name}", revision)


@pytest.fixture
def commits(tmp_path, monkeypatch):
    """A repository at the first of two commits; the second is an experiment called `weaker-push`."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    base = commit(BEFORE)
    tried = commit(AFTER)
    git("reset", "-q", "--hard", base)
    is_experiment("weaker-push", tried, of=base)
    return base, tried


def page(name="weaker-push", *options):
    experiment.main([name, *options])
    return (Path("reports/compare") / f"{name}.html").read_text()


def cells(text):
    """The rows of all tables, each as its cells without markup."""
    rows = re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    return [[re.sub(r"<.*?>", "", cell).strip() for cell in re.findall(r"<td.*?>(.*?)</td>", row)] for row in rows]


def drawings(text):
    return [base64.b64decode(code).decode() for code in re.findall(r"svg\+xml;base64,([^\"]+)", text)]


def test_everything_that_differs_is_shown_and_nothing_else(commits):
    text = page()
    assert [row for row in cells(text) if row] == [
        ["hebbian.delta", "0.4", "0.3"],
        ["list", "[1]", "[1, 2]"],
        ["new", "–", "&lt;b&gt;"],
        ["hebbian: accuracy", "0.9", "0.85", "−0.05"],
        ["hebbian: gone", "3", "–", "–"],
        ["H1 · accuracy", "0.9", "0.85", "−0.05", "partly → not reproduced"],
        ["H2 · plateau", "0.5", "0.6", "+0.1", "reproduced"],
    ]
    assert drawings(text) == [SVG.format("old"), SVG.format("new")]
    assert "hebbian: How &lt;it&gt; learned" in text
    assert "1 figure to the byte the same" in text
    assert commits[1][:10] in text
    git("branch", "try/this", commits[1])
    experiment.main(["try/this", "--against", commits[0]])
    assert cells(Path("reports/compare/try-this.html").read_text()) == cells(text)
    assert git("status", "--porcelain") == "?? reports/compare/"


def test_the_workspace_stands_on_either_side(commits):
    assert "0 parameters" in page("workspace")
    Path("params.yaml").write_text(AFTER["params.yaml"])
    assert ["hebbian.delta", "0.4", "0.3"] in cells(page("workspace"))
    assert "0 parameters" in page("weaker-push", "--against", "workspace")
    Path("reports/figures/hebbian/current/learning.svg").unlink()
    text = page("weaker-push", "--against", "workspace")
    assert drawings(text) == [SVG.format("new")]
    assert "workspace: not drawn" in text


def test_of_experiments_with_one_name_the_one_of_this_commit_counts(commits):
    base, tried = commits
    other = commit({"params.yaml": "scale: paper\n"})
    is_experiment("weaker-push", other, of=other)
    git("reset", "-q", "--hard", base)
    assert experiment.side("weaker-push").commit == tried
    git("reset", "-q", "--hard", other)
    assert experiment.side("weaker-push").commit == other


def test_without_summaries_or_a_ledger_the_page_says_so(commits):
    for name in ("reports/metrics/summary/hebbian.json", "reports/tables/current/ledger.csv"):
        git("rm", "-q", name)
    git("commit", "-qm", "without")
    assert "Neither side has a file in reports/metrics/summary" in page("HEAD")


@pytest.mark.parametrize("name", ["nothing-of-the-kind", "--help-me"])
def test_unknown_names_are_one_line(commits, name):
    with pytest.raises(BiorobustError) as raised:
        experiment.side(name)
    assert str(raised.value) == f"{name}: no experiment or git revision of that name; experiments here: weaker-push"


@pytest.mark.parametrize("file", ["params.yaml", "reports/metrics/summary/hebbian.json"])
def test_a_damaged_file_is_named_with_its_side(commits, file):
    Path(file).write_text("[1")
    with pytest.raises(BiorobustError, match=f"{file} of workspace is not valid"):
        page("workspace")
