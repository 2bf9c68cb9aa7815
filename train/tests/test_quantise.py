"""Quantisation-aware training."""

from __future__ import annotations

import math
import unittest
import unittest.mock

from common import LAYERS, Seeded

import torch
from torch import nn

from flashtrain import networks, quantise, zoo
from flashtrain.activation import activations
from flashtrain.curves import ConvertedSine
from flashtrain.errors import UserError
from flashtrain.sine import use_sine


class QuantisationTest(Seeded):
    def settled(self, model: nn.Module, side: int = 32) -> torch.Tensor:
        pictures = zoo.smooth_noise(32, side, torch.Generator().manual_seed(1))
        zoo.settle(model, pictures)
        return pictures

    def test_close_to_float_and_closer_with_more_bits(self) -> None:
        model = networks.Compact(10, LAYERS)
        pictures = self.settled(model)
        with torch.no_grad():
            expected = model(pictures)
            errors = []
            for share_bits, plain_bits in ((6, 22), (8, 24), (9, 27)):
                quantise.attach(model, pictures, quantise.Arithmetic(share_bits, plain_bits))
                errors.append(((model(pictures) - expected).norm() / expected.norm()).item())
                quantise.detach(model)
            self.assertTrue(torch.equal(model(pictures), expected))
        self.assertGreater(errors[0], errors[1])
        self.assertGreater(errors[1], errors[2])
        self.assertLess(errors[1], 0.1)

    def test_kernels_are_int8_multiples(self) -> None:
        model = networks.Compact(10, LAYERS)
        quantise.attach(model, self.settled(model), quantise.Arithmetic())
        layer = model.features[1].conv
        self.assertIsInstance(layer, quantise.QuantisedConv2d)
        self.assertIs(layer.term.norm, model.features[1].norm)
        kernel, _ = quantise._rounded(layer, layer.term)
        norm, term = layer.term.norm, layer.term
        lift = (norm.weight / (norm.running_var + norm.eps).sqrt() / term.unit).double().view(-1, 1, 1, 1) \
            * term.source_scale.double().view(1, -1, 1, 1)
        units = layer.weight.double() * lift
        multiplier = max(1, math.ceil(units.abs().max().item() / 127))
        integers = (kernel.double() * lift / multiplier)
        self.assertLess((integers - integers.round()).abs().max().item(), 1e-3)
        self.assertLessEqual(integers.abs().max().item(), 127.001)
        self.assertLess((integers - units / multiplier).abs().max().item(), 0.501)

    def test_rounding_is_unbiased_in_training(self) -> None:
        layer = quantise.PreActivation(torch.tensor([0.5])).train()
        u = torch.full((1, 1, 200, 200), 0.6)
        rounded = layer(u)
        self.assertEqual(sorted(set(rounded.flatten().tolist())), [0.5, 1.0])
        self.assertAlmostEqual(rounded.mean().item(), 0.6, places=2)

    def test_knows_the_convolutions_of_residual_and_depthwise_networks(self) -> None:
        for name in ("resnet20", "mobilenet-32", "vgg16-32"):
            with self.subTest(name):
                model = zoo.NETWORKS[name].build(10)
                pictures = self.settled(model)
                with torch.no_grad():
                    expected = model(pictures)
                    quantise.attach(model, pictures, quantise.Arithmetic(9, 27))
                    error = (model(pictures) - expected).norm() / expected.norm()
                plain = [m for m in model.modules() if type(m) in (nn.Conv2d, nn.Linear)]
                self.assertFalse(plain)
                self.assertLess(error.item(), 0.2)

    def test_sines_are_closer_with_more_bits(self) -> None:
        for learnt in (False, True):
            with self.subTest(learnt=learnt):
                model = networks.Compact(10, LAYERS)
                use_sine(model, 8.0, learnt)
                pictures = self.settled(model)
                with torch.no_grad():
                    expected = model(pictures)
                    errors = []
                    for share_bits, plain_bits in ((5, 18), (7, 21), (10, 26)):
                        quantise.attach(model, pictures, quantise.Arithmetic(share_bits, plain_bits))
                        errors.append(((model(pictures) - expected).norm() / expected.norm()).item())
                        quantise.detach(model)
                    self.assertTrue(torch.equal(model(pictures), expected))
                self.assertGreater(errors[0], 2 * errors[1])
                self.assertGreater(errors[1], 2 * errors[2])
                self.assertLess(errors[2], 0.05)

    def test_units_of_a_sine_are_shares_of_its_period(self) -> None:
        model = networks.Compact(10, LAYERS)
        use_sine(model)
        quantise.attach(model, self.settled(model), quantise.Arithmetic(8, 24))
        first, second = activations(model)[0], model.features[1]
        self.assertEqual(set(first.quantiser.delta.tolist()), {8.0 / 256})
        self.assertTrue(torch.allclose(second.conv.term.unit, torch.tensor(8.0 / 2 ** 24)))
        # The largest S with which the weights that read the layer still fill their int8.
        factor = first.factors.factor
        self.assertIn(factor, quantise.AMPLITUDES)
        largest = (second.conv.weight * quantise._lift(second.conv, second.conv.term)).abs().max().item()
        self.assertTrue(127 <= largest < 2.1 * 127, largest)

    def test_factors_of_a_sine_err_in_training_only(self) -> None:
        y = torch.zeros(1, 2, 300, 300)
        layer = quantise.RoundedFactors(torch.tensor([3.0, 6.0]), 16)
        self.assertTrue(torch.equal(layer.eval()(y), y))
        error = layer.train()(y)
        self.assertAlmostEqual(error[0, 0].std().item(), 3 / (math.sqrt(6) * 16), places=3)
        self.assertAlmostEqual(error[0, 1].std().item(), 6 / (math.sqrt(6) * 16), places=3)

    def test_learnt_periods_stay_once_they_are_units(self) -> None:
        model = networks.Compact(10, LAYERS)
        use_sine(model, 8.0, learnt=True)
        pictures = self.settled(model)
        quantise.attach(model, pictures, quantise.Arithmetic())
        model.train()
        model(pictures).sum().backward()
        self.assertTrue(all(layer.log_period.grad is None for layer in activations(model)))
        self.assertIsNotNone(model.features[0].conv.weight.grad)

    def test_converted_networks_are_refused(self) -> None:
        model = nn.Sequential(nn.Conv2d(3, 4, 3), ConvertedSine(torch.relu))
        with self.assertRaises(UserError):
            quantise.attach(model, torch.randn(2, 3, 8, 8), quantise.Arithmetic())

    def test_ranges_come_from_no_more_images_than_memory_holds(self) -> None:
        model, pictures = networks.Compact(10, LAYERS).eval(), torch.randn(5, 3, 32, 32)
        self.assertEqual(len(quantise._affordable(model, pictures)), 5)
        with unittest.mock.patch.object(quantise, "KEPT_VALUES", 40000):  # one image: pixels, results, normalised, activated
            self.assertEqual(len(quantise._affordable(model, pictures)), 2)


if __name__ == "__main__":
    unittest.main()
