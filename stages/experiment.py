"""Put an experiment beside what it started from, on one page: `python -m stages.experiment NAME`.

NAME is a DVC experiment, any git revision, or `workspace`. The page shows what differs in parameters, in the numbers
of `reports/metrics/summary`, in the ledger of claims and in the figures. Everything is read from git, the workspace
from its files; nothing is run, checked out or fetched. The page goes to `reports/compare/NAME.html`.
"""

from __future__ import annotations

import argparse
import base64
import csv
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biorobust.core.errors import BiorobustError
from biorobust.core.files import parse_yaml, write_text
from biorobust.reporting.numbers import MINUS, MISSING
from stages import ROOT, common
from stages.common import stage_main

WORKSPACE = "workspace"
SUMMARY = "reports/metrics/summary"
LEDGER = "reports/tables/current/ledger.csv"
FIGURES = "reports/figures"
PART = ("claim", "reading", "part")  # what tells the rows of the ledger apart


@dataclass(frozen=True)
class Side:
    """One of the two things compared: a commit, or the files of the workspace where `commit` is None."""

    name: str
    commit: str | None

    def read(self, path: str) -> bytes | None:
        """A file as it is on this side, None where it is not there."""
        if self.commit is None:
            return Path(path).read_bytes() if Path(path).is_file() else None
        return git("show", f"{self.commit}:{path}")

    def paths(self, place: str) -> list[str]:
        """The files below a folder, in order."""
        if self.commit is None:
            return sorted(path.as_posix() for path in Path(place).rglob("*") if path.is_file())
        listed = git("ls-tree", "-r", "-z", "--name-only", self.commit, "--", place) or b""
        return sorted(filter(None, listed.decode().split("\0")))

    def __str__(self) -> str:
        return self.name if self.commit is None else f"{self.name} ({self.commit[:10]})"


@dataclass(frozen=True)
class Change:
    name: str
    before: Any
    after: Any

    @property
    def difference(self) -> float | None:
        return self.after - self.before if _is_number(self.before) and _is_number(self.after) else None


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.experiment", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="a DVC experiment, a git revision, or workspace")
    parser.add_argument("--against", default="HEAD", help="what it is compared with: the same kinds of name (HEAD)")
    arguments = parser.parse_args(argv)
    before, after = side(arguments.against), side(arguments.name)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", arguments.name).strip(".-") or "page"
    page = Path(f"reports/compare/{name}.html")
    write_text(page, render(before, after))
    print(f"{after} beside {before}: {page.resolve()}")


def side(name: str) -> Side:
    """The experiment or revision of that name. Raises BiorobustError naming the experiments there are."""
    if name == WORKSPACE:
        return Side(name, None)
    # DVC's experiments are `refs/exps/<2 digits>/<38 digits of the commit that each began at>/<name>`.
    listed = common.git(Path(), "for-each-ref", "--sort=-committerdate", "--format=%(refname)", "refs/exps")
    known = re.findall(r"^refs/exps/([0-9a-f]{2})/([0-9a-f]{38})/(.+)$", listed, re.MULTILINE)
    # Of several with one name, the one that began at the commit that is checked out, else the newest.
    begun = common.git(Path(), "rev-parse", "HEAD")
    of_name = sorted((ref for ref in known if ref[2] == name), key=lambda ref: ref[0] + ref[1] != begun)
    wanted = f"refs/exps/{'/'.join(of_name[0])}" if of_name else name
    commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{wanted}^{{commit}}")
    if commit is None:
        names = ", ".join(dict.fromkeys(ref[2] for ref in known)) or "none"
        raise BiorobustError(f"{name}: no experiment or git revision of that name; experiments here: {names}")
    return Side(name, commit.decode().strip())


def git(*arguments: str) -> bytes | None:
    """What a git command prints, None where it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def render(before: Side, after: Side) -> str:
    """The page. Raises BiorobustError naming a file that is damaged on one of the sides."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(ROOT / "reports/templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["shown"] = shown
    environment.filters["signed"] = lambda value: MISSING if value is None else f"{value:+.4g}".replace("-", MINUS)
    metrics = summaries(before), summaries(after)
    figures, same_figures = drawn(before, after)
    return environment.get_template("compare.html.j2").render(
        before=before,
        after=after,
        params=changes(parameters(before), parameters(after)),
        metrics=changes(*metrics),
        n_metrics=len({*metrics[0], *metrics[1]}),
        parts=changed_parts(before, after),
        figures=figures,
        same_figures=same_figures,
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    rows = [Change(name, before.get(name), after.get(name)) for name in {**before, **after}]
    return [row for row in rows if row.before != row.after]


def parameters(side: Side) -> dict[str, Any]:
    return dict(_flat(parse_yaml(side.read("params.yaml") or b"{}", name=f"params.yaml of {side}")))


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def summaries(side: Side) -> dict[str, float | None]:
    """The numbers of every `<study>.json` of the folder of summaries, called `<study>: <name>`."""
    found: dict[str, float | None] = {}
    for path in side.paths(SUMMARY):
        if path.endswith(".json"):
            try:
                numbers = json.loads(side.read(path) or b"{}")
            except json.JSONDecodeError:
                raise BiorobustError(f"{path} of {side} is not valid JSON") from None
            found |= {f"{Path(path).stem}: {name}": value for name, value in numbers.items()}
    return found


def changed_parts(before: Side, after: Side) -> list[tuple[Change, Change]]:
    """Per part of a claim whose number or verdict differs: the change of our number, and that of the verdict."""
    rows = []
    for part in changes(_ledger(before), _ledger(after)):
        ours, verdicts = zip(part.before or (None, None), part.after or (None, None), strict=True)
        rows.append((Change(part.name, *map(_number, ours)), Change(part.name, *verdicts)))
    return sorted(rows, key=lambda row: row[1].before == row[1].after)  # changed verdicts first


def _ledger(side: Side) -> dict[str, tuple[str | None, str | None]]:
    """Part of a claim -> our number and the verdict, as text."""
    rows = csv.DictReader((side.read(LEDGER) or b"").decode().splitlines())
    return {" · ".join(filter(None, map(row.get, PART))): (row.get("ours"), row.get("verdict")) for row in rows}


def drawn(before: Side, after: Side) -> tuple[list[dict[str, Any]], int]:
    """The figures of the current run that differ, as addresses that hold the drawing, and how many do not."""
    figures, same = [], 0
    for path in dict.fromkeys(path for one in (before, after) for path in one.paths(FIGURES)):
        if not ("/current/" in path and path.endswith(".svg")):
            continue
        versions = [one.read(path) for one in (before, after)]
        if versions[0] == versions[1]:
            same += 1
            continue
        title = _title(after, path) or _title(before, path) or Path(path).stem
        old, new = map(_address, versions)
        figures.append({"title": f"{Path(path).parts[2]}: {title}", "before": old, "after": new})
    return figures, same


def _title(side: Side, path: str) -> str | None:
    """What figures.json calls the drawing."""
    index = side.read((Path(path).parent / "figures.json").as_posix())
    entries = json.loads(index) if index else []
    return next((entry["title"] for entry in entries if entry["file"] == Path(path).name), None)


def _address(svg: bytes | None) -> str | None:
    return None if svg is None else f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _number(text: str | None) -> float | str | None:
    try:
        return float(text) if text else None
    except ValueError:
        return text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def shown(value: Any) -> str:
    if value is None or value == "":
        return MISSING
    if _is_number(value):
        return f"{value:.6g}".replace("-", MINUS)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    stage_main(main)
