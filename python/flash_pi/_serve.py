"""The process of serve(process=True)."""

from __future__ import annotations

import sys

from .errors import Error
from .server import serve


def main(model: str, listen: str, certificate: str, key: str, max_sessions: str) -> int:
    """Serves until standard input ends: its parent has gone, or stopped it."""
    try:
        server = serve(model, listen, certificate=certificate or None, key=key or None, max_sessions=int(max_sessions))
    except Error as error:
        print(error.kind, error, flush=True)
        return 1
    with server:
        print("serving", server.address, server.pin, flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
