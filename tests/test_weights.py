"""Files of weights from elsewhere: whole and what their name says or not taken, and never run."""

import contextlib
import hashlib
import io
import os
import socket
import threading
from pathlib import Path

import pytest
import torch

from biorobust import cnnf, kwta
from biorobust.core.errors import BiorobustError
from biorobust.networks import weights
from biorobust.vonenet.model import models


def stored(content):
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


GOOD = stored({"a": torch.arange(3)})
NAME = f"made-{hashlib.sha256(GOOD).hexdigest()[:8]}.pth"
HEAD = b"HTTP/1.1 200 OK\r\n"


@contextlib.contextmanager
def answering(answer):
    """A server on this machine that gives these bytes to whoever asks, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    caller, _ = server.accept()
                    with caller:
                        caller.recv(10_000)
                        caller.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working folder, and no folder of weights."""
    monkeypatch.delenv(weights.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (HEAD + b"\r\n<html>log in</html>", "SHA-256"),
        (HEAD + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD[:-9], "SHA-256"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + GOOD, "garbled"),
        (b"", "broke off|no connection"),
        (b"HTTP/1.1 503 Later\r\n\r\n", "HTTP status 503"),
    ],
)
def test_a_download_that_is_not_the_file_leaves_nothing_and_says_why(folder, answer, why):
    for _ in range(2):  # nothing of the first call stands in the way of the second
        with answering(answer) as address, pytest.raises(weights.Unavailable, match=why) as error:
            weights.find(NAME, address=address + NAME)
        assert "\n" not in str(error.value)
        assert not [path for path in folder.rglob("*") if path.is_file()]
    with answering(HEAD + b"\r\n" + GOOD) as address:
        assert weights.find(NAME, address=address + NAME).read_bytes() == GOOD


def test_what_an_earlier_version_left_is_fetched_again(folder):
    path = weights.DOWNLOADS / NAME
    path.parent.mkdir(parents=True)
    path.write_text("<html>log in</html>")
    with answering(HEAD + b"\r\n" + GOOD) as address:
        assert weights.find(NAME, address=address).read_bytes() == GOOD


class Runs:
    """What a malicious file holds: a command for whoever unpickles it."""

    def __reduce__(self):
        return os.system, ("touch it-ran",)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (stored({"a": Runs()}), f"it asks for {os.system.__module__}.system"),
        (stored({"a": torch.nn.Linear(2, 2)}), "it asks for torch.nn.modules.linear.Linear"),
        (b"", ""),
        (b"<html>log in</html>", ""),
    ],
)
def test_a_file_that_is_more_or_less_than_tensors_is_named_and_never_run(folder, content, why):
    Path("file.pth").write_bytes(content)
    with pytest.raises(BiorobustError) as error:
        weights.read("file.pth")
    said = str(error.value)
    assert said.startswith(f"file.pth cannot be read as tensors ({why}")
    assert said.endswith("): get the file again")
    assert not any(word in said for word in ("weights_only", "\x1b", "\n"))
    assert not Path("it-ran").exists()


LOADERS = {
    "cnnf": cnnf.load_official,
    "kwta": lambda path: kwta.load_official(path, gamma=0.1),
    "vonenet": lambda path: models.load_official(path),
    "torchvision": lambda path: models.load_torchvision(path),
}
FLAGS = {"simple_channels": 1, "complex_channels": 1, "stride": 4, "k_exc": 25, "noise_mode": None}
FLAGS |= {"noise_scale": 1, "noise_level": 1}
DOT = torch.tensor(1.0)
ODD = {
    "names that are numbers": {1: DOT, "state_dict": {2: DOT}, "flags": FLAGS},
    "tensors without axes": {
        **dict.fromkeys(("conv1.weight", "fc.bias", "fc.weight", "linear.weight"), DOT),
        "flags": FLAGS,
        "state_dict": {
            "vone_block.simple_conv_q0.weight": DOT,
            "vone_block.simple_conv_q1.weight": DOT,
            "bottleneck.weight": DOT,
            "model.fc.bias": DOT,
        },
    },
    "flags that are words": {"flags": FLAGS | {"simple_channels": "many"}, "state_dict": {}, "fc.weight": "words"},
    "no state": {"flags": FLAGS, "state_dict": None, "conv1.weight": None, "fc.bias": None},
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_odd_things_inside_a_file_are_one_line(load, content):
    torch.save(content, "odd.pth")
    with pytest.raises(BiorobustError) as error:
        load("odd.pth")
    assert str(error.value).startswith("odd.pth ")
    assert "\n" not in str(error.value)
