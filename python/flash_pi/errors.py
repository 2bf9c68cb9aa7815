"""The one exception of this package."""

from __future__ import annotations

from typing import Any, Literal

ErrorKind = Literal["invalid-argument", "unsupported", "range", "file", "network", "timeout", "protocol", "remote",
                    "cancelled", "internal"]


class Error(Exception):
    """Something that Flash could not do; the text says what was wrong and what to do.

    Attributes:
        kind: what went wrong, as a stable word:
            "invalid-argument": something unusable was given; "unsupported": a network that Flash cannot run, with the
            reason; "range": values that do not fit; "file": missing, damaged or not writable; "network": refused, cut
            off, or not trusted; "timeout": the other party did not answer in time; "protocol": it does not follow the
            protocol; "remote": it reported an error of its own; "cancelled": somebody asked for it; "internal": a
            defect of Flash.
    """

    kind: ErrorKind

    def __init__(self, message: str, kind: ErrorKind = "internal") -> None:
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> Any:  # so that the kind survives the way from another process
        return type(self), (str(self), self.kind)
