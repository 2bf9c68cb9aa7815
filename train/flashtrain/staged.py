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
from .fused import normalised
from .layers import ConvAct, norm, start_as_identity, whitening_filters


class Whitening(nn.Module):
    """Principal components of small patches, each with both signs, and the activation. Frozen kernels stay as they are.

    [N, 3, H, W] -> [N, 2 components, (H - k) / s + 1, (W - k) / s + 1].  The biases are trained in any case.
    """

    def __init__(self, kernel: int, stride: int, components: int, frozen: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2 * components, kernel, stride)
        nn.init.zeros_(self.conv.bias)
        self.conv.weight.requires_grad_(not frozen)
        self.act = SquareActivation()

    def forward(self, image: Tensor) -> Tensor:
        return self.act(self.conv(image))

    @torch.no_grad()
    def prepare(self, images: Tensor, scale: float) -> None:
        """Sets the kernels by training images, so that every output has about the standard deviation `scale`."""
        filters = whitening_filters(images, self.conv.kernel_size[0], self.conv.out_channels // 2, stride=self.conv.stride[0], noise=5e-4)
        self.conv.weight.copy_(scale * torch.cat([filters, -filters]))


class Stage(nn.Module):
    """Three layers, the first of stride 2; its output also goes around the other two.

    [N, in, H, W] -> [N, out, H/2, W/2].  Both terms of the sum are normalised, which an identity would not be.
    """

    def __init__(self, inputs: int, outputs: int, scale: float, dirac: bool) -> None:
        super().__init__()
        self.first = ConvAct(inputs, outputs, 4, 2, scale, dirac)
        self.second = ConvAct(outputs, outputs, 3, 1, scale, dirac)
        self.conv = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        if dirac:
            start_as_identity(self.conv)
        self.norm = norm(outputs, scale * 0.7)
        self.shortcut = norm(outputs, scale * 0.7)
        self.act = SquareActivation()

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return normalised(self.act, (self.norm, self.conv(self.second(x))), (self.shortcut, x))


class Staged(nn.Module):
    """Whitening, stages, mean, linear layer.

    Args:
        classes: number of outputs.
        widths: channels of each stage.
        kernel, stride, components: of the whitening; by default as many components as a patch has values.
        whitening: "frozen", or "trained": the same first kernels, which then move like all others.
        dirac: kernels start as the identity.
        scale: standard deviation of pre-activations at the start.

    Input [N, 3, H, W], standardised pixels; output [N, classes], logits.
    """

    def __init__(self, classes: int, widths: Sequence[int], kernel: int = 2, stride: int = 1,
                 components: int | None = None, scale: float = 0.5, whitening: str = "frozen", dirac: bool = True) -> None:
        super().__init__()
        self.scale = scale
        self.whitening = Whitening(kernel, stride, components or 3 * kernel ** 2, whitening == "frozen")
        stages = []
        inputs = self.whitening.conv.out_channels
        for outputs in widths:
            stages.append(Stage(inputs, outputs, scale, dirac))
            inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(inputs, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(torch.flatten(self.pool(self.stages(self.whitening(image))), 1))

    def prepare(self, images: Tensor) -> None:
        """Sets the first layer by training images, standardised float32 [N, 3, H, W]."""
        self.whitening.prepare(images, self.scale)
