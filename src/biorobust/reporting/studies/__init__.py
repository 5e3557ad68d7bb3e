"""One file per study: the names it has in params.yaml, its stages, and where its part of the report is made."""
