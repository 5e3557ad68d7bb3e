"""The list of planted faults fits the sources, and its runner tells a fault that is found from one that is not."""

import ast
import subprocess

import mutants
import pytest
from mutants import ROOT, Mutant, load, place

FUNCTION = "def larger(a, b):\n    return a if a > b else b\n"
TESTS = """
from thing import larger
def test_order(): assert larger(1, 2) == larger(2, 1) == 2
def test_equal(): assert larger(2, 2) == 2
"""


def test_the_list_is_well_formed():
    listed = load()
    assert len(listed) >= 18
    assert len({mutant.name for mutant in listed}) == len(listed)
    for mutant in listed:
        path = place(mutant, ROOT)
        changed = path.read_text(encoding="utf-8").replace(mutant.source, mutant.mutant)
        assert mutant.source != mutant.mutant
        if path.suffix == ".py":
            ast.parse(changed)
        assert mutant.tests
        for test in mutant.tests:
            file, _, function = test.partition("::")
            assert f"\ndef {function.partition('[')[0]}" in (ROOT / file).read_text(encoding="utf-8"), test


@pytest.fixture
def project(tmp_path):
    for name, text in (("src/thing.py", FUNCTION), ("tests/test_thing.py", TESTS)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def planted(mutant, *tests):
    named = [f"tests/test_thing.py::{test}" for test in tests]
    return Mutant(name="it", source="if a > b else", mutant=mutant, tests=named)


def test_the_runner(project, capsys):
    found = planted("if a < b else", "test_order")
    missed = planted("if a < b else", "test_order", "test_equal")
    broken = planted("if a < b else else", "test_order")
    assert mutants.main([], root=project, mutants=[found, missed, broken]) == 1
    said = capsys.readouterr().out
    assert "SURVIVED  it: passed: tests/test_thing.py::test_equal (" in said
    assert "SURVIVED  it: its tests could not be run" in said
    assert "1 of 3 killed" in said
    assert mutants.main([], root=project, mutants=[planted("if a < b else", "test_other")]) == 2
    assert "have to pass before" in capsys.readouterr().err
    assert (project / "src/thing.py").read_text() == FUNCTION


def test_a_source_that_is_nowhere_or_twice_is_named(project):
    mutant = planted("")
    assert place(mutant, project) == project / "src/thing.py"
    (project / "src/other.py").write_text(FUNCTION)
    with pytest.raises(ValueError, match=r"it: its source must stand once .*src/other.py \(1\), src/thing.py \(1\)"):
        place(mutant, project)
    with pytest.raises(ValueError, match="not in none"):
        place(Mutant(name="it", source="nowhere", mutant="", tests=[]), project)


def test_an_unknown_name_is_named(capsys):
    assert mutants.main(["no-such-mutant"]) == 2
    assert "no-such-mutant" in capsys.readouterr().err
