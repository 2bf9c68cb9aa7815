"""Tests of the training package, on made-up images: a minute on one core.

    python3 -m unittest discover -s train/tests

Skipped where PyTorch is not installed.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

try:
    import torch
except ImportError:
    raise unittest.SkipTest("PyTorch is not installed") from None

from torch import nn

from flashtrain import config, data, export, networks, quantise, ranges, training, zoo
from flashtrain.activation import SquareActivation, activations, add_scales, set_alpha
from flashtrain.data import SOURCES, folder, memory
from flashtrain.data.augment import Augmented
from flashtrain.data.loader import Loaded
from flashtrain.distil import Teacher
from flashtrain.recipe import Recipe
from flashtrain.replicas import Replicas

CIFAR10 = SOURCES["cifar10"]
LAYERS = [[8, 4, 2], [12, 4, 2], [12, 3, 1]]


def images(count: int, seed: int = 0) -> data.Images:
    """Images whose mean brightness tells the class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 10, (count,), generator=generator)
    noise = torch.randint(0, 40, (count, 3, 32, 32), generator=generator)
    return data.Images((noise + 20 * labels.view(-1, 1, 1, 1)).to(torch.uint8), labels)


def trainer(run: Path, recipe: Recipe, teacher: nn.Module | None = None, **more) -> training.Trainer:
    torch.manual_seed(recipe.seed)
    training_images, cpu = images(256), torch.device("cpu")
    model = networks.Compact(10, LAYERS)
    if recipe.channel_scale:
        add_scales(model)
    batches = Augmented(training_images, CIFAR10, recipe.batch, cpu, recipe.shift, recipe.cutout)
    loaded = Loaded(batches, images(64, 1), training_images)
    model.prepare(CIFAR10.standardise(training_images.pixels[:64]))
    model.to(memory_format=torch.channels_last)
    taught = Teacher(teacher, model, 2.0, 0.5, 1.0) if teacher else None
    return training.Trainer(model, CIFAR10, loaded, recipe, run, cpu, taught, **more)


class Seeded(unittest.TestCase):
    def setUp(self) -> None:
        torch.manual_seed(1)


def _tail(u: torch.Tensor, tail: float) -> torch.Tensor:
    return torch.where(u.abs() > tail, 2 * tail * u.abs() - tail * tail, u * u) + u


class ActivationTest(Seeded):
    def test_blend_runs_from_relu_to_square(self) -> None:
        u = torch.linspace(-2, 2, 9).view(1, 1, 3, 3)
        layer = SquareActivation()
        for training_mode in (True, False):
            layer.train(training_mode)
            for alpha, expected in ((0.0, 2 * torch.relu(u)), (1.0, u * u + u),
                                    (0.25, 0.25 * (u * u + u) + 1.5 * torch.relu(u))):
                layer.alpha = alpha
                self.assertTrue(torch.allclose(layer(u), expected))

    def test_gradients_of_blend_and_penalty(self) -> None:
        u = torch.randn(8, 3, 4, 4, dtype=torch.double, requires_grad=True)
        layer = SquareActivation().train()
        for alpha in (0.0, 0.5, 1.0):
            layer.alpha = alpha
            self.assertTrue(torch.autograd.gradcheck(layer, u))
        layer.reach, layer.exponent = 1.2, 6
        layer(u)
        found, = torch.autograd.grad(layer.penalty, u)
        expected = torch.log1p((u[::4] / 1.2).pow(6).flatten(1).mean(1)).mean()
        self.assertAlmostEqual(layer.penalty.item(), expected.item(), places=5)
        self.assertTrue(torch.allclose(found, torch.autograd.grad(expected, u)[0], atol=1e-6))

    def test_tail_is_the_tangent_and_only_in_training(self) -> None:
        layer = SquareActivation().train()
        layer.tail = 1.5
        u = torch.tensor([[-4.0, -1.5, -0.5, 0.0, 1.5, 2.5]], dtype=torch.double)
        # Beyond 1.5 the square goes on as 3 |u| - 2.25.
        expected = torch.tensor([[9.75 - 4.0, 0.75, -0.25, 0.0, 3.75, 5.25 + 2.5]], dtype=torch.double)
        self.assertTrue(torch.allclose(layer(u), expected))
        inputs = torch.randn(4, 3, 2, 2, dtype=torch.double) * 2
        for alpha in (0.5, 1.0):
            layer.alpha = alpha
            self.assertTrue(torch.autograd.gradcheck(layer, inputs.clone().requires_grad_()))
        layer.alpha = 1.0
        model = torch.nn.Sequential(torch.nn.BatchNorm2d(3), layer)
        add_scales(model)
        self.assertTrue(torch.allclose(layer(inputs.float()).double(), _tail(inputs, 1.5), atol=1e-5))
        layer.eval()
        self.assertTrue(torch.allclose(layer(inputs.float()).double(), inputs * inputs + inputs, atol=1e-5))

    def test_penalty_of_a_far_image_stays_finite(self) -> None:
        layer = SquareActivation().train()
        layer.reach = 1.6
        u = torch.full((4, 2, 4, 4), 1e3, requires_grad=True)
        layer(u)
        layer.penalty.backward()
        self.assertTrue(torch.isfinite(u.grad).all())
        self.assertLess(u.grad.abs().sum().item(), 1.0)


