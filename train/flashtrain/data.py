"""CIFAR-10 in memory: reading the binary files, splitting, augmenting.

Images stay uint8 [N, 3, 32, 32] (R, G, B planes); labels are int64 [N].
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

CLASSES = ("airplane", "automobile", "bird", "cat", "deer",
           "dog", "frog", "horse", "ship", "truck")
# Per-channel statistics of the training images, pixels scaled to 0..1.
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)
SIDE = 32
PAD = 4  # pixels of random translation


class Images(NamedTuple):
    pixels: Tensor  # uint8 [N, 3, 32, 32]
    labels: Tensor  # int64 [N]


def read_file(path: Path) -> Images:
    """Reads one file of the binary layout: a label byte, then 3 planes of 1,024 bytes."""
    record = 1 + 3 * SIDE * SIDE
    raw = np.fromfile(path, dtype=np.uint8)
    if raw.size == 0 or raw.size % record:
        raise ValueError(f"{path}: {raw.size} bytes is no whole number of records")
    rows = torch.from_numpy(raw.reshape(-1, record))
    return Images(rows[:, 1:].reshape(-1, 3, SIDE, SIDE).clone(), rows[:, 0].long())


def training_sets(directory: Path, held_out: int) -> tuple[Images, Images]:
    """The training images without the last `held_out` ones, and those last ones."""
    parts = [read_file(directory / f"data_batch_{i}.bin") for i in range(1, 6)]
    pixels = torch.cat([p.pixels for p in parts])
    labels = torch.cat([p.labels for p in parts])
    cut = len(labels) - held_out
    return Images(pixels[:cut], labels[:cut]), Images(pixels[cut:], labels[cut:])


def test_set(directory: Path) -> Images:
    """The 10,000 test images, for the final measurement only."""
    return read_file(directory / "test_batch.bin")


def read_folder(directory: Path, count: int, side: int) -> Tensor:
    """`count` pictures, evenly spread over a folder's, standardised: float32 [N, 3, side, side].

    The short side is resized to `side`, the centre cut out.
    """
    from PIL import Image  # needed for nothing else

    names = sorted(p for p in directory.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    pictures = []
    for index in range(min(count, len(names))):
        picture = Image.open(names[index * len(names) // min(count, len(names))]).convert("RGB")
        width, height = picture.size
        scale = side / min(width, height)
        width, height = max(side, round(width * scale)), max(side, round(height * scale))
        picture = picture.resize((width, height), Image.BILINEAR)
        left, top = (width - side) // 2, (height - side) // 2
        cut = np.asarray(picture.crop((left, top, left + side, top + side)))
        pictures.append(torch.from_numpy(cut.copy()).permute(2, 0, 1))
    return standardise(torch.stack(pictures))


def standardise(pixels: Tensor) -> Tensor:
    """uint8 [N, 3, H, W] -> float32, (pixel / 255 - mean) / std per channel."""
    mean = torch.tensor(MEAN).view(1, 3, 1, 1)
    std = torch.tensor(STD).view(1, 3, 1, 1)
    return (pixels.float() / 255 - mean) / std


class Augmented:
    """Shuffled batches of randomly translated and mirrored training images."""

    def __init__(self, images: Images, batch: int) -> None:
        self.labels = images.labels
        self.batch = batch
        self.padded = torch.cat([
            F.pad(part.float(), (PAD,) * 4, mode="reflect").to(torch.uint8)
            for part in images.pixels.split(4096)])  # uint8 [N, 3, 40, 40]

    def __len__(self) -> int:
        """Full batches in one epoch; the incomplete last one is left out."""
        return len(self.labels) // self.batch

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields float32 [B, 3, 32, 32] and int64 [B]."""
        order = torch.randperm(len(self.labels), generator=generator)
        for start in range(0, len(self) * self.batch, self.batch):
            chosen = order[start:start + self.batch]
            yield standardise(self._crops(chosen, generator)), self.labels[chosen]

    def _crops(self, chosen: Tensor, generator: torch.Generator) -> Tensor:
        count = len(chosen)
        top, left = torch.randint(0, 2 * PAD + 1, (2, count, 1), generator=generator)
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        span = torch.arange(SIDE)
        rows = top + span                                            # [B, 32]
        columns = left + torch.where(mirrored, SIDE - 1 - span, span)  # [B, 32]
        return self.padded[chosen.view(-1, 1, 1, 1),
                           torch.arange(3).view(1, 3, 1, 1),
                           rows.view(count, 1, SIDE, 1),
                           columns.view(count, 1, 1, SIDE)]
