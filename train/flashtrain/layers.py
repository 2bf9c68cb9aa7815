"""What the own architectures are made of, and how their layers start."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .activation import INPUT_SCALE, SquareActivation
from .fused import normalised


def norm(channels: int, scale: float = INPUT_SCALE) -> nn.BatchNorm2d:
    """Batch normalisation whose output starts with standard deviation `scale`."""
    layer = nn.BatchNorm2d(channels)
    nn.init.constant_(layer.weight, scale)
    return layer


class ConvAct(nn.Module):
    """Convolution, batch normalisation, activation. [N, in, H, W] -> [N, out, H/s, W/s].

    With `dirac` the first channels start as the identity (stride 1) or as the mean of the
    central pixels (stride 2): the signal passes before the layer has learnt.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1,
                 scale: float = INPUT_SCALE, dirac: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False)
        self.norm = norm(outputs, scale)
        self.act = SquareActivation()
        if dirac:
            start_as_identity(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        return normalised(self.act, (self.norm, self.conv(x)))


@torch.no_grad()
def start_as_identity(conv: nn.Conv2d) -> None:
    """Channel i of the first min(in, out) outputs passes input channel i (averaged if strided)."""
    size = conv.kernel_size[0]
    middle = slice((size - 1) // 2, size // 2 + 1)  # one pixel, or two of an even kernel
    count = (size // 2 + 1 - (size - 1) // 2) ** 2
    for i in range(min(conv.in_channels, conv.out_channels)):
        conv.weight[i].zero_()
        conv.weight[i, i, middle, middle] = 1 / count


@torch.no_grad()
def whitening_filters(images: Tensor, size: int, most: int, stride: int, noise: float) -> Tensor:
    """The strongest principal components of the patches of `images`, float32 [N, 3, H, W]: [count, 3, size, size].

    At most `most` of them, each scaled to variance 1; weak ones, mostly noise, are damped by `noise`.
    """
    patches = images.unfold(2, size, stride).unfold(3, size, stride)  # [N, 3, h, w, k, k]
    patches = patches.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3 * size * size)
    covariance = patches.T @ patches / len(patches)
    values, vectors = torch.linalg.eigh(covariance.double())
    count = min(most, len(values))
    order = torch.arange(len(values) - 1, len(values) - 1 - count, -1)
    return (vectors[:, order] / (values[order] + noise).sqrt()).T.float().view(count, 3, size, size)


@torch.no_grad()
def start_as_whitening(conv: nn.Conv2d, images: Tensor) -> None:
    """Sets a first convolution to whiten the patches of `images`, float32 [N, 3, H, W].

    Its outputs start as the strongest principal components of a patch, each
    twice with both signs: u^2 + u and u^2 - u together give the next layer the
    component itself and its square.
    """
    filters = whitening_filters(images, conv.kernel_size[0], conv.out_channels // 2, stride=2, noise=1e-2)
    conv.weight[:len(filters)] = filters
    conv.weight[len(filters):2 * len(filters)] = -filters
