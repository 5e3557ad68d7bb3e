"""The `official` source: torchvision downloads from the official addresses, checked against checksums.

torchvision tries several addresses in turn and sets no timeout, so without a network it can hang for minutes. A short
probe of all addresses at once comes first: with no network the source gives up within PROBE_SECONDS.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from biorobust.core.connection import stall_timeout
from biorobust.datasets.spec import Split, Unreachable

DOWNLOADS = Path("data/work/downloads")
PROBE_SECONDS = 6.0
STALL_SECONDS = 20.0

Reader = Callable[[Path, bool], tuple[Split, Split]]


def fetch(name: str, *, urls: tuple[str, ...], read: Reader) -> tuple[Split, Split]:
    """Both splits from DOWNLOADS/<name>, downloaded into it first where needed.

    urls: the addresses that are asked whether they answer. read(folder, download): gives (train, test) through
    torchvision, which raises RuntimeError where files are missing and may not be or could not be downloaded; it must
    itself raise DataError for files that do not have their checksums.
    Raises Unreachable when no address answers or the download breaks off.
    """
    folder = DOWNLOADS / name
    if folder.is_dir():
        with contextlib.suppress(RuntimeError):
            return read(folder, False)
    probe(name, urls)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with stall_timeout(STALL_SECONDS):
            return read(folder, True)
    except (RuntimeError, OSError) as error:
        raise Unreachable(f"{name}: the download into {folder} failed ({_short(error)}): run it again") from None


def probe(name: str, urls: tuple[str, ...], *, seconds: float = PROBE_SECONDS) -> None:
    """Ask all addresses at once whether they answer; return at the first that does.

    Raises Unreachable, after `seconds` at the latest, with one line that names each host and its reason.
    """
    answers: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()

    def ask(url: str) -> None:
        try:
            request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "biorobust"})
            with urllib.request.urlopen(request, timeout=seconds):
                answers.put((url, None))
        except (OSError, ValueError) as error:
            answers.put((url, _short(getattr(error, "reason", None) or error)))
        except Exception as error:  # http.client raises its own kinds for a garbled answer
            answers.put((url, type(error).__name__))

    for url in urls:
        # Threads, because looking up a host's name knows no timeout; daemons, so that none keeps the program waiting.
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    reasons = dict.fromkeys(urls, f"no answer in {seconds:g} s")
    deadline = time.monotonic() + seconds
    for _ in urls:
        try:
            url, reason = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if reason is None:
            return
        reasons[url] = reason
    tried = "; ".join(f"{urlsplit(url).netloc}: {reason}" for url, reason in reasons.items())
    raise Unreachable(
        f"{name}: no official address answers ({tried}): check the network, set BIOROBUST_DATA_MIRROR, "
        "or set data.source to bundled"
    )


def _short(error: object) -> str:
    return " ".join(str(error).split())[:200]
