"""The server: a compiled model, served from threads of this process or from one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from . import _native
from .errors import Error


def serve(model: _native.Model | str | os.PathLike, listen: str = "127.0.0.1:0", *,
          certificate: str | os.PathLike | None = None, key: str | os.PathLike | None = None, max_sessions: int = 16,
          process: bool = False) -> "Server | ServerProcess":
    """Starts to serve and returns at once; use it in a `with`, or call stop().

    Args:
        model: a Model or the file of one.
        listen: "HOST:PORT"; port 0 takes a free one (see .address).
        certificate, key: PEM files; with neither, a self-signed pair that lives as long as the server (clients need .pin).
        process: in a process of its own, which ends with this one.
    """
    if process:
        if isinstance(model, _native.Model):
            raise Error("a process of its own takes the model's file", "invalid-argument")
        return ServerProcess(Path(model), listen, certificate, key, max_sessions)
    loaded = model if isinstance(model, _native.Model) else _native.Model.load(Path(model))
    return Server(loaded, listen, certificate, key, max_sessions)


class Server:
    """Threads of this process. Attributes: address, pin, sessions, inferences."""

    def __init__(self, model: _native.Model, listen: str, certificate: str | os.PathLike | None,
                 key: str | os.PathLike | None, max_sessions: int) -> None:
        self._server = _native.Server(model, listen, certificate, key, max_sessions)
        self.address: str = self._server.address
        self.pin: str = self._server.pin

    @property
    def sessions(self) -> int:
        return self._server.sessions

    @property
    def inferences(self) -> int:
        return self._server.inferences

    def stop(self) -> None:
        """Ends the sessions and waits for them."""
        self._server.stop()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


class ServerProcess:
    """A process of its own. Attributes: address, pin."""

    def __init__(self, model: Path, listen: str, certificate: str | os.PathLike | None, key: str | os.PathLike | None,
                 max_sessions: int) -> None:
        words = [sys.executable, "-m", "flash_pi._serve", model, listen, certificate or "", key or "", max_sessions]
        self._process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True)
        kind, _, rest = self._process.stdout.readline().strip().partition(" ")
        if kind != "serving":
            self.stop()
            raise Error(rest or "the server process ended", kind or "internal")
        self.address, self.pin = rest.split(" ")

    def stop(self) -> None:
        """Ends the sessions and waits for the process."""
        with self._process:
            self._process.stdin.close()

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
