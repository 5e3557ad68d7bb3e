"""The study's chapter of the report: its names joined with what is made of its measurements."""

from __future__ import annotations

from biorobust.cnnf.report.headline import conclusions, headline
from biorobust.cnnf.report.study import cnnf
from biorobust.cnnf.report.summary import EFFECTS
from biorobust.cnnf.report.tables import tables
from biorobust.reporting.study import of_claims, registered

STUDY = registered(cnnf, tables=of_claims(tables), headline=headline, conclusions=conclusions, effects=EFFECTS)
