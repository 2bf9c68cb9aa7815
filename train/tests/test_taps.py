"""Gradients tap by tap are those of the convolution."""

from __future__ import annotations

import unittest

from common import LAYERS, Seeded

import torch
from torch import Tensor, nn

from flashtrain import networks
from flashtrain.taps import TapConv2d, use_taps

# in, out, kernel, stride, padding, side: outputs of 3 pixels have both gradients so, those of 5 and 7 the kernel's only.
SHAPES = ((6, 10, 3, 1, 1, 3), (6, 10, 4, 2, 1, 7), (6, 10, 3, 1, 1, 5), (10, 6, 4, 2, 1, 15), (6, 10, 1, 2, 0, 6), (6, 10, 3, 1, 0, 4))


def gradients(layer: nn.Conv2d, images: Tensor, autocast: bool) -> tuple[Tensor, Tensor, Tensor]:
    images = images.clone().requires_grad_(True)
    layer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        output = layer(images)
    assert (type(output.grad_fn).__name__ == "_TapsBackward") == (autocast and type(layer) is TapConv2d)
    output.float().sin().sum().backward()
    return output.detach().float(), images.grad, layer.weight.grad.clone()


class TapsTest(Seeded):
    def test_equal_those_of_the_convolution(self) -> None:
        for inputs, outputs, kernel, stride, padding, side in SHAPES:
            with self.subTest(kernel=kernel, stride=stride, side=side):
                layer = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False).to(memory_format=torch.channels_last)
                pictures = torch.randn(20, inputs, side, side).contiguous(memory_format=torch.channels_last)
                exact = gradients(layer, pictures, False)
                layer.__class__ = TapConv2d
                for value, expected in zip(gradients(layer, pictures, True), exact):
                    self.assertEqual(value.shape, expected.shape)
                    self.assertLess(((value - expected).norm() / expected.norm()).item(), 0.01)  # bfloat16 has 8 bits

    def test_outside_bfloat16_training_nothing_changes(self) -> None:
        layer, pictures = nn.Conv2d(6, 10, 3, 1, 1, bias=False), torch.randn(4, 6, 3, 3)
        exact = gradients(layer, pictures, False)
        layer.__class__ = TapConv2d
        for value, expected in zip(gradients(layer, pictures, False), exact):
            self.assertTrue(torch.equal(value, expected))

    def test_weights_and_names_stay(self) -> None:
        model = networks.Compact(10, LAYERS)
        before = dict(model.state_dict())
        use_taps(model)
        self.assertTrue(any(isinstance(module, TapConv2d) for module in model.modules()))
        self.assertEqual(list(before), list(model.state_dict()))
        for kind in (nn.Conv2d(4, 8, 3, groups=2, bias=False), nn.Conv2d(4, 8, 3), nn.Conv2d(4, 8, 3, dilation=2, bias=False),
                     nn.Conv2d(4, 8, 3, padding="same", bias=False), nn.Conv2d(4, 8, 3, padding=1, padding_mode="reflect", bias=False)):
            use_taps(kind)
            self.assertIs(type(kind), nn.Conv2d)


if __name__ == "__main__":
    unittest.main()
