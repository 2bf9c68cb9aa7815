"""What the processor can do, as Linux tells it."""

from __future__ import annotations

from pathlib import Path


def features(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The features of the first processor, by Linux's names; none where they are not told."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))), "").split())
