"""The client: private inference on a server that never sees the input."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import Any, Callable, NamedTuple

import numpy as np

from . import _native
from .inputs import prepare
from .progress import reporter


class ClassScore(NamedTuple):
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

    logits: np.ndarray
    best: list[ClassScore]
    seconds: float
    round_trips: int
    bytes_sent: int
    bytes_received: int
    clamped: float
    unreliable: str = field(default="")


class Client:
    """A connection to a Flash server.

    Args:
        address: "HOST:PORT".
        pin: "sha256:..." of the server's certificate; or ca_file: PEM file of trusted certificates; with neither, the
            system's trust store decides.
        fingerprint: refuse any other model.
        trust_server: accept models that are private only from a server that follows the protocol.
        large_ring_only: refuse models that upload activations in the small ring.
        timeout: seconds, for connecting and for each awaited message.

    Raises Error. Inferences of one client run one after the other; several clients run at once.
    """

    def __init__(self, address: str, *, pin: str | None = None, ca_file: str | os.PathLike | None = None,
                 fingerprint: str | None = None, trust_server: bool = False, large_ring_only: bool = False,
                 timeout: float = 30.0) -> None:
        self._client = _native.Client(address, pin, ca_file, fingerprint, trust_server, large_ring_only, timeout)

    @property
    def model(self) -> _native.ModelInfo:
        """What the handshake told: name, fingerprint, shapes, classes, exact bytes of an inference."""
        return self._client.model

    def infer(self, given: Any, *, top: int = 5, progress: bool | Callable[[float], None] = False) -> Answer:
        """One private inference; `given` as in prepare(). Ctrl-C cancels it.

        progress: True for a bar (tqdm, where it is installed), or a function of fractions.
        """
        with reporter(progress, "private inference") as report:
            return self._infer(prepare(self.model, given), _native.Watcher(report), top)

    async def infer_async(self, given: Any, *, top: int = 5, progress: Callable[[float], None] | None = None) -> Answer:
        """The same for asyncio, in a thread; cancelling the task cancels the inference."""
        watcher = _native.Watcher(progress)
        running = asyncio.get_running_loop().run_in_executor(None, self._infer, prepare(self.model, given), watcher, top)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            watcher.stop()
            await asyncio.wait([running])
            running.exception()
            raise

    def _infer(self, values: np.ndarray, watcher: _native.Watcher, top: int) -> Answer:
        logits, *figures = self._client.infer(values, watcher)
        best = [ClassScore(*score) for score in _native.best_classes(self.model, logits, top)]
        return Answer(logits, best, *figures)
