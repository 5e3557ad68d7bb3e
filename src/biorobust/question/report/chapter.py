"""The study's chapter of the report: its names joined with what is made of its measurements."""

from __future__ import annotations

from biorobust.question.report.headline import conclusions, headline
from biorobust.question.report.study import question
from biorobust.question.report.summary import EFFECTS
from biorobust.question.report.tables import tables
from biorobust.reporting.study import of_claims, registered

STUDY = registered(question, tables=of_claims(tables), headline=headline, conclusions=conclusions, effects=EFFECTS)
