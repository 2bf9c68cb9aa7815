"""Networks that the private protocol can run.

Rules kept here: batch normalisation before every activation, the activation
u*u + u, average pooling of activation outputs and one linear layer at the end.
No convolution follows another without an activation in between.

The protocol pays for activation values, hardly for multiply-adds.  So the
resolution is halved at once, by kernels of stride 2 (which contain every
convolution followed by a pooling), and the layers are wide.
"""

from __future__ import annotations

import functools
import inspect
from typing import Sequence

import torch
from torch import Tensor, nn

from . import zoo
from .activation import INPUT_SCALE, SquareActivation
from .errors import UserError
from .fused import normalised
from .layers import ConvAct, norm, start_as_whitening
from .staged import Staged


class Compact(nn.Module):
    """A plain chain of wide layers of ever lower resolution: few activation values.

    Args:
        classes: number of outputs.
        layers: one [channels, kernel, stride] for each.

    Input [N, 3, H, W], standardised pixels; output [N, classes], logits.
    """

    def __init__(self, classes: int, layers: Sequence[Sequence[int]]) -> None:
        super().__init__()
        chain: list[nn.Module] = []
        inputs = 3
        for channels, kernel, stride in layers:
            chain.append(ConvAct(inputs, channels, kernel, stride))
            inputs = channels
        self.features = nn.Sequential(*chain)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(inputs, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(torch.flatten(self.pool(self.features(image)), 1))

    def prepare(self, images: Tensor) -> None:
        """Sets the first layer by training images, standardised float32 [N, 3, H, W]."""
        start_as_whitening(self.features[0].conv, images)


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut: two activation layers.

    [N, in, H, W] -> [N, out, H/s, W/s].  The shortcut is always a normalised
    1x1 convolution, even where the shape would allow the identity: an identity
    would add the long positive tail of u*u + u to the next pre-activation and
    widen the range that has to be quantised.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = ConvAct(inputs, outputs, 3, stride)
        self.conv = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm = norm(outputs, INPUT_SCALE * 0.8)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.shortcut_norm = norm(outputs, INPUT_SCALE * 0.6)
        self.act = SquareActivation()

    def forward(self, x: Tensor) -> Tensor:
        return normalised(self.act, (self.norm, self.conv(self.first(x))), (self.shortcut_norm, self.shortcut(x)))


class WideShallow(nn.Module):
    """A stride-2 stem, plain layers at that size, then residual stages, each halving the size.

    Args:
        classes: number of outputs.
        stem: channels at half the input's height and width.
        stem_kernel: kernel of the first convolution (odd).
        stem_layers: further 3x3 layers at the stem's size.
        stages: channels of each residual stage.

    Input [N, 3, H, W], standardised pixels; output [N, classes], logits.
    """

    def __init__(self, classes: int, stem: int, stages: Sequence[int],
                 stem_kernel: int = 5, stem_layers: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvAct(3, stem, stem_kernel, 2)]
        layers += [ConvAct(stem, stem) for _ in range(stem_layers)]
        width = stem
        for outputs in stages:
            layers.append(Block(width, outputs, 2))
            width = outputs
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(torch.flatten(self.pool(self.features(image)), 1))


def build(network: dict, classes: int) -> nn.Module:
    """Builds the network that a configuration's [network] table describes.

    kinds "compact", "wide-shallow" and "staged" are the networks above; every other kind is a name of zoo.py.
    """
    settings = dict(network)
    kind = settings.pop("kind", None)
    own = {"compact": Compact, "wide-shallow": WideShallow, "staged": Staged}
    if kind not in own and kind not in zoo.NETWORKS:
        raise UserError(f"kind = {kind!r} in [network] is not one of {', '.join([*own, *zoo.NETWORKS])}")
    make = own[kind] if kind in own else functools.partial(zoo.trainable, kind)
    try:
        inspect.signature(make).bind(classes=classes, **settings)
    except TypeError as error:
        raise UserError(f"[network] of kind {kind}: {error}") from None
    return make(classes=classes, **settings)


def cost(model: nn.Module, height: int, width: int) -> dict[str, int]:
    """Activation values, activation layers, multiply-adds and parameters for one image."""
    totals = {"activation_values": 0, "activation_layers": 0, "multiply_adds": 0,
              "parameters": sum(p.numel() for p in model.parameters())}

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, SquareActivation):
            totals["activation_values"] += output.numel()
            totals["activation_layers"] += 1
        elif isinstance(module, nn.Conv2d):
            totals["multiply_adds"] += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            totals["multiply_adds"] += module.weight.numel()

    handles = [m.register_forward_hook(count) for m in model.modules()]
    training = model.training
    model.eval()
    with torch.no_grad():
        model(torch.zeros(1, 3, height, width))
    model.train(training)
    for handle in handles:
        handle.remove()
    return totals
