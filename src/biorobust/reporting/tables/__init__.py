"""Tables of the report: rows of plain numbers for CSV, with the columns that print them."""
