"""The study's chapter of the report: its names joined with what is made of its measurements."""

from __future__ import annotations

from biorobust.reporting.study import of_claims, registered
from biorobust.vonenet.report.headline import conclusions, headline
from biorobust.vonenet.report.study import vonenet
from biorobust.vonenet.report.summary import EFFECTS
from biorobust.vonenet.report.tables import tables

STUDY = registered(vonenet, tables=of_claims(tables), headline=headline, conclusions=conclusions, effects=EFFECTS)
