"""The activation of the private protocol, u*u + u, and the way training reaches it.

A network started from scratch on u*u + u diverges easily: the square makes
large values larger.  So training starts on a ReLU of matching size and moves
over to the square by a blend,

    act(u) = (1 - alpha) * 2 relu(u) + alpha * (u*u + u),

with alpha rising from 0 to 1.  For |u| <= 1 the two curves lie close together
(both are 0 at 0 and 2 at 1), so the move is gentle.  A penalty on pre-activations
outside the range where the square is well behaved keeps them there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# A unit-variance pre-activation x meets the square as u = INPUT_SCALE * x.
# Batch normalisation therefore starts with gamma = INPUT_SCALE.
INPUT_SCALE = 0.4


class _Blend(torch.autograd.Function):
    """The blended curve with few passes over memory; used in training only."""

    @staticmethod
    def forward(ctx, u: Tensor, alpha: float) -> Tensor:
        ctx.save_for_backward(u)
        ctx.alpha = alpha
        out = torch.addcmul(u, u, u)
        if alpha < 1:
            out.mul_(alpha).add_(torch.relu(u), alpha=2 * (1 - alpha))
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (u,) = ctx.saved_tensors
        alpha = ctx.alpha
        out = torch.addcmul(gradient, gradient, u, value=2)
        if alpha < 1:
            relu = gradient * (u > 0)
            out.mul_(alpha).add_(relu, alpha=2 * (1 - alpha))
        return out, None


class SquareActivation(nn.Module):
    """u -> u*u + u, element by element, with a training-time blend from ReLU.

    Attributes:
        alpha: 0 is pure ReLU, 1 is exactly u*u + u.
        soft_range: in training, |u| beyond this is penalised.
        penalty: mean of relu((|u| - soft_range) / INPUT_SCALE)^2, estimated on
            every fourth image of the last training batch; a scalar tensor that
            takes part in back-propagation.
    """

    def __init__(self, soft_range: float = 4 * INPUT_SCALE) -> None:
        super().__init__()
        self.alpha = 1.0
        self.soft_range = soft_range
        self.penalty: Tensor = torch.zeros(())

    def forward(self, u: Tensor) -> Tensor:
        """Any shape with the images along its first axis in, the same shape out."""
        if self.training:
            excess = (u[::4].abs() - self.soft_range).clamp_min(0) / INPUT_SCALE
            self.penalty = (excess * excess).mean()
            return _Blend.apply(u, self.alpha)
        if self.alpha == 1.0:
            return u * u + u
        return self.alpha * (u * u + u) + (1 - self.alpha) * 2 * torch.relu(u)


def activations(model: nn.Module) -> list[SquareActivation]:
    """All activations of a model, in the order in which they were registered."""
    return [m for m in model.modules() if isinstance(m, SquareActivation)]


def set_alpha(model: nn.Module, alpha: float) -> None:
    """Sets the blend of every activation."""
    for activation in activations(model):
        activation.alpha = alpha


def range_penalty(model: nn.Module) -> Tensor:
    """The sum over layers of the penalties of the last training batch (scalar)."""
    return torch.stack([a.penalty for a in activations(model)]).sum()


def blend_at(progress: float, start: float, end: float) -> float:
    """alpha at `progress` (0..1 of all steps): linear from 0 at `start` to 1 at `end`."""
    if progress >= end:
        return 1.0
    return max(0.0, (progress - start) / (end - start))
