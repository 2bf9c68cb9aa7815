"""The own architecture for harder sets: a frozen whitening layer, then stages of wide layers.

The shape is that of the fastest known trainings of small pictures: a whitening of 2x2 patches that is
never trained, three stages that each halve the size in their first layer, and a residual sum in each.
Where those pool by the maximum, the first layer here has a 4x4 kernel of stride 2, which contains every
3x3 convolution followed by a mean of 2x2.
"""

from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor, nn

from .activation import SquareActivation
from .layers import ConvAct, norm, start_as_identity, whitening_filters


class Whitening(nn.Module):
    """Principal components of small patches, each with both signs, and the activation. Kernels stay as they are.

    [N, 3, H, W] -> [N, 6 k k, H - k + 1, W - k + 1].  Only the biases are trained.
    """

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2 * 3 * kernel ** 2, kernel)
        nn.init.zeros_(self.conv.bias)
        self.conv.weight.requires_grad_(False)
        self.act = SquareActivation()

    def forward(self, image: Tensor) -> Tensor:
        return self.act(self.conv(image))

    @torch.no_grad()
    def prepare(self, images: Tensor, scale: float) -> None:
        """Sets the kernels by training images, so that every output has about the standard deviation `scale`."""
        filters = whitening_filters(images, self.conv.kernel_size[0], self.conv.out_channels // 2, stride=1, noise=5e-4)
        self.conv.weight.copy_(scale * torch.cat([filters, -filters]))


class Stage(nn.Module):
    """Three layers, the first of stride 2; its output also goes around the other two.

    [N, in, H, W] -> [N, out, H/2, W/2].  Both terms of the sum are normalised, which an identity would not be.
    """

    def __init__(self, inputs: int, outputs: int, scale: float) -> None:
        super().__init__()
        self.first = ConvAct(inputs, outputs, 4, 2, scale)
        self.second = ConvAct(outputs, outputs, 3, 1, scale)
        self.conv = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        start_as_identity(self.conv)
        self.norm = norm(outputs, scale * 0.7)
        self.shortcut = norm(outputs, scale * 0.7)
        self.act = SquareActivation()

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.act(self.norm(self.conv(self.second(x))) + self.shortcut(x))


class Staged(nn.Module):
    """Whitening, stages, mean, linear layer.

    Args:
        classes: number of outputs.
        widths: channels of each stage.
        kernel: of the whitening.
        scale: standard deviation of pre-activations at the start.

    Input [N, 3, H, W], standardised pixels; output [N, classes], logits.
    """

    def __init__(self, classes: int, widths: Sequence[int], kernel: int = 2, scale: float = 0.5) -> None:
        super().__init__()
        self.scale = scale
        self.whitening = Whitening(kernel)
        stages = []
        inputs = self.whitening.conv.out_channels
        for outputs in widths:
            stages.append(Stage(inputs, outputs, scale))
            inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(inputs, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(torch.flatten(self.pool(self.stages(self.whitening(image))), 1))

    def prepare(self, images: Tensor) -> None:
        """Sets the first layer by training images, standardised float32 [N, 3, H, W]."""
        self.whitening.prepare(images, self.scale)
