"""Quantisation-aware training with the compiler's own arithmetic.

The compiler (src/compiler/quantise.cpp) folds a batch normalisation into its
convolution and then computes with integers.  With u = delta (X - shift), per
output channel o and source channel c:

    delta_o = R_o / (2^(m-2) - 3.5)             R_o: range of u, times a margin
    s_o     = delta_o 2^m / T                   what one unit of the accumulator is worth
    W       = round(w y_c / (s_o g)), int8      y_c = delta_c^2: what one unit of Y_c is worth
    X       = floor or ceiling of acc 2^m / T, at random and unbiased: each party truncates its share

Here the same roundings are made in float: a convolution's kernel becomes
W s_o g / y_c, the activation's input delta round(u / delta).  Gradients pass as
if nothing were rounded.  The mean of what rounding the kernel takes away is
given back to the sum, as the compiler does through the bias.

A sine's units are shares of its period, whatever its inputs are:

    delta_o = period_o / 2^m                    so s_o = period_o / T
    Y       = S^2 curve / a + error             a: amplitude of the curve, S: of both parties' factors
    y_c     = a_c / S^2                         error: of four rounded factors, of power S^2 / 6

S, one for each layer, is the largest of the compiler's that leaves the weights
which read Y all of their int8: a larger one rounds the factors less and the
weights more.  The error is drawn in training and left out in evaluation.

Two simplifications: the shift, at most a quarter unit, is left out, and a
convolution that reads something else than one activation or the input (a sum,
a concatenation; the compiler folds these away) has y_c = 1.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .activation import SquareActivation, activations
from .curves import Original
from .errors import UserError
from .sine import SineActivation

MAX_INT8 = 127
CHANNEL_FLOOR = 0.5   # a channel's range is at least this share of its layer's
RESULT_BITS = 16      # m of the result layer
KEPT_VALUES = 1 << 30 # of all layers and images that are kept at once to set the ranges: 4 GiB
INPUT_STEPS = 1024    # integer steps of the largest pixel: fine enough to be left out
AMPLITUDES = [round(2 ** (3 + step / 2)) for step in range(19)]  # S: 8 to 4096, half a bit apart (src/model/sine.h)


@dataclass(frozen=True)
class Arithmetic:
    """share_bits: m.  plain_bits: bits of T.  margin: on the calibrated ranges."""

    share_bits: int = 10
    plain_bits: int = 27
    margin: float = 2.0

    def step(self, reach: Tensor) -> Tensor:
        """delta of pre-activations that reach so far."""
        return self.margin * reach / (2 ** (self.share_bits - 2) - 3.5)

    def part(self, period: Tensor) -> Tensor:
        """delta of pre-activations that count mod a period."""
        return period / 2.0 ** self.share_bits

    def unit(self, delta: Tensor) -> Tensor:
        """s of pre-activations with these steps."""
        return delta * 2.0 ** (self.share_bits - self.plain_bits)


class _Straight(torch.autograd.Function):
    """The rounded value forward, the gradient of the value itself backward."""

    @staticmethod
    def forward(ctx, value: Tensor, rounded: Tensor) -> Tensor:
        return rounded

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class PreActivation(nn.Module):
    """u -> delta floor(u / delta + r), r uniform in 0..1 in training, 1/2 otherwise. [N, C, ...] each."""

    def __init__(self, delta: Tensor) -> None:
        super().__init__()
        self.register_buffer("delta", delta, persistent=False)

    def forward(self, u: Tensor) -> Tensor:
        delta = self.delta.view(1, -1, *(1,) * (u.dim() - 2))
        with torch.no_grad():
            units = u.float() / delta
            units += torch.rand_like(units) if self.training else 0.5
            rounded = (units.floor_() * delta).to(u.dtype)
        return _Straight.apply(u, rounded)


class RoundedFactors(nn.Module):
    """Adds to a sine of amplitude a, in training, the error of its four rounded factors: of power a^2 / (6 S^2). [N, C, ...] each."""

    def __init__(self, amplitude: Tensor, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.register_buffer("deviation", amplitude / (math.sqrt(6) * factor), persistent=False)

    def forward(self, y: Tensor) -> Tensor:
        if not self.training:
            return y
        with torch.no_grad():
            error = torch.randn_like(y) * self.deviation.view(1, -1, *(1,) * (y.dim() - 2)).to(y.dtype)
        return y + error


@dataclass
class Term:
    """What a convolution needs to know to round its kernel.

    norm: the normalisation that follows it, or None.  unit: s_o [out].
    source_scale, source_mean: y_c and the mean of the source's channels [in].
    """

    norm: nn.Module | None
    unit: Tensor
    source_scale: Tensor
    source_mean: Tensor


def _per_input(layer: nn.Module, values: Tensor) -> Tensor:
    """[in] -> [out, in / groups, 1...]: of the inputs that each output reads."""
    weight, groups = layer.weight, getattr(layer, "groups", 1)
    out = weight.shape[0]
    spread = values.view(groups, 1, -1).expand(groups, out // groups, -1).reshape(out, -1)
    return spread.view(*spread.shape, *(1,) * (weight.dim() - 2))


def _lift(layer: nn.Module, term: Term) -> Tensor:
    """What a weight of 1 is in integers [out, in / groups, 1...], its normalisation folded in."""
    weight = layer.weight
    fold = torch.ones(weight.shape[0], device=weight.device)
    if term.norm is not None:
        fold = term.norm.weight / (term.norm.running_var + term.norm.eps).sqrt()
        fold = torch.where(fold.abs() < 1e-12, torch.full_like(fold, 1e-12), fold)
    return (fold / term.unit).view(-1, *(1,) * (weight.dim() - 1)) * _per_input(layer, term.source_scale)


def _rounded(layer: nn.Module, term: Term) -> tuple[Tensor, Tensor]:
    """The kernel that int8 weights stand for [out, in / groups, ...], and what the sum loses on average [out]."""
    weight = layer.weight
    with torch.no_grad():
        lift = _lift(layer, term)
        units = weight * lift
        multiplier = (units.abs().max() / MAX_INT8).ceil().clamp_min(1)
        kernel = (units / multiplier).round().clamp_(-MAX_INT8, MAX_INT8) * multiplier / lift
        lost = ((weight - kernel) * _per_input(layer, term.source_mean)).flatten(1).sum(1)
    return _Straight.apply(weight, kernel), lost


class QuantisedConv2d(nn.Conv2d):
    """A convolution whose kernel is rounded in every forward pass; `term` is set by attach()."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, lost = _rounded(self, self.term)
        bias = lost if self.bias is None else self.bias + lost
        return F.conv2d(x, kernel, bias, self.stride, self.padding, self.dilation, self.groups)


