"""Downloads by libraries that wait for ever."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def stall_timeout(seconds: float) -> Iterator[None]:
    """Let a connection that stays silent for so long fail; torch and torchvision cannot be told to."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
