"""The study's chapter of the report: its names joined with what is made of its measurements."""

from __future__ import annotations

from biorobust.kwta.report.headline import conclusions, headline
from biorobust.kwta.report.study import kwta
from biorobust.kwta.report.summary import EFFECTS
from biorobust.kwta.report.tables import tables
from biorobust.reporting.study import registered

STUDY = registered(kwta, tables=tables, headline=headline, conclusions=conclusions, effects=EFFECTS)
