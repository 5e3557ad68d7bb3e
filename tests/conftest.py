"""The order of the tests, and a watch over every state that a test saves."""

import functools
import shutil
import sys
from pathlib import Path

import pytest

from biorobust import datasets
from biorobust.core import work

ROOT = Path(__file__).parent.parent
OURS = tuple(str(ROOT / folder) for folder in ("src/biorobust/", "stages/"))


def pytest_collection_modifyitems(items):
    """The whole graph, which takes longest, comes first, and the other worker does the rest."""
    items.sort(key=lambda item: item.get_closest_marker("pipeline") is None)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Makes a checkout of a study that is drawn and tabulated, once for all tests: copy it before a change."""
    from report_checkout import only, ready

    @functools.cache
    def make(study, **given):
        with only(study):
            return ready(tmp_path_factory.mktemp(study), study=study, **given)

    return make


@pytest.fixture(scope="session")
def bundled(tmp_path_factory):
    """Puts a bundled data set and its provenance where a checkout has them; each is made once for all tests."""
    made = tmp_path_factory.mktemp("bundled")
    files = "data/datasets/{}.npz", "reports/metrics/data/{}.json"

    @functools.cache
    def make(name):
        npz, provenance = (made / file.format(name) for file in files)
        datasets.get(name, source="bundled", npz=npz, provenance=provenance)

    def put(name, checkout):
        make(name)
        for file in files:
            (checkout / file.format(name)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made / file.format(name), checkout / file.format(name))

    return put


@pytest.fixture
def interrupted(monkeypatch):
    """Runs something that is interrupted once it has saved a state; gives where."""

    def run(program, *arguments, **named):
        save, saved = work.save_state, []

        def save_and_stop(path, state):
            save(path, state)
            saved.append(path)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(work, "save_state", save_and_stop)
            with pytest.raises(KeyboardInterrupt):
                program(*arguments, **named)
        return saved[0]

    return run


@pytest.fixture(scope="session", autouse=True)
def states_are_named_by_all_the_code_that_ran():
    """Whatever runs between the naming of a state and its saving has to be in the name, or an edit of it is missed."""
    last, named, ran = None, set(), set()

    def watch(frame, event, arg):  # nothing returned: calls alone are seen, which costs least
        file = frame.f_code.co_filename
        if file.startswith(OURS) and file != work.__file__:
            ran.add(file)

    def state_path(name, key, *, code):
        nonlocal last, named
        last, named = real["state_path"](name, key, code=code), {str(file) for file in work.sources(code).values()}
        ran.clear()
        sys.settrace(watch)
        return last

    def save_state(path, state):
        missed = ran - named if path == last else None
        assert not missed, f"{path.name} does not depend on {sorted(missed)}"
        return real["save_state"](path, state)

    def finish(states):
        sys.settrace(None)
        return real["finish"](states)

    real = {new.__name__: getattr(work, new.__name__) for new in (state_path, save_state, finish)}
    with pytest.MonkeyPatch.context() as patch:
        for new in (state_path, save_state, finish):
            patch.setattr(work, new.__name__, new)
        yield


@pytest.fixture(autouse=True)
def the_watch_ends_with_its_test():
    yield
    sys.settrace(None)
