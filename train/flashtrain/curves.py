"""The activations of a converted network: each takes the place of one ReLU, in the unit that its inputs have.

relu(u) is met by c / 2 f(u / c), f being u^2 + u or the sine: within |u| < c the two lie close together. The unit c
of each channel comes from the spread of u there in the original network, so that u / c has the spread at which these networks start.
One unit for a whole layer would leave a channel of small values, which the next layer may well enlarge, few steps of its integers.
"""

from __future__ import annotations

from typing import Callable

import torch
from torch import Tensor, nn

from .activation import INPUT_SCALE, SquareActivation, _Blend
from .sine import PERIOD, SineActivation, _Sine, constants

UNIT_FLOOR = 0.05  # a channel's unit is at least this share of its layer's: what hardly moves needs no fine steps


class Original:
    """What a curve replaces: `function` of u, and the unit c, which measure() finds; mixed into both curves.

    Attributes:
        function: of u; a module, such as a PReLU, moves with the network.
        unit: c of each channel, [C, 1, 1] (of vectors [C]; of inputs without channels in the second place one for all, []).
    """

    function: Callable[[Tensor], Tensor]
    unit: Tensor

    def begin(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function
        self.is_relu = function is torch.relu
        self.measured: list[Tensor] | None = None
        self.fixed: tuple[Tensor, ...] | None = None
        self.register_buffer("unit", torch.ones(()))

    def fix_constants(self) -> None:
        self.fixed = self.constants_of(self.unit)

    def forward(self, u: Tensor) -> Tensor:
        if self.measured is not None:
            self.measured.append(_channel_mean(u.detach().float().square()))
        c = self.unit
        if c.dtype != u.dtype:  # an exported file shall have no Cast
            c = c.to(u.dtype)
        v = u / c
        self._watch(v)
        if self.training and self.is_relu:
            return self.blended(v) * (c / 2)
        if self.alpha == 0:
            return self.function(u)
        curve = self.curve(u, c)
        return curve if self.alpha == 1.0 else self.alpha * curve + (1 - self.alpha) * self.function(u)


class ConvertedSquare(Original, SquareActivation):
    """(1 - alpha) function(u) + alpha (u^2 / (2 c) + u / 2)."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.begin(function)

    def blended(self, v: Tensor) -> Tensor:
        return _Blend.apply(v, self.alpha, self.tail)

    def constants_of(self, c: Tensor) -> tuple[Tensor, ...]:
        """1 / (2 c)."""
        return (0.5 / c,)

    def curve(self, u: Tensor, c: Tensor) -> Tensor:
        (half,) = self.fixed or self.constants_of(c)
        if self.training and self.tail:
            near = torch.minimum(torch.maximum(u, -c * self.tail), c * self.tail)
            return near * (2 * u - near) * half + 0.5 * u
        return half * u * u + 0.5 * u


class ConvertedSine(Original, SineActivation):
    """(1 - alpha) function(u) + alpha (a sin(b u + p) + d)."""

    def __init__(self, function: Callable[[Tensor], Tensor], period: float = PERIOD) -> None:
        super().__init__(period)
        self.begin(function)

    def blended(self, v: Tensor) -> Tensor:
        return _Sine.apply(v, self.period, self.alpha)

    def constants_of(self, c: Tensor) -> tuple[Tensor, ...]:
        """a, b, d."""
        t, amplitude, _ = constants(self.period)
        return c * (amplitude / 2), t / c, c / t ** 2

    def curve(self, u: Tensor, c: Tensor) -> Tensor:
        a, b, d = self.fixed or self.constants_of(c)
        return a * torch.sin(b * u + -constants(self.period)[2]) + d


def _channel_mean(values: Tensor) -> Tensor:
    """[N, C, H, W] -> [C, 1, 1]; [N, C] -> [C]; of anything else the mean of all, []."""
    if values.dim() == 4:
        return values.mean((0, 2, 3)).view(-1, 1, 1)
    return values.mean(0) if values.dim() == 2 else values.mean()


class IdentityNorm(nn.BatchNorm2d):
    """A batch normalisation that measure() makes an identity; until then it knows neither channels nor statistics."""

    def __init__(self) -> None:
        super().__init__(0)
        self.measured: list[tuple[Tensor, Tensor]] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.measured is not None:
            values = x.detach().float()
            self.measured.append((values.mean((0, 2, 3)), values.square().mean((0, 2, 3))))
        return x if self.num_features == 0 else super().forward(x)

    def become_identity(self) -> None:
        mean, squares = (torch.stack(parts).mean(0) for parts in zip(*self.measured))
        variance = (squares - mean * mean).clamp_min(1e-4)
        self.measured, self.num_features = None, len(mean)
        self.weight, self.bias = nn.Parameter((variance + self.eps).sqrt()), nn.Parameter(mean.clone())
        self.running_mean, self.running_var = mean.clone(), variance


@torch.no_grad()
def measure(model: nn.Module, images: Tensor, batch: int = 100) -> None:
    """Sets every curve's unit by what its inputs are on `images`, standardised float32 [N, 3, H, W].

    The curves are measured as the original's activations.
    """
    curves = [m for m in model.modules() if isinstance(m, Original)]
    norms = [m for m in model.modules() if isinstance(m, IdentityNorm)]
    model.eval()
    for layer in (*curves, *norms):
        layer.measured = []
    for curve in curves:
        curve.alpha = 0.0
    for part in images.split(batch):
        model(part)
    for curve in curves:
        power = torch.stack(curve.measured).mean(0)
        spread = torch.maximum(power.sqrt(), UNIT_FLOOR * power.mean().sqrt())
        curve.unit = (spread / INPUT_SCALE).clamp_min(1e-6)
        curve.measured, curve.alpha = None, 1.0
    for layer in norms:
        layer.become_identity()
