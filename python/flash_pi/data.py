"""Data sets: to calibrate on, and to measure accuracy with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Iterator, overload

import numpy as np
from numpy.typing import NDArray

from . import _native


@dataclass(frozen=True)
class Item:
    """One picture or array of a DataSet; infer(), Twin and compile() take it as an input."""

    data: DataSet
    index: int

    @property
    def name(self) -> str:
        """Such as a file's."""
        return self.data._set.name(self.index)

    @property
    def label(self) -> int | None:
        """None where the set has no labels."""
        return self.data._set.label(self.index)

    def input(self, info: _native.ModelInfo) -> NDArray[np.float32]:
        """float32 [C, H, W] as the model takes it."""
        return self.data._set.input(self.index, info)

    def __repr__(self) -> str:
        return f"<Item {self.name}, label {self.label}>"


class DataSet(Sequence[Item]):
    """Pictures or arrays on disk, with or without labels; loaded when they are asked for.

    Args:
        spec: "cifar10:DIR", "cifar100:DIR", "tiny-imagenet:DIR", "images:DIR" (a folder of pictures, labels by
            sub-folder) or "npy:FILE" (arrays, normalised already); "#train" or "#test" at the end chooses the part,
            which is else the test part.

    Raises Error. A slice is a list of items: `data[:512]`.
    """

    def __init__(self, spec: str) -> None:
        self._set = _native.DataSet(spec)

    @property
    def classes(self) -> list[str]:
        """Names by label; empty where the set names none."""
        return self._set.classes

    def __len__(self) -> int:
        return self._set.size

    @overload
    def __getitem__(self, at: int) -> Item: ...
    @overload
    def __getitem__(self, at: slice) -> list[Item]: ...

    def __getitem__(self, at: int | slice) -> Item | list[Item]:
        found = range(len(self))[at]
        return Item(self, found) if isinstance(found, int) else [Item(self, index) for index in found]

    def __iter__(self) -> Iterator[Item]:
        return (Item(self, index) for index in range(len(self)))

    def __repr__(self) -> str:
        return f"<DataSet {self._set.description}>"
