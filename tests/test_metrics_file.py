"""The checked reader of metrics: what is no number in a number's place is a line naming the file, or does no harm."""

import copy
import json
import shutil

import pytest
from report_checkout import write_checkout

from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, write_json
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.registry import STUDIES, read_params

READ = ("train", "attack", "pretrain", "perturb", "deviations", "advantage", "controls", "ablations", "timing", "probe")


def numbers(content, path=()):
    """Where numbers stand in a file; of a list its first entry."""
    if isinstance(content, dict):
        for key, item in content.items():
            yield from numbers(item, (*path, key))
    elif isinstance(content, list):
        yield from numbers(content[0], (*path, 0)) if content else ()
    elif isinstance(content, (int, float)) and not isinstance(content, bool):
        yield path


def replaced(content, path, value):
    changed = at = copy.deepcopy(content)
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


@pytest.mark.parametrize("study", STUDIES)
def test_a_list_or_nothing_in_the_place_of_a_number_is_named_or_harmless(study, tmp_path):
    root = write_checkout(tmp_path, study=study, scale="cpu" if study != "question" else "gpu")
    made, metrics = STUDIES[study](read_params(root / "params.yaml")), root / "reports/metrics"
    kinds = {path.parent.name: path for path in metrics.rglob("*.json") if read_json(path).get("status") == "ok"}
    stems = {path.stem for path in kinds.values()}
    for path in metrics.rglob("*.json"):  # files of other networks would only be read again and again
        if path.parent.name in READ and path.stem not in stems:
            path.unlink()
    shutil.rmtree(metrics / "outcomes")
    refused = tried = 0
    for kind in sorted({*READ} & {*kinds}):
        content = read_json(kinds[kind])
        for position, path in enumerate(numbers(content)):
            write_json(kinds[kind], replaced(content, path, ([1], None)[position % 2]))
            said = complaint(lambda kind=kind: read(made, metrics, f"{kind}/{kinds[kind].stem}"))
            assert said is None or (str(kinds[kind]) in said and "\n" not in said), path
            tried, refused = tried + 1, refused + bool(said)
        kinds[kind].write_text(json.dumps(content))
    assert refused > tried / 10 > 1


def read(study, metrics, name):
    m = Measurements(metrics)
    m.get(name)
    study.tables(m, [])


def complaint(act):
    try:
        act()
    except BiorobustError as error:
        return str(error)
    return None