class QuantisedLinear(nn.Linear):
    """The same for a linear layer."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, lost = _rounded(self, self.term)
        return F.linear(x, kernel, lost if self.bias is None else self.bias + lost)


class _Trace:
    """Follows values through one forward pass by the addresses of their memory.

    Keeps every output alive, so that no address is used twice.
    """

    def __init__(self, model: nn.Module) -> None:
        self.sources: dict[int, SquareActivation] = {}      # address -> the activation it comes from
        self.producer: dict[int, nn.Module] = {}            # address -> convolution that computed it
        self.reads: dict[nn.Module, SquareActivation | None] = {}
        self.norms: dict[nn.Module, nn.Module] = {}         # convolution -> normalisation behind it
        self.behind: dict[nn.Module, SquareActivation] = {} # convolution -> activation behind it
        self.waiting: list[nn.Module] = []
        self.results: dict[nn.Module, Tensor] = {}          # convolution -> its output
        self.inputs: dict[SquareActivation, Tensor] = {}
        self.outputs: dict[SquareActivation, Tensor] = {}
        self.alive: list[Tensor] = []
        self.handles = [m.register_forward_hook(self._saw) for m in model.modules() if not list(m.children())]

    def _saw(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        given = inputs[0]
        self.alive += [given, output]
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            self.reads[module] = self.sources.get(given.data_ptr())
            self.results[module] = output
            self.producer[output.data_ptr()] = module
            self.waiting.append(module)
        elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            if given.data_ptr() in self.producer:
                self.norms[self.producer[given.data_ptr()]] = module
        elif isinstance(module, SquareActivation):
            for convolution in self.waiting:
                self.behind[convolution] = module
            self.waiting.clear()
            self.inputs[module], self.outputs[module] = given, output
            self.sources[output.data_ptr()] = module
        elif given.data_ptr() in self.sources:  # pooling, flattening, dropout
            self.sources[output.data_ptr()] = self.sources[given.data_ptr()]

    def stop(self) -> None:
        for handle in self.handles:
            handle.remove()


def _channel(values: Tensor, reduce) -> Tensor:
    return reduce(values.transpose(0, 1).flatten(1), 1)


def _affordable(model: nn.Module, images: Tensor) -> Tensor:
    """As many of the images as may be traced together."""
    trace = _Trace(model)
    model(images[:1])
    trace.stop()
    values = sum({tensor.data_ptr(): tensor.numel() for tensor in trace.alive}.values())
    return images[:max(1, KEPT_VALUES // values)]


@torch.no_grad()
def attach(model: nn.Module, images: Tensor, arithmetic: Arithmetic) -> None:
    """Makes `model` round from now on, in training and in evaluation.

    Error: UserError for a converted network, whose curves have units of their own.  `images`, float32 [N, 3, H, W], are training images that set the ranges: the first of them, where the values of all would take too much memory.
    Batch normalisations must be frozen from here on: they are folded.
    """
    if any(isinstance(layer, Original) for layer in activations(model)):
        raise UserError("a converted network is rounded after training, by the compiler")
    model.eval()
    images = _affordable(model, images)
    trace = _Trace(model)
    model(images)
    trace.stop()
    delta, scale, mean = {}, {}, {}
    for layer in activations(model):
        u = trace.inputs[layer]
        mean[layer] = _channel(trace.outputs[layer], torch.mean)
        if isinstance(layer, SineActivation):
            period, amplitude = (part.to(u.device) for part in layer.settle_period(u.shape[1]))
            delta[layer], scale[layer] = arithmetic.part(period), amplitude  # of Y's unit, times S^2
        else:
            reach = _channel(u.abs(), torch.amax)
            delta[layer] = arithmetic.step(torch.maximum(reach, CHANNEL_FLOOR * reach.max()))
            scale[layer] = delta[layer] ** 2
            if layer.quadratic is not None:  # a u^2 + b u: one unit of Y is worth a delta^2
                scale[layer] = scale[layer] * layer.quadratic.detach().flatten().abs().clamp_min(1e-6)
        layer.quantiser = PreActivation(delta[layer])
    final = dataclasses.replace(arithmetic, share_bits=RESULT_BITS)
    for module, source in trace.reads.items():
        inputs = module.in_channels if isinstance(module, nn.Conv2d) else module.in_features
        ones = torch.ones(inputs, device=images.device)
        fits = source is not None and len(scale[source]) == inputs
        behind = trace.behind.get(module)
        outputs = module.weight.shape[0]
        if behind is None:  # the result layer: one range for all its outputs
            unit = final.unit(final.step(trace.results[module].abs().max().expand(outputs)))
        elif len(delta[behind]) == outputs:
            unit = arithmetic.unit(delta[behind])
        else:
            continue
        pixel = ones * images.abs().max() / INPUT_STEPS
        y = scale[source] if fits else (pixel if source is None else ones)
        module.__class__ = QuantisedConv2d if isinstance(module, nn.Conv2d) else QuantisedLinear
        module.term = Term(trace.norms.get(module), unit, y,
                           mean[source] if fits else torch.zeros_like(ones))
    for layer in activations(model):
        if not isinstance(layer, SineActivation):
            continue
        readers = [module for module, source in trace.reads.items() if source is layer and isinstance(module, (QuantisedConv2d, QuantisedLinear))
                   and module.term.source_scale is scale[layer]]
        # Y's unit is a / S^2: integers for S = 1 come down to int8.
        largest = max(((module.weight * _lift(module, module.term)).abs().max().item() for module in readers), default=0.0)
        factor = max([s for s in AMPLITUDES if largest / s ** 2 >= MAX_INT8], default=AMPLITUDES[0])
        layer.factors = RoundedFactors(scale[layer], factor)
        for module in readers:
            module.term.source_scale = scale[layer] / factor ** 2


def detach(model: nn.Module) -> None:
    """Back to the float network."""
    for module in model.modules():
        if isinstance(module, QuantisedConv2d):
            module.__class__ = nn.Conv2d
        elif isinstance(module, QuantisedLinear):
            module.__class__ = nn.Linear
        elif isinstance(module, SquareActivation):
            module.quantiser = None
            if isinstance(module, SineActivation):
                module.factors = None
