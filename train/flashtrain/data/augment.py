"""Batches of augmented training images, made on the device that trains."""

from __future__ import annotations

from typing import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .memory import Images
from .sources import Source


class Augmented:
    """Shuffled batches of translated and mirrored images, a whole data set in memory.

    Args:
        images: uint8 [N, 3, S, S] and int64 [N].
        source: says how pixels are standardised.
        shift: pixels of random translation, with reflected borders.
        cutout: side of a grey square that hides part of every image; 0: none.
        mirror: "alternate", "random" or "none".

    Mirroring alternates by default: an image that was mirrored in one epoch is not in the
    next, so that two epochs show both forms of every image.
    """

    def __init__(self, images: Images, source: Source, batch: int, device: torch.device,
                 shift: int = 4, cutout: int = 0, mirror: str = "alternate") -> None:
        self.source, self.batch, self.device = source, batch, device
        self.shift, self.cutout, self.mirror = shift, cutout, mirror
        self.side = images.pixels.shape[-1]
        self.labels = images.labels.to(device)
        self.padded = torch.cat([
            F.pad(part.float(), (shift,) * 4, mode="reflect").to(torch.uint8)
            for part in images.pixels.split(4096)]).to(device)

    def __len__(self) -> int:
        """Full batches in one epoch; the incomplete last one is left out."""
        return len(self.labels) // self.batch

    def epoch(self, index: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields float32 [B, 3, S, S], channels last, and int64 [B].

        `generator` lives on the CPU, so that a run can go on with another device.
        """
        order = torch.randperm(len(self.labels), generator=generator).to(self.device)
        for start in range(0, len(self) * self.batch, self.batch):
            chosen = order[start:start + self.batch]
            pixels = self._crops(chosen, index, generator)
            images = self.source.standardise(pixels)
            if self.cutout:
                images = self._cut(images, generator)
            yield images.contiguous(memory_format=torch.channels_last), self.labels[chosen]

    def _crops(self, chosen: Tensor, epoch: int, generator: torch.Generator) -> Tensor:
        count = len(chosen)
        top, left = torch.randint(0, 2 * self.shift + 1, (2, count, 1), generator=generator).to(self.device)
        mirrored = self._mirrored(chosen, epoch, generator).view(-1, 1)
        span = torch.arange(self.side, device=self.device)
        rows = top + span                                                  # [B, S]
        columns = left + torch.where(mirrored, self.side - 1 - span, span)  # [B, S]
        return self.padded[chosen.view(-1, 1, 1, 1),
                           torch.arange(3, device=self.device).view(1, 3, 1, 1),
                           rows.view(count, 1, self.side, 1),
                           columns.view(count, 1, 1, self.side)]

    def _mirrored(self, chosen: Tensor, epoch: int, generator: torch.Generator) -> Tensor:
        if self.mirror == "none":
            return torch.zeros_like(chosen, dtype=torch.bool)
        if self.mirror == "random":
            return torch.randint(0, 2, chosen.shape, generator=generator).to(self.device).bool()
        # A hash of the image's number decides its form in epoch 0.
        return ((chosen * 2654435761 >> 8) + epoch).remainder(2).bool()

    def _cut(self, images: Tensor, generator: torch.Generator) -> Tensor:
        count = len(images)
        at = torch.randint(0, self.side, (2, count, 1), generator=generator).to(self.device)
        span = torch.arange(self.side, device=self.device)
        first = at - self.cutout // 2
        rows, columns = ((span >= place) & (span < place + self.cutout) for place in first)  # [B, S] each
        hidden = rows.view(count, 1, self.side, 1) & columns.view(count, 1, 1, self.side)
        return images.masked_fill(hidden, 0.0)


def cutmix(images: Tensor, labels: Tensor, share: float, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """In a `share` of all batches a rectangle of every picture comes from another one of the batch (Yun et al., arXiv 1905.04899).

    Its area is uniform between none and all. Labels [B] become probabilities [B, classes] then: each class by its share of the picture.
    """
    if not share or torch.rand((), generator=generator) >= share:
        return images, labels
    side = images.shape[-1]
    area, middle = torch.rand((), generator=generator).item(), torch.randint(0, side, (2,), generator=generator).tolist()
    half = round(side * area ** 0.5 / 2)
    (top, bottom), (left, right) = ((max(0, at - half), min(side, at + half)) for at in middle)
    other = torch.randperm(len(labels), generator=generator).to(labels.device)
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[other, :, top:bottom, left:right]
    kept = 1 - (bottom - top) * (right - left) / side ** 2
    hot = F.one_hot(labels, classes).float()
    return mixed, kept * hot + (1 - kept) * hot[other]
