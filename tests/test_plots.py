"""`dvc plots show` with the templates here: seeds and attacks told apart, and a word where the network is missing."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
CURVES = {
    "seeds": ("x: epoch, y: test_accuracy", "seed,epoch,test_accuracy\n0,1,0.5\n0,2,0.6\n1,1,0.4\n1,2,0.7\n"),
    "attacks": (
        "x: eps, y: accuracy",
        "attack,seed,eps,accuracy\nfgsm,0,0,0.9\nfgsm,0,0.1,0.5\npgd,0,0,0.9\npgd,0,0.1,0\n",
    ),
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """What `dvc plots show` writes in a repository with the project's settings and one curve for each template."""
    root = tmp_path_factory.mktemp("plots")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    (root / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", root / ".dvc/config")
    shutil.copytree(ROOT / ".dvc/plots", root / ".dvc/plots")
    lines = ["plots:"]
    for name, (axes, rows) in CURVES.items():
        (root / f"{name}.csv").write_text(rows)
        lines.append(f"  - {name}.csv: {{{axes}, template: {name}, title: Curves ({name})}}")
    (root / "dvc.yaml").write_text("\n".join(lines))
    done = subprocess.run([sys.executable, "-m", "dvc", "plots", "show"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return (root / "dvc_plots/index.html").read_text()


@pytest.mark.parametrize(("name", "apart"), [("seeds", "strokeDash/seed"), ("attacks", "color/attack")])
def test_curves_are_told_apart_by_seed_and_by_attack(page, name, apart):
    decoded = (json.JSONDecoder().raw_decode(rest)[0] for rest in page.split("var spec = ")[1:])
    (chart,) = (chart for chart in decoded if chart["title"]["text"] == f"Curves ({name})")
    channel, field = apart.split("/")
    assert chart["encoding"][channel]["field"] == field
    assert len({row[field] for row in chart["data"]["values"]}) == 2
    assert chart["encoding"]["x"]["title"] == CURVES[name][0].split(",")[0].removeprefix("x: ")
    # Another revision changes yet another channel.
    used = {channel: value["field"] for channel, value in chart["encoding"].items() if value.get("field")}
    assert "rev" in used.values()
    assert len(set(used.values())) == len(used)


def test_the_page_holds_all_charts_and_says_when_it_cannot_draw_them(page):
    assert page.count("var spec = ") == len(CURVES)
    assert "DVC_METRIC" not in page
    assert not re.search(r"\{(scripts|plot_divs|refresh_tag)\}", page)
    note, check, chart = (page.index(text) for text in ('id="offline" hidden', "typeof vegaEmbed", "var spec = "))
    assert page.index("cdn.jsdelivr.net/npm/vega") < note < check < chart
    assert "open the page again with a network" in " ".join(page.split())


def test_every_plot_of_the_graph_has_a_template_and_says_what_it_is_of():
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    plots = [plot for stage in graph.values() for plot in stage.get("do", stage).get("plots", [])]
    settings = [setting for plot in plots for setting in plot.values()]
    assert len(settings) > 5
    for setting in settings:
        assert (ROOT / f".dvc/plots/{setting['template']}.json").is_file()
        assert "${" in setting["title"]
