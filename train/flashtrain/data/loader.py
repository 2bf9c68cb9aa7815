"""From a configuration's [data] table to what the training loop reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Protocol

import torch
from torch import Tensor

from . import folder
from .augment import Augmented
from .memory import Images
from .sources import Source, locate, read, split


class Batches(Protocol):
    """Augmented training batches."""

    def __len__(self) -> int: ...

    def epoch(self, index: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]: ...


@dataclass
class Loaded:
    """batches: of the training images.  held_out: watched, never trained on.  sample: training images, not augmented."""

    batches: Batches
    held_out: Images
    sample: Images


def loader(source: Source, directory: Path, held_out: int, batch: int, device: torch.device, *,
           shift: int, cutout: int, mirror: str = "alternate", limit: int | None = None, workers: int = 8) -> Loaded:
    """Reads a set. `limit`: only so many images of each kind, for trials."""
    if source.read is None:
        return _from_folder(source, locate(source, directory), held_out, batch, device, limit, workers)
    images = read(source, directory, True)
    training, watched = split(images, min(held_out, len(images.labels) // 5))
    if limit:
        training, watched = (Images(*(part[:limit] for part in some)) for some in (training, watched))
    batches = Augmented(training, source, batch, device, shift, cutout, mirror)
    sample = Images(*(part[:2000] for part in training))
    return Loaded(batches, watched, sample)


def _from_folder(source: Source, directory: Path, held_out: int, batch: int, device: torch.device,
                 limit: int | None, workers: int) -> Loaded:
    files = folder.class_folders(directory / "train")
    held_out = min(held_out, len(files) // 5)
    apart = {i * len(files) // max(held_out, 1) for i in range(held_out)}
    training, watched = ([f for i, f in enumerate(files) if (i in apart) == out] for out in (False, True))
    if limit:
        training, watched = (part[::max(1, len(part) // limit)][:limit] for part in (training, watched))
    batches = folder.FolderBatches(folder.Pictures(training, source, True), batch, device, workers)
    sample = training[::max(1, len(training) // 256)][:256]
    return Loaded(batches, *(folder.read_files(part, source.side, source.resize) for part in (watched, sample)))


def test_images(source: Source, directory: Path) -> Images:
    """The untouched test part, for the final measurement only."""
    if source.read is None:
        return folder.read_files(folder.class_folders(folder.test_part(locate(source, directory))), source.side, source.resize)
    return read(source, directory, False)
