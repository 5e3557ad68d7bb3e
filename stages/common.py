"""What every stage does the same way: turn user errors into one line, and note wall time and hardware."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from biorobust import params
from biorobust.core import work
from biorobust.core.devices import peak_memory_mb, pick
from biorobust.core.errors import BiorobustError
from biorobust.core.files import UNWRITABLE, write_json

RUN_INFO = Path("reports/run_info")
PACKAGES = ("torch", "torchvision", "foolbox", "numpy", "pandas", "dvc")


def one_argument(argv: Sequence[str] | None, about: str | None, name: str, help: str) -> str:
    """The only argument of a stage; about: what the stage does, for who asks for help."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(name, help=help)
    return str(getattr(parser.parse_args(argv), name))


def no_argument(argv: Sequence[str] | None, about: str | None) -> None:
    """A stage without arguments explains itself all the same."""
    argparse.ArgumentParser(description=about).parse_args(argv)


def stage_main(main: Callable[[], Any]) -> None:
    """Run a stage's `main`: a user's error, or a disk's, becomes one line and exit status 2, SIGTERM a clean exit."""
    # Without a handler SIGTERM would end the process before `atomic` removes its temporary file.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except BiorobustError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        print(f"error: {error.filename or 'writing a file'}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on", file=sys.stderr)
        sys.exit(130)


@contextlib.contextmanager
def run_info(stage: str) -> Iterator[None]:
    """Write `reports/run_info/<stage>.json` after the block: seconds, device, threads, versions, memory, commit.

    `wall_seconds` are those of this start, `total_seconds` those of all `starts` that made the result: of this one, of
    earlier ones with the same params.yaml that did not come to their end, and of those that left the states which this
    one took up. States are deleted once the block has ended well.

    Times and hardware stand nowhere else, so that the bytes of everything DVC tracks can repeat.
    """
    scale = params.load().scale
    work.begin(stage, settings=params.PARAMS_FILE.read_text(encoding="utf-8"))
    try:
        try:
            yield
        except BaseException as error:
            if work.states() or not isinstance(error, BiorobustError):  # a user's error before any work cost nothing
                work.note_start()
            raise
        wall, others = work.seconds(), work.seconds_of_others()
        torch: Any = sys.modules.get("torch")  # a stage that did without is not made to load it for its notes
        write_json(
            RUN_INFO / f"{stage}.json",
            {
                "stage": stage,
                "scale": scale,
                "wall_seconds": round(wall, 2),
                "total_seconds": round(wall + sum(others), 2),
                "starts": 1 + len(others),
                "peak_memory_mb": peak_memory_mb(),
                "device": str(torch.cuda.get_device_name()) if torch and pick() != "cpu" else "cpu",
                "cpu": cpu(),
                "threads": int(torch.get_num_threads()) if torch else os.cpu_count() or 1,
                "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
                "platform": f"{platform.system()} {platform.machine()}",
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
                **_commit(),
            },
        )
        work.end()
    finally:
        work.leave()


def cpu() -> str:
    """What the machine calls its processor."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    """None where a stage runs by itself on a machine that has no such package."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def _commit() -> dict[str, Any]:
    """The commit that ran, and whether code or parameters differed from it; the line `scale:` is noted by itself."""
    at = Path()
    try:
        commit = git(at, "rev-parse", "HEAD")
        changed = git(at, "status", "--porcelain", "--", "src", "stages", "dvc.yaml", "requirements.lock").splitlines()
        changed += [
            line
            for line in git(at, "diff", "-U0", "HEAD", "--", "params.yaml").splitlines()
            if line[:1] in ("+", "-") and not line.startswith(("+++", "---")) and not line[1:].startswith("scale:")
        ]
    except (OSError, BiorobustError):
        return {"commit": None, "modified": None}
    return {"commit": commit, "modified": bool(changed)}


def git(checkout: Path, *arguments: str) -> str:
    """Output of a git command. Raises BiorobustError with git's words when it fails."""
    command = ["git", "--no-optional-locks", *arguments]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode:
        message = " ".join(done.stderr.split()) or "no message"
        raise BiorobustError(f"git {arguments[0]} failed in {checkout}: {message}")
    return done.stdout.rstrip()
