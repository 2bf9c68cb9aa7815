"""Data parallelism over threads of one process, for a CPU that others use too.

PyTorch's own threads meet within every operation, and oneDNN's wait for each
other actively: where the machine is shared, most of the time then goes into
waiting for a thread that is not running.  Here every thread computes forward
and backward passes of its own part of the batch alone; they meet once a step.
"""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn


class Replicas:
    """A model and copies of it that share its weights.

    Each normalises by the statistics of its own part of the batch, as on several GPUs.
    """

    def __init__(self, model: nn.Module, count: int) -> None:
        self.models = [model] + [copy.deepcopy(model) for _ in range(count - 1)]
        for other in self.models[1:]:
            mine = dict(model.named_parameters())
            for name, theirs in other.named_parameters():
                theirs.data = mine[name].data
        self.pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) if count > 1 else None

    def backward(self, images: Tensor, labels: Tensor,
                 loss: Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, dict[str, Tensor]]]) -> dict[str, Tensor]:
        """Leaves the mean of the parts' gradients in the model, whose sizes differ by one picture at most; returns the means of the figures."""
        def part(model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
            for parameter in model.parameters():
                parameter.grad = None
            total, figures = loss(model, images, labels)
            total.backward()
            return figures

        if self.pool is None:
            return part(self.models[0], images, labels)
        count = len(self.models)
        figures = list(self.pool.map(part, self.models, images.tensor_split(count), labels.tensor_split(count)))
        self._gather()
        return {name: sum(f[name].detach() for f in figures) / count for name in figures[0]}

    def map(self, function: Callable, items: Iterable) -> Iterator:
        """The built-in `map`, on the replicas' threads."""
        return self.pool.map(function, items) if self.pool else map(function, items)

    @torch.no_grad()
    def _gather(self) -> None:
        """Means of gradients and of stored statistics."""
        count = len(self.models)
        for mine, *others in _alike([dict(m.named_parameters()) for m in self.models]):
            if mine.grad is not None:
                for other in others:
                    mine.grad.add_(other.grad)
                mine.grad.div_(count)
        for mine, *others in _alike([dict(m.named_buffers()) for m in self.models]):
            if mine.is_floating_point():
                for other in others:
                    mine.add_(other)
                mine.div_(count)
                for other in others:
                    other.copy_(mine)


def _alike(tables: list[dict[str, Tensor]]) -> Iterator[list[Tensor]]:
    """The tensors of one name in all tables: a copy of a network may list them in another order."""
    return ([table[name] for table in tables] for name in tables[0])
