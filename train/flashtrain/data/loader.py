"""From a configuration's [data] table to what the training loop reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Protocol

import torch
from torch import Tensor

from ..errors import UserError
from . import folder
from .augment import Augmented
from .memory import Images, evenly, shuffled
from .sources import Source, locate, read, split


SAMPLE, SAMPLE_OF_FILES = 2000, 256  # training images in `sample`, of a set in memory and of one on disk


class Batches(Protocol):
    """Augmented training batches."""

    def __len__(self) -> int: ...

    def epoch(self, index: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]: ...


@dataclass
class Loaded:
    """batches: of the training images.  held_out: watched, never trained on.  sample: training images of all classes, not augmented, in an order of chance."""

    batches: Batches
    held_out: Images
    sample: Images


def loader(source: Source, directory: Path, held_out: int, batch: int, device: torch.device, *,
           shift: int, cutout: int, mirror: str = "alternate", limit: int | None = None, workers: int = 8) -> Loaded:
    """Reads a set. `limit`: only so many images of each kind, for trials. Of a set on disk `shift` says nothing: pictures are random parts of what they show."""
    if source.read is None:
        return _from_folder(source, locate(source, directory), held_out, batch, device, cutout, mirror, limit, workers)
    images = read(source, directory, True)
    training, watched = split(images, _apart(held_out, len(images.labels), directory))
    if limit:
        training, watched = (Images(*(part[evenly(len(part), limit)] for part in some)) for some in (training, watched))
    batches = Augmented(training, source, batch, device, shift, cutout, mirror)
    sample = Images(*(part[shuffled(len(part), SAMPLE)] for part in training))
    return Loaded(batches, watched, sample)


def _apart(held_out: int, total: int, directory: Path) -> int:
    """How many images are held out: at most a fifth."""
    found = min(held_out, total // 5)
    if not found:
        raise UserError(f"{directory} has {total} training images: too few to hold one of five out")
    return found


def _from_folder(source: Source, directory: Path, held_out: int, batch: int, device: torch.device,
                 cutout: int, mirror: str, limit: int | None, workers: int) -> Loaded:
    if cutout:
        raise UserError("cutout is for sets that fit into memory: of a picture on disk a random part is taken anyway; say cutout = 0")
    files = folder.class_folders(folder.training_part(directory))
    apart = set(evenly(len(files), _apart(held_out, len(files), directory)))
    training, watched = ([f for i, f in enumerate(files) if (i in apart) == out] for out in (False, True))
    if limit:
        training, watched = ([part[i] for i in evenly(len(part), limit)] for part in (training, watched))
    batches = folder.FolderBatches(folder.Pictures(training, source, True, mirror != "none"), batch, device, workers)
    sample = [training[i] for i in shuffled(len(training), SAMPLE_OF_FILES)]
    return Loaded(batches, *(folder.read_files(part, source.side, source.resize) for part in (watched, sample)))


def test_images(source: Source, directory: Path) -> Images:
    """The untouched test part, for the final measurement only."""
    if source.read is None:
        place = locate(source, directory)
        part = folder.test_part(place)
        if part is None:
            raise UserError(f"{place} has no test part")
        names = folder.class_names(folder.training_part(place)) if (place / "train").is_dir() else None
        return folder.read_files(folder.class_folders(part, names), source.side, source.resize)
    return read(source, directory, False)
