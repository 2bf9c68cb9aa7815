"""The sine curve: an activation that cannot leave a range.

    f(u) = (2 / t^2) (1 - cos(t u)) + sin(t u) / t,    t = 2 pi / period

agrees with u*u + u to second order near zero and is bounded far away.  Being
periodic it depends on u modulo the period only, so nothing can overflow in a
private run, and a network trains on it from scratch as on ReLU.

Written as one sine it is f(u) = A sin(t u - p) + 2 / t^2 with A cos p = 1 / t and
A sin p = 2 / t^2; its slope is A t cos(t u - p).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .activation import SquareActivation

PERIOD = 8.0


class _Sine(torch.autograd.Function):
    """The curve of a fixed period, blended with ReLU, with few passes over memory; used in training only."""

    @staticmethod
    def forward(ctx, u: Tensor, period: float, alpha: float) -> Tensor:
        ctx.save_for_backward(u)
        ctx.period, ctx.alpha = period, alpha
        if alpha == 0:
            return torch.relu(u).mul_(2)
        t, amplitude, phase = constants(period)
        out = torch.mul(u, t).sub_(phase).sin_().mul_(amplitude).add_(2 / t ** 2)
        if alpha < 1:
            out.mul_(alpha).add_(torch.relu(u), alpha=2 * (1 - alpha))
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (u,) = ctx.saved_tensors
        if u.dim() == 4 and u.is_contiguous(memory_format=torch.channels_last):
            # A pooling's gradient comes in another layout, which would slow down every convolution below.
            gradient = gradient.contiguous(memory_format=torch.channels_last)
        if ctx.alpha == 0:
            return torch.mul(gradient, u > 0).mul_(2), None, None
        t, amplitude, phase = constants(ctx.period)
        out = torch.mul(u, t).sub_(phase).cos_().mul_(amplitude * t).mul_(gradient)
        if ctx.alpha < 1:
            out.mul_(ctx.alpha).add_(gradient * (u > 0), alpha=2 * (1 - ctx.alpha))
        return out, None, None


def constants(period: float) -> tuple[float, float, float]:
    """t, the amplitude A and the phase p of a period."""
    t = 2 * math.pi / period
    return t, math.hypot(1 / t, 2 / t ** 2), math.atan2(2 / t ** 2, 1 / t)


def in_turns(period: float) -> tuple[float, float, float, float, float]:
    """A, c, s, k and d with f(u) = A sin(2 pi (k u + d)) + c and f'(u) = s cos(2 pi (k u + d))."""
    t, amplitude, phase = constants(period)
    return amplitude, 2 / t ** 2, amplitude * t, 1 / period, -phase / (2 * math.pi)


class SineActivation(SquareActivation):
    """f(u), element by element, with the same training-time blend from ReLU as the square's.

    Attributes:
        period: of f, where it is fixed.
        fixed: None, or t, amplitude, phase and constant of each channel for an exported file.
        log_period: None, or a learnable logarithm of the period for each channel, [C, 1, 1] (of vectors [C]).
        factors: None, or what rounds the parties' factors (see quantise.py).
    """

    def __init__(self, period: float = PERIOD) -> None:
        super().__init__()
        self.period = period
        self.log_period: nn.Parameter | None = None
        self.fixed: tuple[Tensor, ...] | None = None
        self.factors: nn.Module | None = None

    def forward(self, u: Tensor) -> Tensor:
        """Any shape with the images along its first axis in, the same shape out."""
        self._watch(u)
        if self.quantiser is not None:
            u = self.quantiser(u)
        if self.log_period is None and self.training:
            return self._rounded(_Sine.apply(u, self.period, self.alpha))
        curve = self._rounded(self._curve(u))
        if self.alpha == 1.0:
            return curve
        return self.alpha * curve + (1 - self.alpha) * 2 * torch.relu(u)

    def _rounded(self, y: Tensor) -> Tensor:
        return y if self.factors is None else self.factors(y)

    def settle_period(self, channels: int) -> tuple[Tensor, Tensor]:
        """Period and amplitude of each of so many channels; learnt ones stay as they are from now on."""
        if self.log_period is None:
            return torch.full((channels,), self.period), torch.full((channels,), constants(self.period)[1])
        self.log_period.requires_grad_(False)
        t, amplitude, _, _ = self._constants(torch.float32)
        return (2 * math.pi / t).flatten(), amplitude.flatten()

    def _curve(self, u: Tensor) -> Tensor:
        """amplitude sin(t u + phase) + constant: that is how it is exported."""
        if self.log_period is None:
            t, amplitude, phase = constants(self.period)
            return amplitude * torch.sin(t * u + -phase) + 2 / t ** 2
        t, amplitude, phase, constant = self.fixed or self._constants(u.dtype)
        return amplitude * torch.sin(t * u + phase) + constant

    def fix_constants(self) -> None:
        if self.log_period is not None:
            self.fixed = tuple(part.detach() for part in self._constants(self.log_period.dtype))

    def _constants(self, kind: torch.dtype) -> tuple[Tensor, ...]:
        t = 2 * math.pi * torch.exp(-self.log_period.float())
        amplitude = torch.sqrt(1 / t ** 2 + 4 / t ** 4)
        phase = -torch.atan2(2 / t, torch.ones_like(t))
        return tuple(part.to(kind) for part in (t, amplitude, phase, 2 / t ** 2))


def use_sine(model: nn.Module, period: float = PERIOD, learnt: bool = False) -> None:
    """Puts the sine curve in place of every square; `learnt`: with a period of its own for each channel.

    The normalisation in front of an activation says how many channels it has; with none there, the convolution.
    """
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is SquareActivation:
                sine = SineActivation(period)
                sine.alpha = child.alpha
                setattr(module, name, sine)
    shape: tuple[int, ...] = ()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.Conv2d)):
            shape = (module.num_features if isinstance(module, nn.BatchNorm2d) else module.out_channels, 1, 1)
        elif isinstance(module, (nn.BatchNorm1d, nn.Linear)):
            shape = (module.num_features if isinstance(module, nn.BatchNorm1d) else module.out_features,)
        elif isinstance(module, SineActivation) and learnt:
            module.log_period = nn.Parameter(torch.full(shape, math.log(period)))
