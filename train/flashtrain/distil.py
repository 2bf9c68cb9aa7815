"""Distillation: the student follows a teacher's logits and feature maps.

The teacher is usually the ReLU twin: the same network trained with alpha = 0.
Any network that this package trains will do; feature maps need as many
activation layers as the student has.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .activation import activations
from .errors import UserError


class Teacher:
    """A trained network, frozen, and what it says about a batch.

    Args:
        model: in evaluation mode from now on.
        temperature: softens both distributions of the logits' divergence.
        logit_weight: share of the loss that the logits' divergence takes from the labels.
        feature_weight: of the distance of the feature maps; 0: they are not looked at.
    """

    def __init__(self, model: nn.Module, student: nn.Module, temperature: float,
                 logit_weight: float, feature_weight: float) -> None:
        self.model = model.eval().requires_grad_(False)
        self.temperature = temperature
        self.logit_weight, self.feature_weight = logit_weight, feature_weight
        self._theirs, self._mine = [], []
        if feature_weight:
            if len(activations(model)) != len(activations(student)):
                raise UserError("feature maps can only be compared layer by layer: the teacher has another depth")
            for network, maps in ((model, self._theirs), (student, self._mine)):
                for layer in activations(network):
                    layer.register_forward_hook(lambda module, inputs, output, maps=maps: maps.append(output))

    def forget(self) -> None:
        """To be called before the student's forward pass."""
        self._theirs.clear()
        self._mine.clear()

    def loss(self, images: Tensor, logits: Tensor, label_loss: Tensor) -> Tensor:
        """The whole loss of a batch, from the student's logits and its loss on the labels."""
        with torch.no_grad():
            target = self.model(images).float()
        soft = F.kl_div(F.log_softmax(logits / self.temperature, 1), F.log_softmax(target / self.temperature, 1),
                        reduction="batchmean", log_target=True) * self.temperature ** 2
        total = (1 - self.logit_weight) * label_loss + self.logit_weight * soft
        for theirs, mine in zip(self._theirs, self._mine):
            if mine.dim() == 4:
                total = total + self.feature_weight * _distance(mine, theirs)
        return total


def _distance(mine: Tensor, theirs: Tensor) -> Tensor:
    """Between where two maps [N, C, H, W] are strong: their normalised energy per pixel."""
    ours, other = (F.normalize(m.float().square().mean(1).flatten(1), dim=1) for m in (mine, theirs))
    return (ours - other).square().sum(1).mean()
