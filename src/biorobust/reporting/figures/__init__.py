"""Figures of the report: pure functions from tracked metrics to drawings, one module per kind."""
