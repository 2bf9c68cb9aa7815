"""The clear-text twin: the integers of a private run, without cryptography, to measure accuracy with."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sized
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Iterable, Iterator, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _native
from .data import DataSet
from .errors import Error
from .inputs import prepare
from .progress import Progress, reporter


def load(model: _native.Model | str | os.PathLike[str]) -> _native.Model:
    """A Model as it is, or read from its file."""
    return model if isinstance(model, _native.Model) else _native.Model.load(Path(model))


class Accuracy(NamedTuple):
    """What Twin.accuracy() counted.

    Attributes:
        out_of_range: inputs of which some value left its range, so that a private run would be wrong on them.
    """

    correct: int
    inputs: int
    out_of_range: int

    @property
    def fraction(self) -> float:
        """Of the inputs, 0..1."""
        return self.correct / max(self.inputs, 1)


class Twin:
    """The clear-text twin of a compiled model: what a private inference computes, thousands of times faster.

    Args:
        model: a Model or the file of one.
    """

    def __init__(self, model: _native.Model | str | os.PathLike[str]) -> None:
        self.model = load(model)

    def logits(self, given: Any) -> NDArray[np.float32]:
        """float32 [C, H, W] of one input, as prepare() takes it."""
        return self.model.evaluate(prepare(self.model.info, given))[0]

    def accuracy(self, labelled: DataSet | Iterable[tuple[Any, Any]], *, threads: int | None = None,
                 progress: Progress = False) -> Accuracy:
        """Over a DataSet with labels, or pairs of an input and its label; both of a pair may be batches ([N, C, H, W]
        and [N]), as a torch DataLoader yields them.

        Args:
            threads: that work at once; None: one a core.
            progress: True for a bar (tqdm, where it is installed), or a function of a fraction in 0..1; where the
                length of `labelled` is known.
        """
        def judge(given: Any, label: int) -> tuple[bool, bool]:
            logits, out_of_range = self.model.evaluate(prepare(self.model.info, given))
            return int(logits.argmax()) == label, out_of_range > 0

        threads = threads or os.cpu_count() or 1
        total = len(labelled) if isinstance(labelled, Sized) else 0
        correct = inputs = out_of_range = 0
        waiting: deque[tuple[float, Future[tuple[bool, bool]]]] = deque()
        with reporter(progress, "clear-text twin") as report, ThreadPoolExecutor(threads) as pool:
            def take() -> None:
                nonlocal correct, inputs, out_of_range
                done, future = waiting.popleft()
                right, left = future.result()
                correct, inputs, out_of_range = correct + right, inputs + 1, out_of_range + left
                if report is not None and total:
                    report(done / total)

            for done, given, label in self._pairs(labelled):
                waiting.append((done, pool.submit(judge, given, label)))
                if len(waiting) > 4 * threads:  # inputs are loaded as they are needed, not all at once
                    take()
            while waiting:
                take()
        return Accuracy(correct, inputs, out_of_range)

    def _pairs(self, labelled: DataSet | Iterable[tuple[Any, Any]]) -> Iterator[tuple[float, Any, int]]:
        """How much of `labelled` is then done, an input, its label."""
        if isinstance(labelled, DataSet):
            for item in labelled:
                if item.label is None:
                    raise Error("the data set has no labels", "invalid-argument")
                yield item.index + 1, item, item.label
            return
        for index, (given, label) in enumerate(labelled):
            if getattr(label, "ndim", 0) != 1:
                yield index + 1, given, int(label)
                continue
            if len(given) != len(label):
                raise Error(f"a batch of {len(given)} inputs and {len(label)} labels", "invalid-argument")
            for at, (one, its) in enumerate(zip(given, label)):
                yield index + (at + 1) / len(label), one, int(its)