class RecipeTest(Seeded):
    def test_schedules(self) -> None:
        recipe = Recipe(10, blend_start=0.2, blend_end=0.6, range_ramp=0.5, range_weight=0.4)
        self.assertEqual(recipe.rate_at(0.0), 0.0)
        self.assertAlmostEqual(recipe.rate_at(recipe.warmup), recipe.peak_rate)
        self.assertEqual(recipe.rate_at(1.0), 0.0)
        self.assertEqual(recipe.alphas_at(0.2, 2), [0.0, 0.0])
        self.assertAlmostEqual(recipe.alphas_at(0.4, 1)[0], 0.5)
        self.assertEqual(recipe.alphas_at(0.7, 2), [1.0, 1.0])
        by_layer = dataclasses.replace(recipe, blend_by_layer=True)
        self.assertEqual([round(a, 6) for a in by_layer.alphas_at(0.4, 2)], [1.0, 0.0])
        self.assertEqual(recipe.penalty_at(0.0), (0.0, 4))
        self.assertEqual(recipe.penalty_at(0.5), (0.4, 10))
        self.assertEqual(recipe.twin().alphas_at(1.0, 2), [0.0, 0.0])

    def test_every_configuration_builds_and_names_only_known_settings(self) -> None:
        for path in sorted(Path(__file__).resolve().parents[1].glob("configs/*.toml")):
            with self.subTest(path.name):
                loaded = config.load(path)
                self.assertTrue(activations(loaded.build()))
                self.assertEqual(config.load(path, twin=True).recipe.activation, "relu")

    def test_own_architecture_keeps_its_bounds(self) -> None:
        loaded = config.load(Path(__file__).resolve().parents[1] / "configs" / "compact-cifar10.toml")
        cost = networks.cost(loaded.build(), 32, 32)
        self.assertLessEqual(cost["activation_values"], 100_000)
        self.assertGreater(cost["multiply_adds"], 50_000_000)


