"""Who imports whom: no circle, and of the shared report only its registry knows the studies."""

import ast
import functools
from pathlib import Path

import networkx

from biorobust.params import STUDIES

SOURCE = Path(__file__).resolve().parent.parent / "src"
REGISTRY = "biorobust.reporting.registry"


def _modules():
    found = {}
    for path in (SOURCE / "biorobust").rglob("*.py"):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _typing(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imported(path, modules):
    """The modules of the package that a file imports, anywhere in it, but for the names of types."""
    found = set()
    waiting = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in inner}
        waiting += node.orelse if _typing(node) else list(ast.iter_child_nodes(node))
    return found & set(modules)


@functools.cache
def _graph():
    modules = _modules()
    graph = networkx.DiGraph((name, other) for name, path in modules.items() for other in _imported(path, modules))
    assert graph.number_of_edges() > 300
    return graph


def test_no_module_imports_itself_by_a_detour():
    circles = [sorted(names) for names in networkx.strongly_connected_components(_graph()) if len(names) > 1]
    assert circles == []


def _study(module):
    room = module.split(".")[1] if "." in module else ""
    return room if room in STUDIES else None


def test_only_the_registry_of_the_report_imports_studies():
    edges = [
        (name, other)
        for name, other in _graph().edges
        if name.startswith("biorobust.reporting") and name != REGISTRY and _study(other)
    ]
    assert edges == []


def test_of_a_study_only_its_report_imports_the_shared_report():
    edges = [
        (name, other)
        for name, other in _graph().edges
        if _study(name) and other.startswith("biorobust.reporting") and name.split(".")[2:3] != ["report"]
    ]
    assert edges == []
