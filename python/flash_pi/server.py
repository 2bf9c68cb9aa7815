"""The server: a compiled model, served from threads of this process or from one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Literal, Union, cast, get_args, overload

from . import _native
from .errors import Error, ErrorKind
from .twin import load

FileName = Union[str, "os.PathLike[str]"]
PATIENCE = 10.0  # seconds that the server process has to end by itself


@overload
def serve(model: _native.Model | FileName, listen: str = ..., *, certificate: FileName | None = ...,
          key: FileName | None = ..., max_sessions: int = ..., process: Literal[False] = ...) -> Server: ...
@overload
def serve(model: FileName, listen: str = ..., *, certificate: FileName | None = ..., key: FileName | None = ...,
          max_sessions: int = ..., process: Literal[True]) -> ServerProcess: ...


def serve(model: _native.Model | FileName, listen: str = "127.0.0.1:0", *, certificate: FileName | None = None,
          key: FileName | None = None, max_sessions: int = 16, process: bool = False) -> Server | ServerProcess:
    """Starts to serve and returns at once; use it in a `with`, or call stop().

    Args:
        model: a Model or the file of one.
        listen: "HOST:PORT"; port 0 takes a free one (see .address).
        certificate, key: PEM files; with neither, a self-signed pair that lives as long as the server (clients need
            .pin).
        max_sessions: clients at a time; further ones are refused with a sentence.
        process: in a process of its own, which ends with this one; the model is then a file.
    """
    if process:
        if isinstance(model, _native.Model):
            raise Error("a process of its own takes the model's file", "invalid-argument")
        return ServerProcess(Path(model), listen, certificate, key, max_sessions)
    return Server(load(model), listen, certificate, key, max_sessions)


class Server:
    """Serves from threads of this process (serve() makes it).

    Attributes:
        address: "HOST:PORT", with the real port.
        pin: "sha256:..." of its certificate, for Client.
    """

    def __init__(self, model: _native.Model, listen: str, certificate: FileName | None, key: FileName | None,
                 max_sessions: int) -> None:
        self._server = _native.Server(model, listen, certificate, key, max_sessions)
        self.address: str = self._server.address()
        self.pin: str = self._server.pin()

    @property
    def sessions(self) -> int:
        """Clients that are connected."""
        return self._server.sessions()

    @property
    def inferences(self) -> int:
        """Answered so far."""
        return self._server.inferences()

    def stop(self) -> None:
        """Ends the sessions and waits for them."""
        self._server.stop()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


class ServerProcess:
    """Serves from a process of its own (serve(..., process=True) makes it); it ends with this one.

    Attributes:
        address: "HOST:PORT", with the real port.
        pin: "sha256:..." of its certificate, for Client.
    """

    def __init__(self, model: Path, listen: str, certificate: FileName | None, key: FileName | None,
                 max_sessions: int) -> None:
        words = [sys.executable, "-m", "flash_pi._serve", model, listen, certificate or "", key or "", max_sessions]
        # In a session of its own: a Ctrl-C at the terminal is for the caller, who may go on.
        self._process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True, start_new_session=True)
        assert self._process.stdout is not None
        kind, _, rest = self._process.stdout.readline().strip().partition(" ")
        if kind != "serving":
            self.stop()
            raise Error(rest or "the server process ended",
                        cast(ErrorKind, kind) if kind in get_args(ErrorKind) else "internal")
        self.address, self.pin = rest.split(" ")

    def stop(self) -> None:
        """Ends the sessions and waits for the process."""
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:  # another child of the caller's still holds the pipe's end
                self._process.terminate()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
