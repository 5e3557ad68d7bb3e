"""Tables of the report modules that still write rows and columns apart."""

from biorobust.reporting.table import Printed as Column
from biorobust.reporting.table import Table, Value, cell, read, save

__all__ = ["Column", "Table", "Value", "cell", "read", "save"]
