"""What is fixed about each image set, and how it is found, fetched and read."""

from __future__ import annotations

import dataclasses
import hashlib
import tarfile
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor

from ..errors import UserError
from . import memory
from .classes import CIFAR10_CLASSES, CIFAR100_CLASSES, TINY_IMAGENET_CLASSES
from .memory import Images


@dataclass(frozen=True)
class Source:
    """One image set.

    folder: the name of the folder that its archive unpacks to.
    mean, std: per channel, of the training images' pixels scaled to 0..1.
    resize: the short side that a picture is brought to before the middle is cut out.
    read: (folder, train) -> Images; None: too large for memory, see folder.py.
    url, md5: of the archive at its official site; None: not to be had without an account.
    """

    name: str
    folder: str
    side: int
    classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: int
    read: Callable[[Path, bool], Images] | None
    labels: tuple[str, ...] = ()
    url: str | None = None
    md5: str | None = None

    def standardise(self, pixels: Tensor) -> Tensor:
        """uint8 [N, 3, H, W] -> float32, (pixel / 255 - mean) / std per channel."""
        mean = torch.tensor(self.mean, device=pixels.device).view(1, 3, 1, 1)
        std = torch.tensor(self.std, device=pixels.device).view(1, 3, 1, 1)
        return (pixels.float() - 255 * mean) / (255 * std)


_PHOTOGRAPHS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

SOURCES = {source.name: source for source in (
    Source("cifar10", "cifar-10-batches-bin", 32, 10, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), 32,
           memory.cifar10, CIFAR10_CLASSES,
           "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
    Source("cifar100", "cifar-100-binary", 32, 100, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762), 32,
           memory.cifar100, CIFAR100_CLASSES,
           "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
    Source("tiny-imagenet", "tiny-imagenet-200", 64, 200, *_PHOTOGRAPHS, 64,
           memory.tiny_imagenet, TINY_IMAGENET_CLASSES,
           "http://cs231n.stanford.edu/tiny-imagenet-200.zip", "90528d7ca1a48142e341f4ef8d21d0de"),
    Source("imagenet", "imagenet", 224, 1000, *_PHOTOGRAPHS, 256, None),
)}


def locate(source: Source, directory: Path, download: bool = False) -> Path:
    """The folder of the set: `directory` itself, or the folder of the usual name within it."""
    for folder in (directory / source.folder, directory):
        if folder.is_dir() and (source.read is None or _complete(source, folder)):
            return folder
    if not download:
        raise UserError(f"{directory} holds no {source.name} ({source.folder})" + ("; 'flash-train train --download' fetches it" if source.url else ""))
    if source.url is None:
        raise UserError(f"{source.name} cannot be fetched: its site asks for an account")
    fetch(source, directory)
    return directory / source.folder


def _complete(source: Source, folder: Path) -> bool:
    marker = {"cifar-10-batches-bin": "data_batch_1.bin", "cifar-100-binary": "train.bin", "tiny-imagenet-200": "wnids.txt"}  # of a training part
    return source.folder not in marker or (folder / marker[source.folder]).exists()


def fetch(source: Source, directory: Path) -> None:
    """Downloads the archive from its official site, checks its MD5, and unpacks it into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    archive = directory / source.url.rsplit("/", 1)[1]
    if not archive.exists():
        print(f"fetching {source.url}", flush=True)
        partial = archive.with_name(archive.name + ".part")
        urllib.request.urlretrieve(source.url, partial)
        partial.replace(archive)
    digest = hashlib.md5(archive.read_bytes()).hexdigest()
    if digest != source.md5:
        raise UserError(f"{archive}: MD5 {digest} is not the published {source.md5}")
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(directory)
    else:
        with tarfile.open(archive) as opened:
            opened.extractall(directory)


def read(source: Source, directory: Path, train: bool) -> Images:
    """The training or the test part of a set that fits into memory."""
    return source.read(locate(source, directory), train)


def split(images: Images, held_out: int) -> tuple[Images, Images]:
    """All images without `held_out` ones, and those: evenly spread over the set, so over its classes too."""
    chosen = torch.zeros(len(images.labels), dtype=torch.bool)
    chosen[memory.evenly(len(chosen), held_out)] = True
    return Images(*(part[~chosen] for part in images)), Images(*(part[chosen] for part in images))


def read_pictures(directory: Path, count: int, source: Source) -> Tensor:
    """`count` pictures, evenly spread over a folder's, standardised: float32 [N, 3, side, side]."""
    names = sorted(p for p in directory.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not names:
        raise UserError(f"{directory} holds no pictures (.jpg, .jpeg, .png)")
    chosen = [names[i] for i in memory.evenly(len(names), count)]
    return source.standardise(torch.stack([memory.picture(path, source.side, source.resize) for path in chosen]))


def picture_source(side: int) -> Source:
    """Pictures of that size, standardised as CIFAR-10's: for networks with random weights."""
    return dataclasses.replace(SOURCES["cifar10"], name="pictures", side=side, resize=side, labels=())
