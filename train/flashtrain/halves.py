"""Weights in half precision, in files small enough to be carried: what a short lease of a machine brings back."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from .stored import read_torch

LIMIT = 15 << 20  # bytes of a file


def parts(folder: Path) -> list[Path]:
    """The files that save() wrote into a folder, in order."""
    return sorted(folder.glob("weights-half-*.pt"))


def save(state: dict[str, Tensor], folder: Path, limit: int = LIMIT) -> list[Path]:
    """Writes a model's state: kernels in half precision, everything else as it is; a tensor is never cut."""
    for old in parts(folder):
        old.unlink()
    bundles: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, value in state.items():
        stored = value.detach().cpu()
        if stored.is_floating_point() and stored.dim() > 1:
            stored = stored.clamp(-65504, 65504).half()
        bytes_ = stored.numel() * stored.element_size()
        if bundles[-1] and size + bytes_ > limit:
            bundles.append({})
            size = 0
        bundles[-1][name] = stored.contiguous().clone()
        size += bytes_
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index, bundle in enumerate(bundles):
        paths.append(folder / f"weights-half-{index}.pt")
        torch.save(bundle, paths[-1])
    return paths


def load(folder: Path) -> dict[str, Tensor]:
    """The state again, in single precision."""
    state: dict[str, Tensor] = {}
    for path in parts(folder):
        state.update(read_torch(path))
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
