"""Figures as declarations: an id, a frame with the numbers, a plot of the frame, and words about it.

    Figure("losses", frame=attack_frame, plot=losses, words=survival, stages=lambda given, frame: ...)

`draw` asks the frame of a run's measurements, draws it, and fills the block of the study's words file that has the
figure's name. `save` writes what was drawn with its numbers; `figures.json` lists a folder's figures in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, write_csv, write_json, write_text
from biorobust.reporting import reported, words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing

    from biorobust.reporting.claim import Claim
    from biorobust.reporting.measurements import Measurements
    from biorobust.reporting.reported import Reported
    from biorobust.reporting.study import Study

INDEX = "figures.json"
HIDDEN = "_"  # columns that begin with it are drawn, such as pixels, and not written


@dataclass(frozen=True)
class Inputs:
    """What the figures of a study are drawn from: measurements, the runs of a params.yaml, and the study's claims."""

    m: Measurements
    study: Any
    claims: tuple[Claim, ...]

    @property
    def curves(self) -> Reported:
        """What the report prints under attack: run -> eps -> accuracy."""
        return reported.curves(self.claims)

    def clean(self, images: str = "clean") -> Mapping[str, float]:
        """What the report prints without an attack, by run."""
        return reported.clean(self.claims, images=images)

    def named(self, *runs: str) -> tuple[str, ...]:
        """Those of `runs` that params.yaml still lists."""
        return tuple(run for run in runs if run in self.study.networks)


def of_runs(kind: str) -> Callable[[Inputs, pd.DataFrame], Iterable[str]]:
    """The stages of `kind`, "train" or "attack", behind the runs of a frame."""

    def stages(given: Inputs, frame: pd.DataFrame) -> Iterable[str]:
        study: Study = given.study
        stage = study.train_stage if kind == "train" else study.attack_stage
        return (stage(run) for run in dict.fromkeys(frame["run"]) if run in study.networks)

    return stages


@dataclass(frozen=True)
class Figure:
    """`frame`: the numbers, None or empty where nothing was run. `words`: what the words file needs beside the frame's
    `rows` and `runs`. `stages`: those behind the frame.
    """

    id: str
    frame: Callable[[Inputs], pd.DataFrame | None]
    plot: Callable[[pd.DataFrame], Drawing]
    stages: Callable[[Inputs, pd.DataFrame], Iterable[str]]
    words: Callable[[Inputs, pd.DataFrame], Mapping[str, Any]] = field(default=lambda given, frame: {})


@dataclass(frozen=True)
class Drawn:
    """A figure of one run. `caption` begins with the question it answers; `provenance` names the stages behind it."""

    id: str
    title: str
    alt: str
    caption: str
    drawing: Drawing
    data: pd.DataFrame
    provenance: tuple[str, ...]


def draw(figure: Figure, given: Inputs) -> Drawn | None:
    """The figure, None where nothing was run."""
    frame = figure.frame(given)
    if frame is None or frame.empty:
        return None
    shown = frame[[column for column in frame if not str(column).startswith(HIDDEN)]]
    rows = shown.astype(object).where(shown.notna(), None)
    runs = list(dict.fromkeys(frame.get("run", ())))
    told = {"rows": list(rows.itertuples(index=False)), "runs": runs, **figure.words(given, frame)}
    block = figure.id.replace("-", "_")
    said = words.paragraphs(given.study.name, block, given.m, study=given.study, **told)
    if len(said) != 3:
        file = words.FOLDER / f"{given.study.name}.j2"
        raise BiorobustError(f"{file}: block {block} needs a title, a text alternative and a caption: has {len(said)}")
    return Drawn(figure.id, *said, figure.plot(frame), shown, tuple(figure.stages(given, frame)))


def save(figures: Sequence[Drawn], folder: str | Path) -> None:
    """Write `<id>.svg` and `<id>.csv` of every figure and the folder's `figures.json`."""
    from biorobust.reporting.style import to_svg

    folder = Path(folder)
    entries = []
    for figure in figures:
        write_text(folder / f"{figure.id}.svg", to_svg(figure.drawing, salt=figure.id))
        write_csv(folder / f"{figure.id}.csv", figure.data)
        entry = {key: getattr(figure, key) for key in ("id", "title", "alt", "caption")}
        entry |= {"file": f"{figure.id}.svg", "data": f"{figure.id}.csv"}
        entries.append(entry | {"provenance": list(dict.fromkeys(figure.provenance))})  # a stage may make several runs
    write_json(folder / INDEX, entries)


def read_index(folder: str | Path) -> list[dict]:
    """The entries of a folder's `figures.json`, or none where nothing was drawn."""
    path = Path(folder) / INDEX
    return read_json(path) if path.exists() else []
