"""What a private inference costs before it is run."""

from __future__ import annotations

import os
from dataclasses import dataclass

from . import _native
from .table import Table
from .twin import load


@dataclass(frozen=True)
class LayerPlan:
    """One layer of a Plan.

    Attributes:
        share_bits: m; both parties hold the layer's values mod 2^m.
        ring_degree: n of its linear ciphertexts.
        upload_bytes, download_bytes: exact.
        seconds: predicted, from the answer to the layer before to this one's.
        waits_for: what most of it goes to: "cores", "down", "up" or "turn" (the round trip).
        client_seconds, server_seconds: work of one thread.
        server_memory: bytes of the layer's weights as the server arranges them.
    """

    name: str
    channels: int
    height: int
    width: int
    share_bits: int
    ring_degree: int
    upload_ciphertexts: int
    response_ciphertexts: int
    activation_values: int
    upload_bytes: int
    download_bytes: int
    seconds: float
    waits_for: str
    client_seconds: float
    server_seconds: float
    server_memory: int


@dataclass(frozen=True)
class Plan:
    """Bytes (exact) and time (predicted) of one inference.

    Attributes:
        layers: a table; pandas.DataFrame takes it.
        start_seconds: of seconds, keys and the first exchange.
        client_memory, server_memory: bytes that a session holds at most, beside the model.
        log2_wrong: log2 of the probability that roundings make an inference wrong.
    """

    layers: Table[LayerPlan]
    seconds: float
    start_seconds: float
    upload_bytes: int
    download_bytes: int
    round_trips: int
    client_memory: int
    server_memory: int
    log2_wrong: float

    def __str__(self) -> str:
        return (f"{self.layers}\none inference: {self.seconds:.3f} s predicted, {self.upload_bytes:,} bytes up, "
                f"{self.download_bytes:,} down, {self.round_trips} round trips")


def plan(model: _native.Model | str | os.PathLike[str], link: str = "none", *, cores: int = 0,
         shared_cores: bool = False) -> Plan:
    """Plans private inferences of a compiled model over a link, between two machines like this one, which it measures.

    Args:
        model: a Model or the file of one.
        link: "lan" (3 Gbit/s, 0.3 ms), "wan" (400 Mbit/s, 40 ms), or bandwidth and round trip such as "50M,20ms";
            "none": both parties on this machine.
        cores: of each party; 0: as many as this machine has.
        shared_cores: both parties on the same cores.
    """
    layers, *figures = _native.plan(load(model), link, cores, shared_cores)
    return Plan(Table(LayerPlan(*row) for row in layers), *figures)
