"""Image sets that fit into memory, read from their standard layouts.

Labels are positions in the set's list of classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError


class Images(NamedTuple):
    pixels: Tensor  # uint8 [N, 3, S, S]: red, green and blue planes
    labels: Tensor  # int64 [N]


def evenly(total: int, count: int) -> list[int]:
    """Positions of `count` of `total` items (of all, if there are fewer), evenly spread: over the classes of a set that is sorted by them, too."""
    count = min(count, total)
    return [i * total // count for i in range(count)]


def shuffled(total: int, count: int) -> list[int]:
    """Positions of `count` of `total` items in an order of chance that is always the same: each beginning of it is spread over the whole."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(0))[:count].tolist()


def join(parts: Sequence[Images]) -> Images:
    return Images(torch.cat([p.pixels for p in parts]), torch.cat([p.labels for p in parts]))


def records(path: Path, label_bytes: int, side: int = 32) -> Images:
    """CIFAR's binary layout: label bytes (the last one counts), then 3 planes."""
    size = label_bytes + 3 * side * side
    raw = np.fromfile(path, dtype=np.uint8)
    if raw.size == 0 or raw.size % size:
        raise UserError(f"{path}: {raw.size} bytes is no whole number of records")
    rows = torch.from_numpy(raw.reshape(-1, size))
    return Images(rows[:, label_bytes:].reshape(-1, 3, side, side).clone(), rows[:, label_bytes - 1].long())


def cifar10(directory: Path, train: bool) -> Images:
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] if train else ["test_batch.bin"]
    return join([records(directory / name, 1) for name in names])


def cifar100(directory: Path, train: bool) -> Images:
    """With the 100 fine labels."""
    return records(directory / ("train.bin" if train else "test.bin"), 2)


def pillow():
    """The module that reads picture files, which sets of pixels do without."""
    try:
        from PIL import Image
    except ImportError:
        raise UserError("reading pictures needs Pillow (python3-pil, or pip install pillow)") from None
    return Image


def picture(path: Path, side: int, resize: int) -> Tensor:
    """One picture, short side resized, the middle cut out: uint8 [3, side, side]."""
    Image = pillow()
    opened = Image.open(path).convert("RGB")
    scale = resize / min(opened.size)
    if scale != 1:
        opened = opened.resize(tuple(max(side, round(length * scale)) for length in opened.size), Image.BILINEAR)
    left, top = ((length - side) // 2 for length in opened.size)
    cut = np.asarray(opened.crop((left, top, left + side, top + side)))
    return torch.from_numpy(cut.copy()).permute(2, 0, 1)


def tiny_imagenet_files(directory: Path, train: bool) -> list[tuple[Path, int]]:
    """Files and labels; the set's labelled validation part stands for the test part."""
    classes = {name: i for i, name in enumerate((directory / "wnids.txt").read_text().split())}
    if train:
        folders = [directory / "train" / name / "images" for name in classes]
        return [(file, label) for label, folder in enumerate(folders) for file in sorted(folder.glob("*.JPEG"))]
    lines = (directory / "val" / "val_annotations.txt").read_text().splitlines()
    return [(directory / "val" / "images" / name, classes[wnid]) for name, wnid, *_ in map(str.split, lines)]


def tiny_imagenet(directory: Path, train: bool) -> Images:
    grids = directory.parent / "tiny-imagenet-grids"
    if train and grids.is_dir() and not (directory / "train").is_dir():
        return tiny_imagenet_grids(directory, grids)
    files = tiny_imagenet_files(directory, train)
    if not files:
        raise UserError(f"{directory}: no pictures of the {'training' if train else 'validation'} part")
    return Images(torch.stack([picture(path, 64, 64) for path, _ in files]), torch.tensor([label for _, label in files]))


def tiny_imagenet_grids(directory: Path, grids: Path, side: int = 64) -> Images:
    """The training part as one JPEG for each class, GRIDS/WNID.jpg, whose pictures lie side by side: few files to carry."""
    Image = pillow()
    parts = []
    for label, wnid in enumerate((directory / "wnids.txt").read_text().split()):
        whole = torch.from_numpy(np.asarray(Image.open(grids / f"{wnid}.jpg").convert("RGB")).copy())
        rows, columns = whole.shape[0] // side, whole.shape[1] // side
        cut = whole.view(rows, side, columns, side, 3).permute(0, 2, 4, 1, 3).reshape(-1, 3, side, side)
        parts.append(Images(cut.contiguous(), torch.full((len(cut),), label)))
    return join(parts)
