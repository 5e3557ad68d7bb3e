"""A small checkout with made-up metrics, drawn and tabulated but not yet rendered: where the report's tests start.

A checkout holds one study, so that its tests stay as they are when another study comes; `only` registers it alone.
"""

import re
import shutil
from contextlib import contextmanager
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

import pytest

from biorobust.core.files import read_json, write_json
from biorobust.reporting import claim_file, figure, snapshot
from biorobust.reporting.claims import judge
from biorobust.reporting.labels import OWN
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.notebook import inputs
from biorobust.reporting.registry import STUDIES, read_params
from biorobust.reporting.source import sources
from stages import tables

ROOT = Path(__file__).resolve().parent.parent
# What tests know of a study: write_metrics makes up its metrics; FACTS: what its page must hold (test_every_report);
# CONFIGS: a small configuration of each architecture, SHAPE of an image where it is not MNIST's (test_runs); STAGES:
# those that learn or attack, and the folders beside core that an edit of runs each again for (test_graph).
FAKES = {study: import_module(f"fake_{study}") for study in STUDIES}


@contextmanager
def only(study):
    """Inside the block the project has no other study."""
    with patch.dict(STUDIES, {study: STUDIES[study]}, clear=True):
        yield


def alone(study):
    """For a module of tests: the project has no other study."""

    @pytest.fixture(scope="module", autouse=True)
    def fixture():
        with only(study):
            yield

    return fixture


def write_checkout(root, *, study="hebbian", scale="paper", change=lambda metrics: None, **given):
    """Templates, params and a study's claims of this repository with made-up metrics, then `change`d.

    `given`: further options of the study's writer, such as its seeds.
    """
    shutil.copytree(ROOT / "reports/templates", root / "reports/templates")
    (root / "docs").mkdir()
    shutil.copy(ROOT / "docs/protocol.md", root / "docs")
    claims_of(study, root=root)
    params = re.sub(r"(?m)^scale: \w+", f"scale: {scale}", (ROOT / "params.yaml").read_text())
    (root / "params.yaml").write_text(params)
    (root / "dvc.lock").write_text(
        "stages:\n  download@mnist:\n    outs:\n    - {path: data/datasets/mnist.npz, md5: 0a1b}\n"
    )
    FAKES[study].write_metrics(root / "reports/metrics", scale=scale, **given)
    change(root / "reports/metrics")
    for position, stage in enumerate(STUDIES[study](read_params(root / "params.yaml")).stages()):
        write_json(root / f"reports/run_info/{stage}.json", run_info(stage, seconds=90.0 + position))
    return root


def edit(root, name, change):
    """Change what a metrics file of a checkout holds, such as "train/simple-conv"."""
    path = root / f"reports/metrics/{name}.json"
    content = read_json(path)
    change(content)
    write_json(path, content)


def copied(checkout, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(checkout, tmp_path / "copy"))


def claims_of(*studies, root):
    """Put this repository's claims of some studies into a checkout, with the numbers that their reports print."""
    for study in studies:
        for name in (f"reports/claims/{study}.yaml", f"reports/reported/{study}.csv"):
            if (ROOT / name).exists():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, root / name)


def run_info(stage, *, seconds):
    versions = {"python": "3.11.2", "torch": "2.15.0"}
    machine = {"device": "cpu", "cpu": "a processor", "platform": "Linux x86_64", "threads": 2, "versions": versions}
    noted = {"stage": stage, "wall_seconds": seconds, "peak_memory_mb": 512, "finished": "2026-01-01T00:00:00+00:00"}
    return noted | machine | {"commit": "c0ffee", "modified": True}


def record(root, source, name, *, study="hebbian"):
    """Make a snapshot of the checkout `source` in `root`."""
    return snapshot.create(name, root=root, source=source, studies=[study], commit="d" * 40).path


def draw_and_tabulate(root):
    """What the stages before the report do, without a notebook's kernel."""
    for name in STUDIES:
        drawings = import_module(f"biorobust.{name}.report.figures")
        for source in sources(root, name, found=snapshot.snapshots(root / snapshot.RECORDED)):
            given = inputs(
                name, metrics=source.folders, params=source.root / "params.yaml", claims=root / "reports/claims"
            )
            drawn = [found for item in drawings.FIGURES if (found := figure.draw(item, given))]
            figure.save(drawn, root / "reports/figures" / name / source.key)
    tables.write(root)


