"""The one kind of error that a user can mend."""

from __future__ import annotations


class UserError(ValueError):
    """Something asked for or given is wrong: the message says what, the value, what is accepted, what to do.

    The command line shows these without a traceback; any other exception is a defect of the library.
    """
