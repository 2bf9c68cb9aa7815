"""Sets of photographs that do not fit into memory: one folder of JPEG files per class."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from .memory import Images, picture, pillow
from .sources import Source


def class_names(part: Path) -> tuple[str, ...]:
    """The sorted names of the folders in a folder, one for each class."""
    return tuple(sorted(f.name for f in part.iterdir() if f.is_dir()))


def class_folders(part: Path, names: tuple[str, ...] | None = None) -> list[tuple[Path, int]]:
    """Files and labels of a folder of class folders; labels are positions in `names`, by default the folders' own."""
    found = class_names(part)
    names = found if names is None else names
    for name in found:
        if name not in names:
            raise UserError(f"{part / name} is no class of the training part")
    return [(file, names.index(name)) for name in found
            for file in sorted((part / name).iterdir()) if file.suffix.lower() in (".jpeg", ".jpg", ".png")]


class Pictures(torch.utils.data.Dataset):
    """Pictures on disk. Items: uint8 [3, side, side] and the label.

    In training a random part of the picture (8 % to all of its area, at most
    4:3 or 3:4) is resized to the network's input, with `mirror` mirrored half of the time.
    """

    def __init__(self, files: list[tuple[Path, int]], source: Source, train: bool, mirror: bool = True) -> None:
        self.files, self.source, self.train, self.mirror = files, source, train, mirror

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self.files[index]
        if not self.train:
            return picture(path, self.source.side, self.source.resize), label
        return random_part(path, self.source.side, self.mirror), label


def random_part(path: Path, side: int, mirror: bool) -> Tensor:
    Image = pillow()
    opened = Image.open(path).convert("RGB")
    width, height = opened.size
    share, shape = torch.rand(2).tolist()
    area = width * height * (0.08 + 0.92 * share)
    ratio = (3 / 4) * (16 / 9) ** shape
    w, h = min(width, round((area * ratio) ** 0.5)), min(height, round((area / ratio) ** 0.5))
    left, top = (int(torch.randint(0, room + 1, ())) for room in (width - w, height - h))
    cut = opened.resize((side, side), Image.BILINEAR, (left, top, left + w, top + h))
    tensor = torch.from_numpy(np.asarray(cut).copy()).permute(2, 0, 1)
    return tensor.flip(2) if mirror and torch.rand(()) < 0.5 else tensor


class FolderBatches:
    """Shuffled batches of pictures on disk, decoded by worker processes."""

    def __init__(self, pictures: Pictures, batch: int, device: torch.device, workers: int) -> None:
        self.pictures, self.batch, self.device, self.workers = pictures, batch, device, workers

    def __len__(self) -> int:
        return len(self.pictures) // self.batch

    def epoch(self, index: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields float32 [B, 3, S, S], channels last, and int64 [B], both on the device."""
        reader = torch.utils.data.DataLoader(
            self.pictures, self.batch, shuffle=True, drop_last=True, num_workers=self.workers,
            generator=generator, pin_memory=self.device.type == "cuda")
        for pixels, labels in reader:
            images = self.pictures.source.standardise(pixels.to(self.device, non_blocking=True))
            yield images.contiguous(memory_format=torch.channels_last), labels.to(self.device, non_blocking=True)


IN_MEMORY = 2 << 30  # bytes of pixels of a set that is read at once


def folder_source(directory: Path, side: int, resize: int, mean: tuple, std: tuple) -> Source:
    """The set in a folder: DIR/train/CLASS/* with DIR/val/CLASS/* (or test) beside it, or DIR/CLASS/* alone, without a test part.

    Classes are the sorted names of the folders.
    """
    training = training_part(directory)
    if not training.is_dir():
        raise UserError(f"there is no folder {directory}")
    names = class_names(training)
    files = class_folders(training)
    if len(names) < 2 or not files:
        raise UserError(f"{training} has no folders of pictures, one for each class")
    small = len(files) * 3 * side * side <= IN_MEMORY

    def read(place: Path, train: bool) -> Images:
        part = training if train else test_part(directory)
        if part is None:
            raise UserError(f"{directory} has no test part")
        return read_files(class_folders(part, names), side, resize)

    return Source(directory.name, ".", side, len(names), mean, std, resize, read if small else None, names)


def training_part(directory: Path) -> Path:
    """DIR/train, or DIR itself where there is none."""
    return directory / "train" if (directory / "train").is_dir() else directory


def test_part(directory: Path) -> Path | None:
    return next((directory / name for name in ("val", "test") if (directory / name).is_dir()), None)


def read_files(files: list[tuple[Path, int]], side: int, resize: int) -> Images:
    """Pictures and labels of these files, the middle of each."""
    if not files:
        raise UserError("there are no pictures in the folders of the classes (.jpg, .jpeg, .png)")
    pixels = [picture(path, side, resize) for path, _ in files]
    return Images(torch.stack(pixels), torch.tensor([label for _, label in files]))
