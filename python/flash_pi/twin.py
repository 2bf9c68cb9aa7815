"""The clear-text twin: the integers of a private run, without cryptography, to measure accuracy with."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Iterable, NamedTuple

import numpy as np

from . import _native
from .inputs import prepare


class Accuracy(NamedTuple):
    correct: int
    inputs: int
    out_of_range: int  #: inputs of which some value left its range: a private run would be wrong on them

    @property
    def fraction(self) -> float:
        return self.correct / max(self.inputs, 1)


class Twin:
    """model: a Model or the file of one."""

    def __init__(self, model: _native.Model | str | os.PathLike) -> None:
        self.model = model if isinstance(model, _native.Model) else _native.Model.load(Path(model))

    def logits(self, given: Any) -> np.ndarray:
        """float32 [C, H, W] of one input, as prepare() takes it."""
        return self.model.evaluate(prepare(self.model.info, given))[0]

    def accuracy(self, labelled: Iterable[tuple[Any, int]], threads: int | None = None) -> Accuracy:
        """Over pairs of an input and its label."""
        def judge(pair: tuple[Any, int]) -> tuple[bool, bool]:
            logits, out_of_range = self.model.evaluate(prepare(self.model.info, pair[0]))
            return int(logits.argmax()) == int(pair[1]), out_of_range > 0

        with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
            judged = list(pool.map(judge, labelled))
        return Accuracy(sum(right for right, _ in judged), len(judged), sum(left for _, left in judged))
