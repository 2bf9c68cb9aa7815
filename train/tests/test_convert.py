"""From a user's ReLU network to a file: ResNet-18's standard code, from random weights, on a tiny set."""

from __future__ import annotations

import collections
import contextlib
import copy
import io
import json
import shutil
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from common import CIFAR10, PACKAGE, Seeded

import onnx
import torch
from torch import nn

from flashtrain import cli, networks, originals, surgery
from flashtrain.activation import activations, set_alpha
from flashtrain.convert import _test_images
from flashtrain.curves import ConvertedSine, ConvertedSquare, measure
from flashtrain.data.folder import folder_source
from flashtrain.errors import UserError
from flashtrain.export import write_onnx
from flashtrain.interpreter import run_onnx
from flashtrain.zoo import smooth_noise

EXAMPLE = PACKAGE / "examples" / "resnet18.py"


NETWORKS = """
from torch import nn

class Pair(nn.Module):
    def forward(self, x):
        return x, x

def pooled(*after):
    return nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), *after)

pair, maps = Pair(), nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU())
wide = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2), nn.ReLU())
odd, grown = pooled(nn.Flatten(), nn.Linear(2 * 7 * 7, 2)), pooled(nn.Flatten())
prelu = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.PReLU(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
"""


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

    def test_functional_poolings_are_refused_as_modules_are(self) -> None:
        functional, plain = nn.functional.max_pool2d, torch.max_pool2d
        for index, pool in enumerate((
                lambda x: functional(x, 2, ceil_mode=True), lambda x: functional(x, 2, 2, 0, 1, True), lambda x: functional(x, 2, dilation=2),
                lambda x: functional(x, 2, 2, 0, (1, 2)), lambda x: functional(x, 2, return_indices=True)[0],
                lambda x: nn.functional.max_pool2d_with_indices(x, 2)[0],
                lambda x: plain(x, 2, 2, 0, 2), lambda x: plain(x, 2, 2, 0, 1, True), lambda x: plain(x, 2, ceil_mode=True))):
            class Pooled(nn.Module):
                def forward(self, x: torch.Tensor) -> torch.Tensor:
                    return pool(torch.relu(x))

            with self.subTest(index), self.assertRaisesRegex(UserError, "ceil_mode, indices or dilation"):
                surgery.replace(Pooled())

    def test_a_prelus_weight_moves_with_the_network_and_is_none_of_its_weights(self) -> None:
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.PReLU(4, 0.3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)).eval()
        pictures = smooth_noise(8, 32, torch.Generator().manual_seed(1))
        for kind in ("square", "sine"):
            with self.subTest(kind), tempfile.TemporaryDirectory() as name:
                made, path = surgery.replace(model, kind), Path(name) / "net.onnx"
                relu = surgery.replace(nn.Sequential(model[0], nn.ReLU(), *model[2:]), kind)
                self.assertEqual(len(activations(made)), 1)
                for part in (lambda m: networks.cost(m, 32, 32), lambda m: list(m.state_dict()), lambda m: [n for n, _ in m.named_parameters()]):
                    self.assertEqual(part(made), part(relu))
                measure(made, pictures)
                moved = copy.deepcopy(made)
                moved.load_state_dict(made.state_dict())
                moved.double()
                set_alpha(moved, 0.0)
                for training in (False, True):
                    self.assertTrue(torch.allclose(moved.train(training)(pictures.double()), model(pictures).double(), atol=1e-5))
                self.assertEqual(copy.deepcopy(made).to("meta").curve1.function.weight.device.type, "meta")
                write_onnx(made, path, "net", CIFAR10)
                written = onnx.load(str(path)).graph
                self.assertFalse([i.name for i in written.initializer if "function" in i.name])
                self.assertNotIn("PRelu", {node.op_type for node in written.node})

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


