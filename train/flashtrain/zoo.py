"""Well-known architectures with the activation u*u + u, by name.

They are here to be measured: `untrained.py` writes them with random weights.
The shapes, and so the costs of a private run, are those of a trained network.

Two things differ from the textbook, as the private protocol asks for it: ReLU is
u*u + u, and every branch of a sum has a batch normalisation of its own, an
identity shortcut too.  That normalisation becomes one factor per channel; it keeps
the positive tail of the square from growing from block to block.

Training keeps a deep network in the range where the square is harmless.  With random
weights nothing does: at a standard deviation s of u, the spread between strong and weak
pictures grows by about 1 + 3 s^2 a layer, and at s = 0.4 one picture drowns all
others after ten layers.  So the networks here start at a small s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Sequence

import torch
from torch import Tensor, nn

from .activation import SquareActivation

SCALE = 0.03            # standard deviation of every pre-activation
IDENTITY_SCALE = 0.012  # what an identity shortcut adds to it
PROJECTION_SCALE = 0.018


def norm(channels: int, scale: float = SCALE) -> nn.BatchNorm2d:
    """Batch normalisation whose output starts with standard deviation `scale`."""
    layer = nn.BatchNorm2d(channels)
    nn.init.constant_(layer.weight, scale)
    return layer


class ConvAct(nn.Sequential):
    """Convolution, batch normalisation, activation. [N, in, H, W] -> [N, out, H/s, W/s]."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
                         norm(outputs), SquareActivation())


def shortcut(inputs: int, outputs: int, stride: int) -> tuple[nn.Module, float]:
    """The identity where the shape allows it, else a 1x1 convolution; normalised.

    Also returns the standard deviation that the other branch has to add for SCALE in all.
    """
    if stride == 1 and inputs == outputs:
        return norm(outputs, IDENTITY_SCALE), (SCALE ** 2 - IDENTITY_SCALE ** 2) ** 0.5
    return (nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                          norm(outputs, PROJECTION_SCALE)),
            (SCALE ** 2 - PROJECTION_SCALE ** 2) ** 0.5)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut. [N, in, H, W] -> [N, out, H/s, W/s]."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = ConvAct(inputs, outputs, 3, stride)
        self.shortcut, rest = shortcut(inputs, outputs, stride)
        self.conv = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm = norm(outputs, rest)
        self.act = SquareActivation()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(self.first(x))) + self.shortcut(x))


class Residual(nn.Module):
    """The residual network for small pictures: a 3x3 stem, stages of basic blocks, mean, linear.

    Args:
        classes: number of outputs.
        blocks: blocks of each stage; every stage but the first halves the size.
        widths: channels of each stage; the stem has those of the first.

    Input [N, 3, H, W], standardised pixels; output [N, classes], logits.
    """

    def __init__(self, classes: int, blocks: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvAct(3, widths[0])]
        inputs = widths[0]
        for stage, (count, outputs) in enumerate(zip(blocks, widths)):
            for block in range(count):
                layers.append(BasicBlock(inputs, outputs, 2 if stage and block == 0 else 1))
                inputs = outputs
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(inputs, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(torch.flatten(self.pool(self.features(image)), 1))


@dataclass(frozen=True)
class Entry:
    """One architecture: its inputs are [N, 3, side, side]; `build` takes the number of classes."""

    description: str
    side: int
    classes: int
    build: Callable[[int], nn.Module]


def _cifar_residual(depth: int) -> Entry:
    """He et al. 2015, section 4.2: 6 n + 2 layers, widths 16, 32, 64."""
    count = (depth - 2) // 6
    return Entry(f"ResNet-{depth} for 32x32 pictures (He et al. 2015, 4.2)", 32, 10,
                 lambda classes: Residual(classes, (count,) * 3, (16, 32, 64)))


NETWORKS: dict[str, Entry] = {
    "resnet20": _cifar_residual(20),
    "resnet32": _cifar_residual(32),
    "resnet56": _cifar_residual(56),
}


def smooth_noise(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Random pictures [N, 3, side, side] whose spectrum falls as that of photographs does.

    A sum of noise at every scale, of equal strength, mostly grey; mean 0 and
    variance 1 over the pictures.
    """
    grey = torch.zeros(count, 1, side, side)
    colour = torch.zeros(count, 3, side, side)
    cells = 1
    while cells <= side:
        for sum_, channels in ((grey, 1), (colour, 3)):
            noise = torch.randn(count, channels, cells, cells, generator=generator)
            sum_ += nn.functional.interpolate(noise, (side, side), mode="bilinear",
                                              align_corners=False)
        cells *= 2
    pictures = grey + 0.4 * colour
    return (pictures - pictures.mean()) / pictures.std()


@torch.no_grad()
def settle(model: nn.Module, pictures: Tensor) -> None:
    """Sets the statistics of every batch normalisation to what these pictures give.

    Each pre-activation then has the standard deviation that its normalisation
    started with, whatever the weights.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [m.momentum for m in norms]
    for layer in norms:
        layer.momentum = 1.0  # the statistics of this one batch
    model.train()
    model(pictures)
    model.eval()
    for layer, momentum in zip(norms, momenta):
        layer.momentum = momentum
