"""The activation of the private protocol, u*u + u, and the way training reaches it.

A network started from scratch on u*u + u diverges easily: the square makes
large values larger.  So training starts on a ReLU of matching size and moves
over to the square by a blend,

    act(u) = (1 - alpha) * 2 relu(u) + alpha * (u*u + u),

with alpha rising from 0 to 1.  For |u| <= 1 the two curves lie close together
(both are 0 at 0 and 2 at 1), so the move is gentle.  A penalty on pre-activations
outside the range where the square is well behaved keeps them there.  The few that are
still outside would rule the gradient: in training the square can go on as a
straight line there.  In evaluation it is always the square.

With alpha held at 0 the same network, code and budget train the ReLU twin.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# A unit-variance pre-activation x meets the square as u = INPUT_SCALE * x.
# Batch normalisation therefore starts with gamma = INPUT_SCALE.
INPUT_SCALE = 0.4
PENALISED = 4  # every fourth image of a batch counts for the penalty


class _Blend(torch.autograd.Function):
    """The blended curve with few passes over memory; used in training only.

    With a tail the square goes on as its tangents beyond |u| = tail: c (2u - c), c = u clamped.
    """

    @staticmethod
    def forward(ctx, u: Tensor, alpha: float, tail: float) -> Tensor:
        ctx.save_for_backward(u)
        ctx.alpha, ctx.tail = alpha, tail
        if alpha == 0:
            return torch.relu(u).mul_(2)
        if tail:
            near = u.clamp(-tail, tail)
            out = torch.addcmul(u, near, (2 * u).sub_(near))
        else:
            out = torch.addcmul(u, u, u)
        if alpha < 1:
            out.mul_(alpha).add_(torch.relu(u), alpha=2 * (1 - alpha))
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (u,) = ctx.saved_tensors
        alpha, tail = ctx.alpha, ctx.tail
        if u.dim() == 4 and u.is_contiguous(memory_format=torch.channels_last):
            # A pooling's gradient comes in another layout, which would slow down every convolution below.
            gradient = gradient.contiguous(memory_format=torch.channels_last)
        if alpha == 0:
            return torch.mul(gradient, u > 0).mul_(2), None, None
        out = torch.addcmul(gradient, gradient, u.clamp(-tail, tail) if tail else u, value=2)
        if alpha < 1:
            out.mul_(alpha).add_(gradient * (u > 0), alpha=2 * (1 - alpha))
        return out, None, None


class _Far(torch.autograd.Function):
    """[N, values], R, p even -> mean over images of log(1 + mean over values of (u / R)^p).

    With m the largest |u / R| of an image, at least 1, that is p log m + log(m^-p + mean((u / R / m)^p)):
    no power overflows, however far out a value lies.
    """

    @staticmethod
    def forward(ctx, u: Tensor, reach: float, exponent: int) -> Tensor:
        ratio = u.float() / reach
        largest = torch.linalg.vector_norm(ratio, float("inf"), dim=1, keepdim=True).clamp_min_(1)
        ratio.div_(largest)
        square = ratio * ratio
        odd = ratio.clone()
        for _ in range(exponent // 2 - 1):
            odd.mul_(square)
        largest = largest.squeeze(1)
        sizes = square.copy_(odd).mul_(ratio).mean(1) + largest.pow(-exponent)
        ctx.save_for_backward(odd, sizes * largest)
        ctx.factor = exponent / (reach * ratio.numel())
        ctx.kind = u.dtype
        return (exponent * largest.log() + sizes.log()).mean()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        odd, divisors = ctx.saved_tensors
        factor = gradient * ctx.factor / divisors
        return (odd * factor.view(-1, 1)).to(ctx.kind), None, None


def _rows(u: Tensor) -> Tensor:
    """[N, ...] -> [N, values], without a copy of channels-last maps; the order of values does not matter."""
    if u.dim() == 4 and u.is_contiguous(memory_format=torch.channels_last):
        u = u.permute(0, 2, 3, 1)
    return u.flatten(1)


def penalty_of(u: Tensor, reach: float, exponent: int) -> Tensor:
    """Mean over the images u [N, ...] of log(1 + mean((u / reach)^exponent))."""
    return _Far.apply(_rows(u), reach, exponent)


class SquareActivation(nn.Module):
    """u -> u*u + u, element by element, with a training-time blend from ReLU.

    Attributes:
        alpha: 0 is pure ReLU (times 2), 1 is exactly u*u + u.
        tail: |u| beyond which the square goes on as a straight line, in training only; 0: nowhere.
        reach: R of the penalty below; None: no penalty is computed.
        exponent: p of the penalty, even.
        penalty: of the last training batch, a scalar that takes part in
            back-propagation: the mean over images of log(1 + mean((u / R)^p)).
            The logarithm leaves small values as they are and bounds the
            gradient of one image that is far out.
        quadratic, linear: None, or learnable a and b per channel, [C, 1, 1] (of
            vectors [C]): the curve is then a u^2 + b u, starting at a = b = 1.
        quantiser: None, or what rounds the pre-activation (see quantise.py).
    """

    def __init__(self) -> None:
        super().__init__()
        self.alpha = 1.0
        self.tail = 0.0
        self.reach: float | None = None
        self.exponent = 10
        self.penalty: Tensor = torch.zeros(())
        self.quadratic: nn.Parameter | None = None
        self.linear: nn.Parameter | None = None
        self.quantiser: nn.Module | None = None

    def forward(self, u: Tensor) -> Tensor:
        """Any shape with the images along its first axis in, the same shape out."""
        self._watch(u)
        if self.quantiser is not None:
            u = self.quantiser(u)
        if self.quadratic is not None:
            return self._scaled(u)
        if self.training:
            return _Blend.apply(u, self.alpha, self.tail)
        if self.alpha == 1.0:
            return u * u + u
        return self.alpha * (u * u + u) + (1 - self.alpha) * 2 * torch.relu(u)

    def fix_constants(self) -> None:
        """What evaluation computes from parameters and buffers is computed now: an exported file shall hold the curve only."""

    def _watch(self, u: Tensor) -> None:
        """Computes the penalty of a training batch's pre-activations, where it is asked for."""
        if self.training and self.reach is not None:
            self.penalty = penalty_of(u[::PENALISED], self.reach, self.exponent)

    def _scaled(self, u: Tensor) -> Tensor:
        a, b = self.quadratic, self.linear
        if a.dtype != u.dtype:  # an exported file shall have no Cast
            a, b = a.to(u.dtype), b.to(u.dtype)
        if self.training and self.tail:
            near = u.clamp(-self.tail, self.tail)
            square = a * near * (2 * u - near) + b * u
        else:
            square = (a * u + b) * u
        if self.alpha == 1.0:
            return square
        return self.alpha * square + (1 - self.alpha) * 2 * torch.relu(u)


