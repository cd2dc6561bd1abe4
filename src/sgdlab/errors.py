"""The one family of errors that a person is meant to read.

A `UserError` says which file or key, what was wrong and what would be right. The command line prints its
text and exits; nothing else in the package exits.
"""


class UserError(Exception):
    """Something a person can mend. The text is the whole message; no traceback is shown."""

    exit_code = 1


class UsageError(UserError):
    """The request itself is wrong: an unknown key, a value out of range, a name that isn't there."""

    exit_code = 2
