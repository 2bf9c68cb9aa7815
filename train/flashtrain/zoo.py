"""Well-known architectures with the activation u*u + u, by name.

`untrained.py` writes them with random weights, to be measured: the shapes, and so
the costs of a private run, are those of a trained network.  `trainable` builds
them for training.

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

from .activation import INPUT_SCALE, SquareActivation
from .errors import UserError
from .fused import normalised

SCALE = 0.03            # standard deviation of every pre-activation
IDENTITY_SCALE = 0.012  # what an identity shortcut adds to it
PROJECTION_SCALE = 0.018


class Norm(nn.BatchNorm2d):
    """Batch normalisation in front of an activation: its output starts with standard deviation `scale`."""

    def __init__(self, channels: int, scale: float = SCALE) -> None:
        super().__init__(channels)
        nn.init.constant_(self.weight, scale)


class Norm1d(nn.BatchNorm1d):
    """The same for the vectors of a linear layer."""

    def __init__(self, features: int) -> None:
        super().__init__(features)
        nn.init.constant_(self.weight, SCALE)


class ConvAct(nn.Sequential):
    """Convolution, batch normalisation, activation. [N, in, H, W] -> [N, out, H/s, W/s]."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1,
                 groups: int = 1) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups,
                                   bias=False),
                         Norm(outputs), SquareActivation())

    def forward(self, x: Tensor) -> Tensor:
        conv, norm, act = self
        return normalised(act, (norm, conv(x)))


def shortcut(inputs: int, outputs: int, stride: int) -> tuple[nn.Module, float]:
    """The identity where the shape allows it, else a 1x1 convolution; normalised.

    Also returns the standard deviation that the other branch has to add for SCALE in all.
    """
    if stride == 1 and inputs == outputs:
        return Norm(outputs, IDENTITY_SCALE), (SCALE ** 2 - IDENTITY_SCALE ** 2) ** 0.5
    return (nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                          Norm(outputs, PROJECTION_SCALE)),
            (SCALE ** 2 - PROJECTION_SCALE ** 2) ** 0.5)


