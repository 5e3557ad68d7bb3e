"""Do the tests find faults? `python -m tests.mutants [NAME ...]` plants those of mutants.yaml, one at a time.

Each is planted in a copy of the working tree, where its tests run on the copy's own sources. The same tests have to
pass there first. Exit status 1 when a fault survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SEARCHED = ("src/**/*.py", "stages/*.py", "reports/templates/**/*.j2")
LIMIT = 300  # seconds for the tests of one mutant
PASSED, FAILED = 0, 1  # pytest's exit status; any other one is no answer


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """source: text that stands once in the project; mutant: what takes its place; tests: files or node ids."""

    name: str
    source: str
    mutant: str
    tests: list[str]


def load(path: Path = ROOT / "tests/mutants.yaml") -> list[Mutant]:
    return [Mutant(**entry) for entry in yaml.safe_load(path.read_text(encoding="utf-8"))]


def place(mutant: Mutant, root: Path) -> Path:
    """The one file that holds the source, once. Raises ValueError for none, several, or more than once."""
    found = {
        path.relative_to(root): count
        for pattern in SEARCHED
        for path in sorted(root.glob(pattern))
        if (count := path.read_text(encoding="utf-8").count(mutant.source))
    }
    if list(found.values()) != [1]:
        places = ", ".join(f"{path} ({count})" for path, count in found.items())
        raise ValueError(f"{mutant.name}: its source must stand once in one file, not in {places or 'none'}")
    return root / next(iter(found))


def copy(root: Path, target: Path) -> None:
    """Every file of the working tree that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, target / name)


def run(tests: Sequence[str], checkout: Path) -> tuple[int, str]:
    """Pytest's exit status and what it printed; without stored bytecode, which may be that of an earlier mutant."""
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=line", "-p", "no:cacheprovider", *tests]
    own = {"PYTHONPATH": f"{checkout / 'src'}{os.pathsep}{checkout}", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=checkout, env=os.environ | own, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return -1, f"no end after {LIMIT} s"
    return done.returncode, done.stdout + done.stderr


def survived(mutant: Mutant, checkout: Path) -> str:
    """Why the mutant counts as not found; "" if each of its tests failed."""
    path = place(mutant, checkout)
    sound = path.read_text(encoding="utf-8")
    path.write_text(sound.replace(mutant.source, mutant.mutant), encoding="utf-8")
    try:
        status, printed = run(mutant.tests, checkout)
    finally:
        path.write_text(sound, encoding="utf-8")
    if status not in (PASSED, FAILED):
        return f"its tests could not be run: {printed.strip().splitlines()[-1]}"
    red = [line.split(" ", 1)[1] for line in printed.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    green = [test for test in mutant.tests if not any(line.startswith(test) for line in red)]
    return f"passed: {', '.join(green)}" if green else ""


def main(names: Sequence[str], *, root: Path = ROOT, mutants: Sequence[Mutant] | None = None) -> int:
    chosen = [mutant for mutant in mutants or load() if not names or mutant.name in names]
    if unknown := set(names) - {mutant.name for mutant in chosen}:
        print(f"no mutant is called {', '.join(sorted(unknown))}: see tests/mutants.yaml", file=sys.stderr)
        return 2
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        checkout = Path(folder).resolve()
        copy(root, checkout)
        status, printed = run(sorted({test for mutant in chosen for test in mutant.tests}), checkout)
        if status != PASSED:
            print(f"{printed}\nthe tests have to pass before a mutant can fail them", file=sys.stderr)
            return 2
        print(f"the tests pass without a mutant ({time.monotonic() - begun:.0f} s)", flush=True)
        alive = 0
        for mutant in chosen:
            start, why = time.monotonic(), survived(mutant, checkout)
            alive += bool(why)
            said = f"SURVIVED  {mutant.name}: {why}" if why else f"killed    {mutant.name}"
            print(f"{said} ({time.monotonic() - start:.0f} s)", flush=True)
    print(f"{len(chosen) - alive} of {len(chosen)} killed in {time.monotonic() - begun:.0f} s")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
