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
        self._mine = self.model.state_dict()

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, other in model.state_dict().items():
            if other.is_floating_point():
                self._mine[name].lerp_(other, 1 - decay)
            else:
                self._mine[name].copy_(other)