class OriginalsTest(Seeded):
    """Files of networks and of weights that are none."""

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.place = Path(folder.name)

    def test_a_network_that_cannot_be_made_is_said(self) -> None:
        for file, text, name, sentence in (("raises.py", "1 / 0", "Net", r"raises.py cannot be imported: ZeroDivisionError: division by zero"),
                                           ("ends.py", "raise SystemExit('no')", "Net", r"ends.py cannot be imported: SystemExit: no"),
                                           ("words.py", "a network", "Net", r"words.py cannot be imported: SyntaxError"),
                                           ("net.txt", "a network", "Net", r"net.txt is no Python file"),
                                           ("fails.py", "def net(a):\n    raise KeyError('left')", "net",
                                            r"net\(a=1\) of .*fails.py fails: KeyError: 'left'"),
                                           ("few.py", "def net():\n    pass", "net", r"net\(a=1\) of .*few.py fails: TypeError: .*--arg NAME=VALUE"),
                                           ("number.py", "net = 1", "net", r"net\(a=1\) of .*number.py fails: TypeError"),
                                           ("list.py", "net = dict", "net", r"net of .*list.py makes no PyTorch module")):
            (self.place / file).write_text(text)
            with self.subTest(file), self.assertRaisesRegex(UserError, sentence):
                originals.build(f"{self.place / file}:{name}", a=1)

    def test_weights(self) -> None:
        path, model = self.place / "net.pt", nn.Linear(2, 3)
        path.write_text("weights")
        with self.assertRaisesRegex(UserError, "net.pt is not what torch.save writes"):
            originals.load_weights(model, path)
        for stored, sentence in ((torch.ones(3), "holds a Tensor"), ([model.weight], "holds a list"), ({"weight": [1.0]}, "'weight' is a list"),
                                 ({"model": {"epoch": 3}}, "'epoch' is a int"), ({0: model.weight}, "entry 0"), ({}, "not this network's")):
            torch.save(stored, path)
            with self.subTest(sentence), self.assertRaisesRegex(UserError, sentence):
                originals.load_weights(model, path)
        wanted = nn.Linear(2, 3)
        state = wanted.state_dict()
        for stored in (state, wanted, {"state_dict": state, "epoch": 3}, {"model": state}, {"model": wanted},
                       {f"module.{name}": value for name, value in state.items()}):
            torch.save(stored, path)
            model = nn.Linear(2, 3)
            originals.load_weights(model, path)
            self.assertTrue(torch.equal(model.weight, wanted.weight))


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

    def test_old_weights_without_counters_teach(self) -> None:
        path = self.place / "old.pt"
        model = originals.build(f"{EXAMPLE}:ResNet18", classes=2, width=4)
        model.train()(torch.randn(8, 3, 16, 16))
        torch.save({name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}, path)
        self.assertNotIn("never seen a picture", self.call(*self.words("old", "--weights", path)))
        self.assertIn("never seen a picture", self.call(*self.words("fresh")))

    def test_integers_are_not_measured_without_a_test_part(self) -> None:
        flash, untested = self.place / "flash-without-eval", self.place / "untested"
        flash.write_text('#!/bin/sh\ncase "$1" in compile) : > "$6";; eval) exit 1;; esac\n')
        flash.chmod(0o755)
        shutil.copytree(self.place / "set" / "train", untested)
        printed = self.call(*self.words("alone", "--flash", flash, "--data", untested))
        self.assertRegex(printed, r"converted: [\d.]+ % of the held-out training images")
        self.assertNotIn("integers:", printed)
        self.assertTrue((self.place / "alone.flash").exists())
        large = self.place / "large"
        shutil.copytree(untested, large / "train")
        with mock.patch("flashtrain.data.folder.IN_MEMORY", 0):
            self.assertIsNone(_test_images(folder_source(large, 16, 16, (0, 0, 0), (1, 1, 1)), large))

    def test_a_network_that_does_not_fit_the_pictures_is_said(self) -> None:
        file = self.place / "nets.py"
        file.write_text(NETWORKS)
        for name, more, sentence in (("pair", (), r"pictures \[3, 16, 16\] has to be a tensor of logits \[N, classes\], and is a tuple"),
                                     ("maps", (), r"is a tensor \[2, 2, 16, 16\]"),
                                     ("wide", (), r"the network fails for pictures \[3, 16, 16\]: RuntimeError: "),
                                     ("odd", ("--side", 15, "--pooling", "strided"),
                                      r"the converted network fails: RuntimeError: .*--pooling average"),
                                     ("grown", ("--side", 3, "--pooling", "strided"),
                                      r"the converted network's output is \[2, 8\], the original's \[2, 2\]; --pooling average"),
                                     ("grown", ("--side", 15), "the network has 98 outputs, the set 2 classes: give it a last layer of 2")):
            words = (f"{file}:{name}", *self.words(name, *more)[4:])
            with self.subTest(name, more=more), self.assertRaisesRegex(SystemExit, sentence):
                self.call(*words)
        self.call(f"{file}:odd", *self.words("even", "--side", 15)[4:])

    def test_a_run_with_a_prelu_goes_on(self) -> None:
        file = self.place / "prelu.py"
        file.write_text(NETWORKS)
        words = (f"{file}:prelu", *self.words("prelu")[4:])
        first = self.call(*words)
        again = self.call(*words)
        self.assertIn("going on after epoch 2", again)
        self.assertEqual(first.splitlines()[-3:], again.splitlines()[-3:])

    def test_a_folder_remembers_its_conversion(self) -> None:
        words = self.words("kept", "--mean", 0.5, 0.5, 0.5)
        self.call(*words)
        path = self.place / "kept" / "convert.json"
        kept = json.loads(path.read_text())
        self.assertEqual({name: kept[name] for name in ("mean", "std", "resize", "held_out")},
                         {"mean": "[0.5, 0.5, 0.5]", "std": "None", "resize": "16", "held_out": "4"})
        for more in (("--mean", 0.4, 0.4, 0.4), ("--std", 0.4, 0.4, 0.4), ("--resize", 20), ("--held-out", 5)):
            with self.subTest(more), self.assertRaisesRegex(SystemExit, "holds another conversion"):
                self.call(*words, *more)
        for name in ("mean", "std", "resize", "held_out"):
            del kept[name]
        path.write_text(json.dumps(kept))
        self.assertIn("going on", self.call(*words))
        with self.assertRaisesRegex(SystemExit, "holds another conversion"):
            self.call(*words, "--activation", "sine")

    def test_a_start_that_fails_leaves_the_folder_free(self) -> None:
        path = self.place / "failed" / "convert.json"
        with self.assertRaisesRegex(SystemExit, "fewer training images than a batch"):
            self.call(*self.words("failed", "batch=999"))
        self.assertFalse(path.exists())
        with mock.patch("flashtrain.convert.loader", side_effect=OSError("the disk is gone")), self.assertRaisesRegex(SystemExit, "disk is gone"):
            self.call(*self.words("failed"))
        self.assertFalse(path.exists())
        self.call(*self.words("failed"))
        with mock.patch("flashtrain.convert.write_onnx", side_effect=OSError("the disk is full")), self.assertRaisesRegex(SystemExit, "disk is full"):
            self.call(*self.words("failed"))
        self.assertTrue(path.exists())

    def test_options_are_checked_before_training(self) -> None:
        cifar = ("--data", f"cifar10:{self.place}", "--side", 32)
        with mock.patch("flashtrain.commands.convert.convert", side_effect=UserError("reached")):
            for more, sentence in (((*cifar, "--resize", 40), "as they are: leave --resize out"),
                                   ((*cifar, "--resize", 32), "reached"),
                                   (("--resize", 15), "--resize 15 is less than the 16 pixels"),
                                   (("--data", f"imagenet:{self.place}", "--resize", 15), "--resize 15 is less than the 16 pixels"),
                                   (("--set", "epochs=3"), "say --epochs 3"),
                                   (("--set", "activation=sine"), "say --activation sine"),
                                   (("--arg", "foo"), "--arg takes NAME=VALUE, not 'foo'"),
                                   (("--out", self.place / "nowhere" / "net.onnx"), "there is no folder .*nowhere"),
                                   (("--flash", self.place / "no-flash"), "there is no program .*no-flash"),
                                   (("--flash", "sh"), "reached")):
                with self.subTest(more), self.assertRaisesRegex(SystemExit, sentence):
                    self.call(*self.words("options"), *more)
            for option in ("--held-out", "--epochs", "--threads", "--limit", "--side", "--resize", "--minutes"):
                with self.subTest(option), contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit):
                    self.call(*self.words("options"), option, 0)
                self.assertIn(f"argument {option}: 0", said.getvalue())
        self.assertFalse((self.place / "options" / "convert.json").exists())

    def test_settings_may_be_told_one_by_one(self) -> None:
        with mock.patch("flashtrain.commands.convert.convert", side_effect=UserError("reached")) as reached, self.assertRaisesRegex(SystemExit, "reached"):
            self.call(*self.words("one"), "--set", "clip=2.0", "--arg", "width=8")
        self.assertEqual({name: reached.call_args.kwargs[name] for name in ("batch", "shift", "clip")}, {"batch": 12, "shift": 1, "clip": 2.0})
        self.assertEqual(reached.call_args.args[0].fc.out_features, 2)

    def test_what_a_conversion_does_not_have_is_refused(self) -> None:
        for setting in ("channel_scale=true", "learn_period=true", "distil_features=0.5", "start_from_teacher=true"):
            with self.subTest(setting), self.assertRaisesRegex(SystemExit, f"a converted network has no {setting.split('=')[0]}"):
                self.call(*self.words("lacking", setting))
        with self.assertRaisesRegex(SystemExit, "'foo' is no device"):
            self.call(*self.words("lacking"), "--device", "foo")

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
