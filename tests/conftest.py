"""The order of the tests: the whole graph, which takes longest, comes first, and the other worker does the rest."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("pipeline") is None)
