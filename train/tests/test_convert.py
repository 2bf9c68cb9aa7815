"""From a user's ReLU network to a file: ResNet-18's standard code, from random weights, on a tiny set."""

from __future__ import annotations

import collections
import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from common import CIFAR10, PACKAGE, Seeded

import onnx
import torch
from torch import nn

from flashtrain import cli, surgery
from flashtrain.activation import activations, set_alpha
from flashtrain.curves import ConvertedSine, ConvertedSquare, measure
from flashtrain.errors import UserError
from flashtrain.export import write_onnx
from flashtrain.interpreter import run_onnx
from flashtrain.zoo import smooth_noise

EXAMPLE = PACKAGE / "examples" / "resnet18.py"


class Odd(nn.Module):
    """One ReLU called twice, functions, a maximum that is a function."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.act, self.soft, self.head = nn.ReLU(inplace=True), nn.LeakyReLU(0.2), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.max_pool2d(self.act(self.first(x)), 2)
        x = self.soft(x + self.act(self.second(x)))
        return self.head(nn.functional.gelu(x).relu().mean((2, 3)))


class SurgeryTest(Seeded):
    def test_every_call_gets_its_own_curve_and_begins_as_the_original(self) -> None:
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
        pictures = smooth_noise(8, 16, torch.Generator().manual_seed(1))
        for kind, curve in (("square", ConvertedSquare), ("sine", ConvertedSine)):
            made = surgery.replace(model, kind)
            measure(made, pictures)
            self.assertEqual([type(a) for a in activations(made)], [curve] * 2)
            set_alpha(made, 0.0)
            for training in (False, True):
                made.train(training)
                self.assertTrue(torch.allclose(made(pictures), model(pictures), atol=1e-5))
            set_alpha(made, 1.0)
            first = made.train()(pictures)
            self.assertTrue(torch.allclose(first, made.eval()(pictures), atol=1e-5))
            self.assertLess(((first - model(pictures)).norm() / model(pictures).norm()).item(), 1.0)
        self.assertEqual(len(activations(surgery.replace(Odd(), "square"))), 5)

    def test_every_channel_has_its_unit(self) -> None:
        first = nn.Conv2d(3, 4, 1, bias=False)
        with torch.no_grad():
            first.weight.copy_(torch.tensor([1.0, 0.1, 10.0, 0.0]).view(4, 1, 1, 1).expand(4, 3, 1, 1))
        model = nn.Sequential(first, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3), nn.ReLU())
        pictures = smooth_noise(8, 16, torch.Generator().manual_seed(1))
        made = surgery.replace(model, "sine")
        measure(made, pictures)
        maps, vectors = activations(made)
        self.assertEqual((maps.unit.shape, vectors.unit.shape), ((4, 1, 1), (3,)))
        spread = first(pictures).square().mean((0, 2, 3)).sqrt()
        layer = spread.square().mean().sqrt()
        for found, wanted in zip(maps.unit.flatten(), (spread[0], 0.05 * layer, spread[2], 0.05 * layer)):
            self.assertAlmostEqual((0.4 * found / wanted).item(), 1.0, places=4)

    def test_units_and_curves_reach_the_file(self) -> None:
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
        nn.init.uniform_(model[1].weight, 0.1, 3.0)
        pictures = smooth_noise(8, 32, torch.Generator().manual_seed(1))
        for kind, operators in (("square", {"BatchNormalization": 1, "Mul": 3, "Add": 1}), ("sine", {"BatchNormalization": 1, "Mul": 2, "Add": 2, "Sin": 1})):
            with self.subTest(kind), tempfile.TemporaryDirectory() as name:
                made, path = surgery.replace(model, kind), Path(name) / "net.onnx"
                measure(made, pictures)
                with torch.no_grad():
                    before = made.eval()(pictures)
                write_onnx(made, path, "net", CIFAR10)
                self.assertLess((run_onnx(path, pictures) - before).abs().max().item(), 1e-5)
                kinds = collections.Counter(node.op_type for node in onnx.load(str(path)).graph.node)
                self.assertEqual({kind: kinds[kind] for kind in operators}, operators)
                self.assertFalse({"Div", "Reciprocal", "Cast"} & set(kinds))

    def test_poolings(self) -> None:
        model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                              nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten())
        average, strided = surgery.replace(model, pooling="average"), surgery.replace(model, pooling="strided")
        pictures = torch.randn(2, 3, 8, 8)
        self.assertEqual(average(pictures).shape, strided(pictures).shape)
        self.assertEqual([m.stride for m in strided.modules() if isinstance(m, nn.Conv2d)], [(2, 2), (1, 1)])
        self.assertFalse([m for m in average.modules() if isinstance(m, (nn.MaxPool2d, nn.AdaptiveMaxPool2d))])
        self.assertEqual(surgery.replace(Odd(), pooling="strided").first.stride, (2, 2))

    def test_what_cannot_be_replaced_is_said(self) -> None:
        with self.assertRaisesRegex(UserError, "no ReLU"):
            surgery.replace(nn.Sequential(nn.Conv2d(3, 4, 3)))
        with self.assertRaisesRegex(UserError, "ceil_mode"):
            surgery.replace(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)))

        class Branching(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return torch.relu(x) if x.sum() > 0 else x

        with self.assertRaisesRegex(UserError, "cannot be followed"):
            surgery.replace(Branching())


class ConvertTest(Seeded):
    """The whole way, by the command line."""

    @classmethod
    def setUpClass(cls) -> None:
        try:
            from PIL import Image
        except ImportError:
            raise unittest.SkipTest("PIL is not installed") from None
        cls.folder = tempfile.TemporaryDirectory()
        cls.place = Path(cls.folder.name)
        generator = torch.Generator().manual_seed(1)
        for part, count in (("train", 20), ("val", 6)):
            for label, colour in enumerate(((200, 60, 60), (60, 60, 200))):
                folder = cls.place / "set" / part / ("red", "blue")[label]
                folder.mkdir(parents=True)
                for index in range(count):
                    noise = torch.randint(-30, 30, (16, 16, 3), generator=generator)
                    pixels = (noise + torch.tensor(colour)).clamp(0, 255).to(torch.uint8)
                    Image.fromarray(pixels.numpy()).save(folder / f"{index}.png")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def call(self, *words: object) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            cli.main(["convert", *(str(word) for word in words)])
        return printed.getvalue()

    def words(self, name: str, *more: object) -> tuple:
        return (f"{EXAMPLE}:ResNet18", "--arg", "classes=2", "width=4", "--data", self.place / "set", "--side", 16, "--resize", 16,
                "--run", self.place / name, "--out", self.place / f"{name}.onnx", "--held-out", 4, "--epochs", 2, "--threads", 1,
                "--device", "cpu", "--set", "batch=12", "shift=1", *more)

    def test_resnet18_to_a_file(self) -> None:
        for activation, operator in (("square", "Mul"), ("sine", "Sin")):
            with self.subTest(activation):
                torch.manual_seed(2)
                printed = self.call(*self.words(activation, "peak_rate=0.02", "--activation", activation))
                self.assertRegex(printed, r"original: [\d.]+ % of the test images")
                self.assertRegex(printed, r"converted: [\d.]+ % of the test images")
                stored = onnx.load(str(self.place / f"{activation}.onnx"))
                kinds = {node.op_type for node in stored.graph.node}
                self.assertIn(operator, kinds)
                self.assertFalse({"Relu", "MaxPool"} & kinds)
                properties = {p.key: p.value for p in stored.metadata_props}
                self.assertEqual(json.loads(properties["flash.classes"]), ["blue", "red"])
                self.assertEqual(json.loads(properties["flash.input"])["crop"], 16)

    def test_a_file_that_cannot_be_evaluated_is_written_and_reported(self) -> None:
        with mock.patch("flashtrain.convert.file_accuracy", side_effect=NotImplementedError("operator Erf {}")):
            printed = self.call(*self.words("unknown"))
        self.assertIn("the network's and not the file's: flash-train cannot evaluate operator Erf", printed)
        self.assertRegex(printed, r"converted: [\d.]+ % of the test images")
        self.assertTrue((self.place / "unknown.onnx").exists())

    def test_compiles_and_reports_integers_by_the_flash_program(self) -> None:
        flash = self.place / "flash"
        flash.write_text('#!/bin/sh\ncase "$1" in compile) : > "$6";; eval) echo \'{"accuracy": 0.75}\';; esac\n')
        flash.chmod(0o755)
        printed = self.call(*self.words("compiled", "--flash", flash))
        self.assertIn("converted, integers: 75.00 %", printed)
        self.assertTrue((self.place / "compiled.flash").exists())

    def test_mistakes(self) -> None:
        for words, sentence in ((("nothing.py:X", *self.words("x")[1:]), "there is no file nothing.py"),
                                ((f"{EXAMPLE}:ResNet99", *self.words("x")[1:]), "has no ResNet99"),
                                ((*self.words("x", "bach=1"),), "no setting 'bach'"),
                                ((*self.words("x", "batch=999"),), "fewer training images than a batch"),
                                ((*self.words("x"), "--weights", EXAMPLE.parent / "none.pt"), "there is no file")):
            with self.subTest(sentence), self.assertRaisesRegex(SystemExit, sentence):
                self.call(*words)


if __name__ == "__main__":
    unittest.main()
