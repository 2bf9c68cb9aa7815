"""The exponential moving average of a model, which is what is evaluated and exported."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """Exponential moving average of a model's weights and normalisation statistics.

    A decay of 0 copies the weights: no averaging.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval()
        self.decay = decay
        self._mine, self._counters = self._tensors(self.model)

    @staticmethod
    def _tensors(model: nn.Module) -> tuple[list, list]:
        state = list(model.state_dict().values())
        return ([t for t in state if t.is_floating_point()],
                [t for t in state if not t.is_floating_point()])

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        new, counters = self._tensors(model)
        for mine, other in zip(self._mine, new):
            mine.lerp_(other, 1 - decay)
        for mine, other in zip(self._counters, counters):
            mine.copy_(other)
