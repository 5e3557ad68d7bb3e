"""The study's chapter of the report: its names joined with what is made of its measurements."""

from __future__ import annotations

from biorobust.hebbian.report.headline import headline
from biorobust.hebbian.report.study import hebbian
from biorobust.hebbian.report.summary import EFFECTS
from biorobust.hebbian.report.tables import tables
from biorobust.reporting.study import of_claims, registered

STUDY = registered(hebbian, tables=of_claims(tables), headline=headline, effects=EFFECTS)