class TrainingTest(Seeded):
    RECIPE = Recipe(2, batch=32, peak_rate=0.05, precision="fp32", freeze_norm=0.7, quantise=0.8, average=0.9)

    def test_tail_moves_out_where_statistics_are_frozen(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = trainer(Path(folder), dataclasses.replace(self.RECIPE, linear_tail=1.0, linear_tail_end=5.0), replicas=2)
            for progress, tail in ((0.0, 1.0), (0.69, 1.0), (0.7, 5.0)):
                run._set_phase(progress)
                for model in run.replicas.models:
                    self.assertEqual([a.tail for a in activations(model)], [tail] * 3)

    def test_learns_and_logs(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            recipe = dataclasses.replace(self.RECIPE, epochs=12, quantise=1.0)
            model = trainer(Path(name), recipe).run()
            self.assertGreater(training.accuracy(model, CIFAR10, images(64, 1)), 0.5)
            self.assertEqual(len((Path(name) / "log.csv").read_text().splitlines()), 13)

    def test_goes_on_as_if_never_stopped(self) -> None:
        recipe = dataclasses.replace(self.RECIPE, quantise=1.0)  # its rounding is random
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            whole = trainer(Path(one), recipe).run()
            stopped = trainer(Path(two), recipe)
            stopped.limit = len(stopped.loaded.batches)
            stopped.run()
            resumed = trainer(Path(two), recipe)
            self.assertEqual(resumed.epoch, 1)
            for a, b in zip(whole.state_dict().values(), resumed.run().state_dict().values()):
                self.assertTrue(torch.allclose(a.float(), b.float(), atol=1e-5))

    def test_replicas_share_weights_and_average_gradients(self) -> None:
        model = networks.Compact(10, LAYERS)
        training.freeze_norms(model)  # else each part of the batch has its own statistics
        some = images(16)
        batch = CIFAR10.standardise(some.pixels)

        def loss(network: nn.Module, pixels: torch.Tensor, labels: torch.Tensor) -> tuple:
            value = nn.functional.cross_entropy(network(pixels), labels)
            return value, {"loss": value}

        gradients = []
        for count in (1, 2):
            replicas = Replicas(model, count)
            figures = replicas.backward(batch, some.labels, loss)
            gradients.append([p.grad.clone() for p in model.parameters()])
        self.assertAlmostEqual(figures["loss"].item(), loss(model, batch, some.labels)[0].item(), places=5)
        for one, two in zip(*gradients):
            self.assertTrue(torch.allclose(one, two, atol=1e-5))
        with torch.no_grad():
            model.head.bias.add_(1)
        self.assertTrue(torch.equal(replicas.models[1].head.bias, model.head.bias))

    def test_every_switch(self) -> None:
        for change in ({"activation": "relu"}, {"blend_by_layer": True}, {"channel_scale": True}, {"cutout": 6},
                       {"range_weight": 0.0}, {"clip": 0.0}, {"average": 0.0}, {"precision": "bf16"},
                       {"blend_start": 0.0, "blend_end": 0.0}, {}):
            with self.subTest(change), tempfile.TemporaryDirectory() as name:
                recipe = dataclasses.replace(self.RECIPE, epochs=1, **change)
                torch.manual_seed(1)
                running = trainer(Path(name), recipe, steps=4, replicas=1 if change else 2)
                model = running.model
                running.run()
                self.assertTrue(all(torch.isfinite(p).all() for p in model.parameters()))

    def test_distillation_follows_the_teacher(self) -> None:
        teacher = networks.Compact(10, LAYERS)
        set_alpha(teacher, 0.0)
        with tempfile.TemporaryDirectory() as name:
            running = trainer(Path(name), dataclasses.replace(self.RECIPE, epochs=1, quantise=1.0), teacher)
            running.run()
            batch = CIFAR10.standardise(images(16).pixels)
            running.teacher.forget()
            outputs = running.model.eval()(batch)
            far = running.teacher.loss(batch, outputs, torch.zeros(()))
            running.teacher.forget()
            near = running.teacher.loss(batch, running.teacher.model(batch), torch.zeros(()))
            self.assertGreater(far.item(), near.item())


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

    def test_ranges_come_from_no_more_images_than_memory_holds(self) -> None:
        model, pictures = networks.Compact(10, LAYERS).eval(), torch.randn(5, 3, 32, 32)
        self.assertEqual(len(quantise._affordable(model, pictures)), 5)
        with unittest.mock.patch.object(quantise, "KEPT_VALUES", 40000):  # one image: pixels, results, normalised, activated
            self.assertEqual(len(quantise._affordable(model, pictures)), 2)


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
                self.assertLess((export.run_onnx(path, pictures) - model(pictures)).abs().max().item(), 1e-4)
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
                self.assertLess((export.run_onnx(path, pictures) - model(pictures)).abs().max().item(), 1e-4)

    def test_ranges(self) -> None:
        model = networks.Compact(10, LAYERS)
        rows = ranges.measure(model, CIFAR10, images(16).pixels)
        self.assertEqual(len(rows), 3)
        self.assertTrue(all(row["min"] < row["max"] for row in rows))


class DataTest(Seeded):
    def test_cifar_layouts(self) -> None:
        some = images(4)
        planes = some.pixels.flatten(1)
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            ten = torch.cat([some.labels.to(torch.uint8).view(-1, 1), planes], 1).numpy().tobytes()
            for file in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
                (place / file).write_bytes(ten)
            read = data.read(CIFAR10, place, True)
            self.assertEqual(len(read.labels), 20)
            self.assertTrue(torch.equal(read.pixels[4:8], some.pixels))
            hundred = torch.cat([torch.zeros(4, 1, dtype=torch.uint8), some.labels.to(torch.uint8).view(-1, 1), planes], 1)
            (place / "cifar-100-binary").mkdir()
            (place / "cifar-100-binary" / "train.bin").write_bytes(hundred.numpy().tobytes())
            read = data.read(SOURCES["cifar100"], place, True)
            self.assertTrue(torch.equal(read.labels, some.labels))
            (place / "data_batch_1.bin").write_bytes(ten[:-1])
            with self.assertRaises(ValueError):
                data.read(CIFAR10, place, True)

    def test_missing_set_is_named(self) -> None:
        with tempfile.TemporaryDirectory() as name, self.assertRaisesRegex(SystemExit, "cifar100"):
            data.locate(SOURCES["cifar100"], Path(name))

    def test_folders_of_pictures(self) -> None:
        try:
            from PIL import Image
        except ImportError:
            self.skipTest("PIL is not installed")
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            (place / "wnids.txt").write_text("n2\nn1\n")
            for wnid in ("n1", "n2"):
                (place / "train" / wnid / "images").mkdir(parents=True)
                Image.new("RGB", (80, 70), (10, 200, 30)).save(place / "train" / wnid / "images" / "a.JPEG")
            read = memory.tiny_imagenet(place, True)
            self.assertEqual(read.pixels.shape, (2, 3, 64, 64))
            self.assertEqual([file.parts[-3] for file, _ in memory.tiny_imagenet_files(place, True)], ["n2", "n1"])
            files = [(file, label) for file, label in memory.tiny_imagenet_files(place, True)]
            small = dataclasses.replace(SOURCES["imagenet"], side=32, resize=36)
            batches = folder.FolderBatches(folder.Pictures(files, small, True), 2, torch.device("cpu"), 0)
            pixels, labels = next(iter(batches.epoch(0, torch.Generator())))
            self.assertEqual(pixels.shape, (2, 3, 32, 32))
            self.assertEqual(sorted(labels.tolist()), [0, 1])

    def test_mirroring_alternates(self) -> None:
        some = images(64)
        batches = Augmented(some, CIFAR10, 64, torch.device("cpu"), shift=0)
        everything = CIFAR10.standardise(some.pixels)
        seen = []
        for epoch in (0, 1):
            order = torch.randperm(64, generator=torch.Generator().manual_seed(epoch))
            shown, labels = next(iter(batches.epoch(epoch, torch.Generator().manual_seed(epoch))))
            self.assertTrue(torch.equal(labels, some.labels[order]))
            plain = (shown == everything[order]).flatten(1).all(1)
            mirrored = (shown == everything[order].flip(3)).flatten(1).all(1)
            self.assertTrue((plain ^ mirrored).all())
            form = torch.empty(64, dtype=torch.bool)
            form[order] = plain
            seen.append(form)
        self.assertTrue((seen[0] ^ seen[1]).all())

    def test_held_out_images_are_not_trained_on(self) -> None:
        some = data.Images(torch.arange(100).view(-1, 1, 1, 1), torch.arange(100))
        kept, apart = data.split(some, 10)
        self.assertEqual(len(apart.labels), 10)
        self.assertEqual(sorted(kept.labels.tolist() + apart.labels.tolist()), list(range(100)))


if __name__ == "__main__":
    unittest.main()