def _beside(shortcut: nn.Module, x: Tensor) -> tuple[nn.BatchNorm2d, Tensor]:
    """The normalisation that a shortcut ends with, and what comes before it."""
    if isinstance(shortcut, nn.BatchNorm2d):
        return shortcut, x
    conv, norm = shortcut
    return norm, conv(x)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut. [N, in, H, W] -> [N, out, H/s, W/s]."""

    expansion = 1

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = ConvAct(inputs, outputs, 3, stride)
        self.shortcut, rest = shortcut(inputs, outputs, stride)
        self.conv = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm = Norm(outputs, rest)
        self.act = SquareActivation()

    def forward(self, x: Tensor) -> Tensor:
        return normalised(self.act, (self.norm, self.conv(self.first(x))), _beside(self.shortcut, x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 beside a shortcut. [N, in, H, W] -> [N, 4 width, H/s, W/s]."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = self.expansion * width
        self.first = ConvAct(inputs, width, 1)
        self.second = ConvAct(width, width, 3, stride)
        self.shortcut, rest = shortcut(inputs, outputs, stride)
        self.conv = nn.Conv2d(width, outputs, 1, bias=False)
        self.norm = Norm(outputs, rest)
        self.act = SquareActivation()

    def forward(self, x: Tensor) -> Tensor:
        return normalised(self.act, (self.norm, self.conv(self.second(self.first(x)))), _beside(self.shortcut, x))


class Classifier(nn.Module):
    """Feature maps, their mean, a linear layer. Input [N, 3, H, W]; output [N, classes], logits."""

    def __init__(self, features: nn.Module, channels: int, classes: int) -> None:
        super().__init__()
        self.features = features
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(torch.flatten(self.pool(self.features(image)), 1))


def residual(classes: int, block: type, blocks: Sequence[int], widths: Sequence[int],
             stem: Sequence[nn.Module]) -> nn.Module:
    """A stem, whose channels are those of the first stage, and stages of residual blocks.

    Every stage but the first halves the size.
    """
    layers = list(stem)
    inputs = widths[0]
    for stage, (count, width) in enumerate(zip(blocks, widths)):
        for index in range(count):
            layers.append(block(inputs, width, 2 if stage and index == 0 else 1))
            inputs = block.expansion * width
    return Classifier(nn.Sequential(*layers), inputs, classes)


def large_stem(channels: int) -> list[nn.Module]:
    """7x7 with stride 2, then pooling with stride 2: the mean where the textbook has the maximum."""
    return [ConvAct(3, channels, 7, 2), nn.AvgPool2d(3, 2, 1)]


def vgg(classes: int, side: int) -> nn.Module:
    """VGG-16 with batch normalisation; pooling by means. Its two hidden linear layers stay."""
    layers: list[nn.Module] = []
    inputs = 3
    for stage, (count, outputs) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))):
        for _ in range(count):
            layers.append(ConvAct(inputs, outputs))
            inputs = outputs
        layers.append(nn.AvgPool2d(2, 2))
    hidden = 4096 if side == 224 else 512
    layers.append(nn.Flatten())
    inputs = 512 * (side // 32) ** 2
    for _ in range(2):
        layers += [nn.Linear(inputs, hidden, bias=False), Norm1d(hidden), SquareActivation(), nn.Dropout()]
        inputs = hidden
    layers.append(nn.Linear(inputs, classes))
    return nn.Sequential(*layers)


def mobile_net(classes: int, side: int) -> nn.Module:
    """MobileNetV1: depthwise and pointwise convolutions in turn."""
    small = side < 64
    layers: list[nn.Module] = [ConvAct(3, 32, 3, 1 if small else 2)]
    inputs = 32
    for outputs, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1),
                            (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)):
        layers += [ConvAct(inputs, inputs, 3, stride, groups=inputs), ConvAct(inputs, outputs, 1)]
        inputs = outputs
    return Classifier(nn.Sequential(*layers), inputs, classes)


class InvertedResidual(nn.Module):
    """Expand, depthwise, and a projection without activation, beside the identity where it fits."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        layers: list[nn.Module] = [ConvAct(inputs, hidden, 1)] if expand != 1 else []
        layers += [ConvAct(hidden, hidden, 3, stride, groups=hidden),
                   nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.layers = nn.Sequential(*layers)
        self.identity = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.identity else self.layers(x)


def mobile_net_v2(classes: int, side: int) -> nn.Module:
    """MobileNetV2. Its bottlenecks are linear: the compiler folds each into the expansions that read it."""
    small = side < 64
    layers: list[nn.Module] = [ConvAct(3, 32, 3, 1 if small else 2)]
    inputs = 32
    for expand, outputs, count, stride in ((1, 16, 1, 1), (6, 24, 2, 1 if small else 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                           (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for index in range(count):
            layers.append(InvertedResidual(inputs, outputs, stride if index == 0 else 1, expand))
            inputs = outputs
    layers.append(ConvAct(inputs, 1280, 1))
    return Classifier(nn.Sequential(*layers), 1280, classes)


class Fire(nn.Module):
    """A 1x1 layer that narrows, then 1x1 and 3x3 layers side by side, concatenated."""

    def __init__(self, inputs: int, narrow: int, each: int) -> None:
        super().__init__()
        self.squeeze = ConvAct(inputs, narrow, 1)
        self.left = ConvAct(narrow, each, 1)
        self.right = ConvAct(narrow, each, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x)
        return torch.cat([self.left(x), self.right(x)], 1)


class SqueezeNet(nn.Module):
    """SqueezeNet 1.1, with batch normalisation and pooling by means."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, 2, bias=False), Norm(64), SquareActivation(), nn.AvgPool2d(3, 2),
            Fire(64, 16, 64), Fire(128, 16, 64), nn.AvgPool2d(3, 2),
            Fire(128, 32, 128), Fire(256, 32, 128), nn.AvgPool2d(3, 2),
            Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256))
        self.head = nn.Sequential(nn.Dropout(), ConvAct(512, classes, 1), nn.AdaptiveAvgPool2d(1))

    def forward(self, image: Tensor) -> Tensor:
        return torch.flatten(self.head(self.features(image)), 1)


class DenseLayer(nn.Module):
    """Normalise and activate all features so far, 1x1, 3x3; the result is appended to them."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm, self.act = Norm(inputs), SquareActivation()
        self.narrow = ConvAct(inputs, 4 * growth, 1)
        self.conv = nn.Conv2d(4 * growth, growth, 3, 1, 1, bias=False)

    def forward(self, features: list[Tensor]) -> Tensor:
        return self.conv(self.narrow(self.act(self.norm(torch.cat(features, 1)))))


class DenseBlock(nn.Module):
    """Layers that each read the outputs of all before them. [N, in, H, W] -> [N, in + layers growth, H, W]."""

    def __init__(self, inputs: int, layers: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DenseLayer(inputs + i * growth, growth) for i in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.layers:
            features.append(layer(features))
        return torch.cat(features, 1)


def dense_net(classes: int, blocks: Sequence[int] = (6, 12, 24, 16), growth: int = 32) -> nn.Module:
    """DenseNet-121 by default."""
    layers: list[nn.Module] = large_stem(2 * growth)
    channels = 2 * growth
    for block, count in enumerate(blocks):
        layers.append(DenseBlock(channels, count, growth))
        channels += count * growth
        layers += [Norm(channels), SquareActivation()]
        if block + 1 < len(blocks):
            layers += [nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2, 2)]
            channels //= 2
    return Classifier(nn.Sequential(*layers), channels, classes)


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
                 lambda classes: residual(classes, BasicBlock, (count,) * 3, (16, 32, 64), [ConvAct(3, 16)]))


_WIDTHS = (64, 128, 256, 512)

NETWORKS: dict[str, Entry] = {
    "resnet20": _cifar_residual(20),
    "resnet32": _cifar_residual(32),
    "resnet56": _cifar_residual(56),
    "resnet18-32": Entry("ResNet-18 with a 3x3 stem", 32, 100,
                         lambda classes: residual(classes, BasicBlock, (2,) * 4, _WIDTHS, [ConvAct(3, 64)])),
    "resnet18-64": Entry("ResNet-18 with a 3x3 stem", 64, 200,
                         lambda classes: residual(classes, BasicBlock, (2,) * 4, _WIDTHS, [ConvAct(3, 64)])),
    "resnet18-64s2": Entry("ResNet-18 with a 3x3 stem of stride 2", 64, 200,
                           lambda classes: residual(classes, BasicBlock, (2,) * 4, _WIDTHS, [ConvAct(3, 64, 3, 2)])),
    "resnet18": Entry("ResNet-18 (He et al. 2015)", 224, 1000,
                      lambda classes: residual(classes, BasicBlock, (2,) * 4, _WIDTHS, large_stem(64))),
    "resnet50": Entry("ResNet-50 (He et al. 2015), stride in the 3x3 layers", 224, 1000,
                      lambda classes: residual(classes, Bottleneck, (3, 4, 6, 3), _WIDTHS, large_stem(64))),
    "vgg16-32": Entry("VGG-16, hidden linear layers of 512", 32, 100, lambda classes: vgg(classes, 32)),
    "vgg16-64": Entry("VGG-16, hidden linear layers of 512", 64, 200, lambda classes: vgg(classes, 64)),
    "vgg16": Entry("VGG-16 (Simonyan, Zisserman 2014)", 224, 1000, lambda classes: vgg(classes, 224)),
    "mobilenet-32": Entry("MobileNetV1, first stride 1", 32, 100, lambda classes: mobile_net(classes, 32)),
    "mobilenet": Entry("MobileNetV1 (Howard et al. 2017)", 224, 1000, lambda classes: mobile_net(classes, 224)),
    "mobilenetv2-32": Entry("MobileNetV2, first two strides 1", 32, 100, lambda classes: mobile_net_v2(classes, 32)),
    "mobilenetv2": Entry("MobileNetV2 (Sandler et al. 2018)", 224, 1000, lambda classes: mobile_net_v2(classes, 224)),
    "squeezenet": Entry("SqueezeNet 1.1 (Iandola et al. 2016)", 224, 1000, SqueezeNet),
    "densenet121": Entry("DenseNet-121 (Huang et al. 2016)", 224, 1000, dense_net),
}


def trainable(name: str, classes: int, scale: float = INPUT_SCALE, identity: float | None = None) -> nn.Module:
    """The network of that name, with pre-activations that start at the standard deviation `scale`.

    `identity`: the part of it that identity shortcuts add in basic blocks, 0..1; the other branch starts at what is missing in `scale`.
    """
    if identity is not None and not 0 <= identity <= 1:
        raise UserError(f"identity = {identity} of {name}: it is a part of a standard deviation, 0 to 1")
    model = NETWORKS[name].build(classes)
    for module in model.modules():
        if isinstance(module, (Norm, Norm1d)):
            nn.init.constant_(module.weight, module.weight[0].item() * scale / SCALE)
    for block in model.modules():
        if identity is not None and isinstance(block, BasicBlock) and isinstance(block.shortcut, Norm):
            nn.init.constant_(block.shortcut.weight, identity * scale)
            nn.init.constant_(block.norm.weight, (1 - identity ** 2) ** 0.5 * scale)
    return model


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
    norms = [m for m in model.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    momenta = [m.momentum for m in norms]
    for layer in norms:
        layer.momentum = 1.0  # the statistics of this one batch
    model.train()
    model(pictures)
    model.eval()
    for layer, momentum in zip(norms, momenta):
        layer.momentum = momentum
