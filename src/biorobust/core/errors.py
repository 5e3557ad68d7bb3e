"""The one exception a user is meant to read.

Anything a user can cause (a bad parameter, a missing or damaged file, an unreachable download) is raised as
`BiorobustError` with one line that says what is wrong and what to do. Stages print that line and exit with status 2;
every other exception is a bug and keeps its traceback.
"""


class BiorobustError(Exception):
    """Something the user can put right; the message is one line."""


class ParamsError(BiorobustError):
    """params.yaml holds an unknown, missing or impossible value."""


class DataError(BiorobustError):
    """A data set cannot be had, or a file of it is damaged."""
