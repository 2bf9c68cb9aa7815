"""The one exception of this package."""

from __future__ import annotations


class Error(Exception):
    """Something that Flash could not do; the text says what was wrong and what to do.

    Attributes:
        kind: a stable word: "invalid-argument", "unsupported", "range", "file", "network", "timeout", "protocol",
            "remote", "cancelled" or "internal".
    """

    def __init__(self, message: str, kind: str = "internal") -> None:
        super().__init__(message)
        self.kind = kind
