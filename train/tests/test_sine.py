"""The sine curve: its shape, its training, its file."""

from __future__ import annotations

import math
import tempfile
import unittest
from pathlib import Path

from common import CIFAR10, LAYERS, Seeded, trainer

import onnx
import torch
from torch import nn

from flashtrain import networks, zoo
from flashtrain.activation import activations
from flashtrain.export import write_onnx
from flashtrain.interpreter import run_onnx
from flashtrain.recipe import Recipe
from flashtrain.sine import SineActivation, use_sine


def curve(u: torch.Tensor, period: float) -> torch.Tensor:
    t = 2 * math.pi / period
    return 2 / t ** 2 * (1 - torch.cos(t * u)) + torch.sin(t * u) / t


class SineTest(Seeded):
    def test_is_the_curve_and_has_its_period(self) -> None:
        u = torch.linspace(-9, 9, 37, dtype=torch.double).view(1, 37)
        for period in (5.0, 8.0):
            layer = SineActivation(period)
            for training in (True, False):
                layer.train(training)
                self.assertTrue(torch.allclose(layer(u), curve(u, period), atol=1e-12))
                self.assertTrue(torch.allclose(layer(u + period), layer(u), atol=1e-9))
        small = torch.tensor([[1e-3, -1e-3]], dtype=torch.double)
        self.assertTrue(torch.allclose(SineActivation()(small), small * small + small, atol=1e-8))

    def test_gradients_and_blend(self) -> None:
        u = torch.randn(4, 3, 2, 2, dtype=torch.double, requires_grad=True)
        layer = SineActivation(6.0).train()
        for alpha in (0.0, 0.3, 1.0):
            layer.alpha = alpha
            self.assertTrue(torch.autograd.gradcheck(layer, u))
            expected = alpha * curve(u, 6.0) + (1 - alpha) * 2 * torch.relu(u)
            self.assertTrue(torch.allclose(layer(u), expected))
            self.assertTrue(torch.allclose(layer.eval()(u), expected))
            layer.train()

    def test_replaces_every_square(self) -> None:
        model = zoo.NETWORKS["resnet20"].build(10)
        use_sine(model, 8.0, learnt=True)
        layers = activations(model)
        self.assertEqual(len(layers), 19)
        self.assertTrue(all(isinstance(layer, SineActivation) for layer in layers))
        self.assertEqual([len(layer.log_period) for layer in layers[::6]], [16, 16, 32, 64])

    def test_trains_with_every_part(self) -> None:
        for change in ({}, {"learn_period": True}, {"optimiser": "muon"}, {"lookahead": True, "bias_rate": 64.0},
                       {"mirror": "random", "small_side": 24, "small_until": 0.5}, {"blend_start": 0.0, "blend_end": 0.5},
                       {"freeze_norm": 0.3, "quantise": 0.5}, {"freeze_norm": 0.3, "quantise": 0.5, "learn_period": True}):
            with self.subTest(change), tempfile.TemporaryDirectory() as name:
                recipe = Recipe(1, batch=64, activation="sine", precision="fp32", **{"freeze_norm": 1.0, **change})
                model = trainer(Path(name), recipe).run()
                self.assertTrue(all(torch.isfinite(p).all() for p in model.parameters()))
                if change.get("learn_period"):
                    self.assertFalse(torch.equal(activations(model)[0].log_period, torch.full((8, 1, 1), math.log(8.0))))

    def test_files_hold_one_sine_of_an_affine_input(self) -> None:
        pictures = zoo.smooth_noise(8, 32, torch.Generator().manual_seed(1))
        for learnt in (False, True):
            model = networks.Compact(10, LAYERS)
            use_sine(model, 8.0, learnt)
            if learnt:
                for layer in activations(model):
                    nn.init.uniform_(layer.log_period, 1.5, 2.5)
            zoo.settle(model, pictures)
            with self.subTest(learnt), tempfile.TemporaryDirectory() as name:
                path = Path(name) / "net.onnx"
                write_onnx(model, path, "net", CIFAR10)
                with torch.no_grad():
                    self.assertLess((run_onnx(path, pictures) - model(pictures)).abs().max().item(), 1e-4)
                kinds = [node.op_type for node in onnx.load(str(path)).graph.node]
                self.assertEqual(kinds.count("Sin"), 3)
                self.assertFalse({"Exp", "Sqrt", "Cast", "Pow", "Atan"} & set(kinds), kinds)

if __name__ == "__main__":
    unittest.main()
