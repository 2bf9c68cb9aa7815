"""The ONNX files."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path

from common import CIFAR10, LAYERS, Seeded, images

import torch
from torch import nn

from flashtrain import export, networks, quantise, ranges, zoo
from flashtrain.activation import activations, add_scales
from flashtrain.interpreter import run_onnx
from flashtrain.sine import use_sine


class ExportTest(Seeded):
    def test_file_says_what_the_model_says(self) -> None:
        import onnx

        model = networks.Compact(10, LAYERS)
        pictures = zoo.smooth_noise(8, 32, torch.Generator().manual_seed(1))
        zoo.settle(model, pictures)
        quantise.attach(model, pictures, quantise.Arithmetic())  # the file holds the float network
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "net.onnx"
            export.write_onnx(model, path, "net", CIFAR10)
            with torch.no_grad():
                self.assertLess((run_onnx(path, pictures) - model(pictures)).abs().max().item(), 1e-4)
            stored = {p.key: p.value for p in onnx.load(str(path)).metadata_props}
            self.assertEqual(json.loads(stored["flash.classes"])[3], "cat")
            self.assertEqual(json.loads(stored["flash.input"])["crop"], 32)

    def test_curves_per_channel_are_exported(self) -> None:
        model = networks.Compact(10, LAYERS)
        add_scales(model)
        for layer in activations(model):
            nn.init.uniform_(layer.quadratic, 0.5, 1.5)
            nn.init.uniform_(layer.linear, 0.5, 1.5)
        pictures = zoo.smooth_noise(8, 32, torch.Generator().manual_seed(1))
        zoo.settle(model, pictures)
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "net.onnx"
            export.write_onnx(model, path, "net", CIFAR10)
            with torch.no_grad():
                self.assertLess((run_onnx(path, pictures) - model(pictures)).abs().max().item(), 1e-4)

    def test_a_mean_over_the_map_is_evaluated(self) -> None:
        class Mean(nn.Module):
            def __init__(self, keep: bool) -> None:
                super().__init__()
                self.conv, self.keep = nn.Conv2d(3, 10, 3), keep

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return torch.flatten(self.conv(x).mean((2, 3), keepdim=self.keep), 1)

        pictures = torch.randn(2, 3, 32, 32)
        with tempfile.TemporaryDirectory() as name:
            for keep in (False, True):
                path, model = Path(name) / "net.onnx", Mean(keep).eval()
                export.write_onnx(model, path, "net", CIFAR10)
                with torch.no_grad():
                    self.assertLess((run_onnx(path, pictures) - model(pictures)).abs().max().item(), 1e-5)

    def test_ranges(self) -> None:
        model = networks.Compact(10, LAYERS)
        rows = ranges.measure(model, CIFAR10, images(16).pixels)
        self.assertEqual(len(rows), 3)
        self.assertTrue(all(row["min"] < row["max"] for row in rows))

    def test_ranges_of_squares_that_run_away(self) -> None:
        model = networks.Compact(10, LAYERS)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1e20)
        last = ranges.measure(model, CIFAR10, images(16).pixels)[-1]
        self.assertNotEqual(last["std"], last["std"])  # not a number: no error, and no figure that looks like one


if __name__ == "__main__":
    unittest.main()
