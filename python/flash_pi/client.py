"""The client: private inference on a server that never sees the input."""

from __future__ import annotations

import asyncio
import functools
import os
from dataclasses import dataclass, field
from typing import Any, Callable, TypeVar

import numpy as np
from numpy.typing import NDArray

from . import _native
from .errors import Error
from .inputs import prepare
from .progress import Progress, reporter

Result = TypeVar("Result")


@dataclass(frozen=True)
class ClassScore:
    """A class and what an answer gives it; probability: softmax over all logits."""

    index: int
    name: str
    logit: float
    probability: float


@dataclass(frozen=True)
class Answer:
    """What one private inference gave.

    Attributes:
        logits: float32 [C, H, W] of the result layer; [classes, 1, 1] for a classifier.
        best: the largest logits, best first.
        bytes_sent, bytes_received: frames of this inference, before TLS.
        clamped: share of the input's values beyond the range that the model was made for.
        unreliable: empty, or why the answer cannot be what the network computes.
    """

    logits: NDArray[np.float32]
    best: list[ClassScore]
    seconds: float
    round_trips: int
    bytes_sent: int
    bytes_received: int
    clamped: float
    unreliable: str = field(default="")


class Client:
    """A connection to a Flash server; made anew by itself where an inference on it failed or the server has ended it,
    to the same model only.

    Args:
        address: "HOST:PORT".
        pin: "sha256:..." of the server's certificate; or ca_file: PEM file of trusted certificates; with neither, the
            system's trust store decides.
        fingerprint: refuse any other model.
        trust_server: accept models that are private only from a server that follows the protocol.
        large_ring_only: refuse models that upload activations in the small ring.
        timeout: seconds, for connecting and for each awaited message.
        model: NAME or NAME/VERSION at the server; empty: its only one.
        token: to show to a server that asks who comes (`flash token`).
        in_flight: inferences at a time on the connection to ask for, 1 to 64; each takes the memory of one.

    Raises Error. All of it may be used from any thread; inferences of one client run one after the other, or as many at
    a time as in_flight says; several clients run at once. A failed inference is never repeated by itself: that would tell a cheating server one bit.

    Attributes:
        model: what the handshake told: name, fingerprint, shapes, classes, exact bytes of an inference.
    """

    def __init__(self, address: str, *, pin: str | None = None, ca_file: str | os.PathLike[str] | None = None,
                 fingerprint: str | None = None, trust_server: bool = False, large_ring_only: bool = False,
                 timeout: float = 30.0, model: str = "", token: str = "", in_flight: int = 1,
                 _watcher: _native.Watcher | None = None) -> None:
        watcher = _watcher or _native.Watcher(None)
        self._client: _native.Client | None = _native.Client(address, pin, ca_file, fingerprint, trust_server,
                                                             large_ring_only, timeout, model, token, in_flight, watcher)
        self.model: _native.ModelInfo = self._client.model

    @classmethod
    async def connect_async(cls, address: str, **options: Any) -> Client:
        """A Client, for asyncio: connects in a thread; cancelling the task ends that. Arguments as Client's."""
        watcher = _native.Watcher(None)
        return await _in_thread(functools.partial(cls, address, _watcher=watcher, **options), watcher.stop)

    @property
    def in_flight(self) -> int:
        """Inferences that the present connection runs at a time: as many as were asked for, or as the server takes."""
        return self._open().in_flight

    def infer(self, given: Any, *, top: int = 5, progress: Progress = False) -> Answer:
        """One private inference; `given` as in prepare(). Ctrl-C cancels it.

        Args:
            top: how many classes Answer.best holds.
            progress: True for a bar (tqdm, where it is installed), or a function of a fraction in 0..1, called from
                another thread.
        """
        with reporter(progress, "private inference") as report:
            return self._infer(given, _native.Watcher(report), top)

    async def infer_async(self, given: Any, *, top: int = 5, progress: Callable[[float], Any] | None = None) -> Answer:
        """The same for asyncio, in a thread; cancelling the task cancels the inference.

        Args:
            progress: a function of a fraction in 0..1, called from that thread.
        """
        watcher = _native.Watcher(progress)
        return await _in_thread(functools.partial(self._infer, given, watcher, top), watcher.stop)

    def close(self) -> None:
        """Ends the connection, after inferences that still run. Later calls do nothing."""
        self._client = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self.model.name}>"

    def _open(self) -> _native.Client:
        client = self._client
        if client is None:
            raise Error("the client is closed", "invalid-argument")
        return client

    def _infer(self, given: Any, watcher: _native.Watcher, top: int) -> Answer:
        logits, *figures = self._open().infer(prepare(self.model, given), watcher)
        best = [ClassScore(*score) for score in _native.best_classes(self.model, logits, top)]
        return Answer(logits, best, *figures)


async def _in_thread(call: Callable[[], Result], stop: Callable[[], None] | None = None) -> Result:
    """The call's result. A task that is cancelled asks the call to stop and waits for its end."""
    running = asyncio.get_running_loop().run_in_executor(None, call)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        if stop is not None:
            stop()
        await asyncio.wait([running])
        running.exception()
        raise
