"""The base of every error that a user may see."""

from __future__ import annotations


class LamaFillError(Exception):
    """Something the user can act on.

    The message is one line that says what is wrong and what to do about it; it is shown as it is, without a
    traceback.
    """