def ready(root, **given):
    """A checkout that is drawn and tabulated; `given` are the options of `write_checkout`."""
    write_checkout(root, **given)
    draw_and_tabulate(root)
    return root


def text(html):
    """The page as it is read: no drawings, no styles, no tags."""
    plain = re.sub(r"<svg.*?</svg>|<style>.*?</style>", " ", html, flags=re.DOTALL)
    return re.sub(r"[ \n]+", " ", re.sub(r"<[^>]+>", " ", plain))


def ledger_verdicts(summary):
    """Claim -> verdict as the ledgers of summary.md print it; claims of our own hold or not."""
    verdicts = {said: verdict for verdict, said in OWN.items()}
    pattern = r"^\| ([A-Z]\d+[a-z]?) \|.*?\| [+~×?○·] ([a-z ]+?)(?:, |: | \(| \|)"
    return {claim: verdicts.get(word, word) for claim, word in re.findall(pattern, summary, flags=re.MULTILINE)}


def judged(root, *, recorded=""):
    """The counted claims, judged by the checkout's own metrics or by those of a recorded run."""
    metrics = root / "reports" / (f"recorded/{recorded}/metrics" if recorded else "metrics")
    found = judge(claim_file.load(root / "reports/claims"), Measurements(metrics))
    return [item for item in found if item.counted]


def by_claim(root):
    return {item.claim.id: item for item in judged(root)}


def verdicts(root):
    return {name: item.verdict for name, item in by_claim(root).items()}


VOID = {"meta", "link", "br", "hr", "img", "input", "path", "use", "image", "mspace"}
BLOCKS = {"p", "li", "caption", "figcaption", "summary", "dd", "td", "th", "small"}
SILENT = {"svg", "style", "math"}


class Page(HTMLParser):
    """A page taken apart: tags, identifiers and addresses; and its text.

    `cells`: (section, column, row so far, text) of every body cell; `prose`: (section, text) of everything else.
    """

    def __init__(self, html):
        super().__init__()
        self.open, self.ids, self.loaded, self.links, self.drawings = [], [], [], [], []
        self.headers_without_scope = 0
        self.tables_without_caption = 0  # every table counts up, every caption down
        self.cells, self.prose, self.section = [], [], ""
        self.tables, self.texts = [], []  # that are open: (columns, row), and the pieces of a block
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
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
        if tag == "section":
            self.section = given.get("id") or "banner"
        if tag == "table":
            self.tables.append(([], []))
        if tag == "tr":
            self.tables[-1][1].clear()
        if tag in BLOCKS:
            self.texts.append([])
        self.headers_without_scope += tag == "th" and "scope" not in given
        self.tables_without_caption += (tag == "table") - (tag == "caption")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_data(self, data):
        if self.texts and SILENT.isdisjoint(self.open):
            self.texts[-1].append(data)

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> at line {self.getpos()[0]} closes something else"
        if tag in BLOCKS:
            said = re.sub(r"[ \n]+", " ", "".join(self.texts.pop())).strip()
            if tag not in ("td", "th"):
                self.prose.append((self.section, said))
                return
            columns, row = self.tables[-1]
            if "thead" in self.open:
                columns.append(said)
            else:
                self.cells.append((self.section, columns[min(len(row), len(columns) - 1)], tuple(row), said))
                row.append(said)
        if tag == "table":
            self.tables.pop()

    def check(self, *, ids=20):
        """Well formed, more than `ids` ids and each once, no dead link, nothing from elsewhere, drawings in words."""
        assert self.open == []
        assert len(self.ids) == len(set(self.ids)) > ids
        assert [it for it in self.loaded if not it.startswith(("#", "data:image/png;base64,"))] == []
        assert {it[1:] for it in (*self.loaded, *self.links) if it.startswith("#")} <= set(self.ids)
        assert [link for link in self.links if not link.startswith("#")] == []
        assert all(drawing["aria-label"] for drawing in self.drawings)
        assert self.headers_without_scope == self.tables_without_caption == 0
