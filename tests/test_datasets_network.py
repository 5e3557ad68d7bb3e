"""Official addresses that do not answer: found out within seconds, and said in one line that names each host."""

import contextlib
import os
import socket
import threading
import time
import urllib.request

import pytest
from toy_datasets import serving

from biorobust.datasets import official
from biorobust.datasets.spec import Unreachable


@pytest.fixture
def direct(monkeypatch):
    """No proxy may stand between the tests and this machine."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@contextlib.contextmanager
def soon(match):
    """What is done within raises Unreachable within seconds."""
    started = time.monotonic()
    with pytest.raises(Unreachable, match=match):
        yield
    assert time.monotonic() - started < 2


def no_name(*_, **__):
    raise socket.gaierror(-2, "Name or service not known")


def test_unknown_hosts_are_named_at_once(monkeypatch, direct):
    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    with soon(r"mnist: no official address answers \(a\.invalid: .*; b\.invalid: .*Name or"):
        official.probe("mnist", ("https://a.invalid/x", "http://b.invalid/x"))


def test_a_name_server_that_never_answers_does_not_hold_the_program(monkeypatch, direct):
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(20) and no_name())
    with soon(r"a\.invalid: no answer in 0\.3 s"):
        official.probe("mnist", ("https://a.invalid/x",), seconds=0.3)
    released.set()


def test_a_refused_connection_is_named_at_once(direct):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with soon(rf"127\.0\.0\.1:{port}: .*refused"):
        official.probe("mnist", (f"http://127.0.0.1:{port}/x",))


def test_one_address_that_answers_is_enough(tmp_path, direct):
    (tmp_path / "x").write_text("here")
    with socket.create_server(("127.0.0.1", 0)) as silent, serving(tmp_path) as address:
        port = silent.getsockname()[1]
        official.probe("mnist", (f"http://127.0.0.1:{port}/x", f"{address}nothing", f"{address}x"), seconds=5)
        with pytest.raises(Unreachable, match="File not found"):
            official.probe("mnist", (f"{address}nothing",))


def test_a_download_that_stalls_is_given_up_and_the_timeout_ends_with_it(monkeypatch, tmp_path, direct):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(official, "probe", lambda *_: None)
    monkeypatch.setattr(official, "STALL_SECONDS", 0.2)
    before = socket.getdefaulttimeout()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        # With a limit of its own, so that this test ends too when the one tested is missing.
        limit = threading.Timer(5, silent.close)
        limit.start()
        with soon(r"the download into .* failed \(timed out\): run it again"):
            official.fetch("mnist", urls=(url,), read=lambda *_: urllib.request.urlopen(url))
        limit.cancel()
    assert socket.getdefaulttimeout() == before
