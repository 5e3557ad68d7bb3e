"""The answer a study puts at the top of the report: one file per study that has one."""