def activations(model: nn.Module) -> list[SquareActivation]:
    """All activations of a model, in the order in which they were registered."""
    return [m for m in model.modules() if isinstance(m, SquareActivation)]


def set_alpha(model: nn.Module, alphas: float | list[float]) -> None:
    """Sets the blend of every activation, or each one's own."""
    layers = activations(model)
    if isinstance(alphas, float):
        alphas = [alphas] * len(layers)
    for layer, alpha in zip(layers, alphas):
        layer.alpha = alpha


def set_tail(model: nn.Module, tail: float) -> None:
    """Sets where the square becomes a straight line in training; 0: nowhere."""
    for layer in activations(model):
        layer.tail = tail


def add_scales(model: nn.Module) -> None:
    """Makes the curve of every activation a learnable a u^2 + b u per channel.

    The normalisation in front of an activation says how many channels it has.
    """
    shape: tuple[int, ...] = ()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            shape = (module.num_features, 1, 1)
        elif isinstance(module, nn.BatchNorm1d):
            shape = (module.num_features,)
        elif isinstance(module, SquareActivation):
            module.quadratic = nn.Parameter(torch.ones(shape))
            module.linear = nn.Parameter(torch.ones(shape))


def set_penalty(model: nn.Module, reach: float | None, exponent: int = 10) -> None:
    """Sets R and p of the range penalty; None switches it off."""
    for layer in activations(model):
        layer.reach, layer.exponent = reach, exponent


def range_penalty(model: nn.Module) -> Tensor:
    """The sum over layers of the penalties of the last training batch (scalar)."""
    return torch.stack([a.penalty for a in activations(model)]).sum()
