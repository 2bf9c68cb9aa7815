"""The training loop."""

from __future__ import annotations

import dataclasses
import tempfile
import unittest
from pathlib import Path

from common import CIFAR10, LAYERS, Seeded, images, trainer

import torch
from torch import nn

from flashtrain import networks, training
from flashtrain.activation import activations, set_alpha
from flashtrain.errors import UserError
from flashtrain.recipe import Recipe
from flashtrain.replicas import Replicas


class TrainingTest(Seeded):
    RECIPE = Recipe(2, batch=32, peak_rate=0.05, precision="fp32", freeze_norm=0.7, quantise=0.8, average=0.9)

    def test_tail_moves_out_where_statistics_are_frozen(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = trainer(Path(folder), dataclasses.replace(self.RECIPE, linear_tail=1.0, linear_tail_end=5.0), replicas=2)
            for progress, tail in ((0.0, 1.0), (0.69, 1.0), (0.7, 5.0)):
                run._set_phase(progress)
                for model in run.replicas.models:
                    self.assertEqual([a.tail for a in activations(model)], [tail] * 3)

    def test_statistics_are_set_anew_before_they_are_frozen(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = trainer(Path(folder), dataclasses.replace(self.RECIPE, settle=True, quantise=1.0))
            norm = run.model.features[0].norm
            run._set_phase(0.69)
            self.assertTrue(norm.training and norm.running_mean.abs().max() == 0)
            run._set_phase(0.7)
            self.assertFalse(norm.training)
            self.assertGreater(norm.running_mean.abs().max().item(), 0)

    def test_statistics_that_were_frozen_stay(self) -> None:
        recipe = dataclasses.replace(self.RECIPE, settle=True, quantise=1.0, freeze_norm=0.5, lookahead=True, average=0.0, peak_rate=0.01)
        with tempfile.TemporaryDirectory() as name:
            run = trainer(Path(name), recipe, steps=1)
            run.progress.at = lambda step: 0.6
            model = run.run()
            norm, slow = run.model.features[0].norm, run.lookahead.slow["features.0.norm.running_mean"]
            self.assertTrue(torch.equal(slow, norm.running_mean))
            self.assertGreater(slow.abs().max().item(), 0)
            again = trainer(Path(name), recipe)
            self.assertTrue(again.frozen)
            again._set_phase(0.6)
            self.assertFalse(again.model.features[0].norm.training)
            for one in (norm, model.features[0].norm):
                self.assertTrue(torch.equal(again.model.features[0].norm.running_mean, one.running_mean))

    def test_small_pictures_come_first(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = trainer(Path(folder), dataclasses.replace(self.RECIPE, small_side=20, small_until=0.5))
            for progress, side in ((0.0, 20), (0.49, 20), (0.5, 32)):
                self.assertEqual(run._sized(torch.zeros(2, 3, 32, 32), progress).shape, (2, 3, side, side))

    def test_the_clock_goes_on_where_it_stopped(self) -> None:
        progress = training.Progress(0.4, 100, 10.0, 5)
        self.assertAlmostEqual(progress.at(5), 0.4, places=3)
        progress.started -= 300
        self.assertAlmostEqual(progress.at(5), 0.7, places=3)
        # Without a clock from there on: it does not fall back, and ends with the steps.
        steps = training.Progress(0.4, 100, None, 5)
        self.assertEqual([steps.at(5), steps.at(100)], [0.4, 1.0])
        self.assertAlmostEqual(steps.at(24), 0.4 + 0.6 * 19 / 95)
        self.assertEqual(training.Progress(0.0, 100, None).at(25), 0.25)

    def test_a_schedule_that_has_ended_is_not_gone_on_with(self) -> None:
        recipe = dataclasses.replace(self.RECIPE, quantise=1.0)
        with tempfile.TemporaryDirectory() as name:
            run = trainer(Path(name), recipe)
            run.progress.at = lambda step: 1.0 if step else 0.0  # as if the clock had run out in the first epoch
            run.run()
            self.assertEqual(run.epoch, 1)
            again = trainer(Path(name), recipe, minutes=5)
            again.run()
            self.assertEqual((again.epoch, again.quantised), (1, False))
            self.assertEqual(len((Path(name) / "log.csv").read_text().splitlines()), 2)

    def test_layers_of_a_blend_are_evaluated_where_they_are(self) -> None:
        recipe = dataclasses.replace(self.RECIPE, epochs=4, blend_by_layer=True, blend_start=0.0, blend_end=1.0, freeze_norm=1.0, quantise=1.0)
        with tempfile.TemporaryDirectory() as name:
            run = trainer(Path(name), recipe, steps=4)
            run.progress.at = lambda step: 0.5
            run.run()
            self.assertEqual([a.alpha for a in activations(run.average.model)], recipe.alphas_at(0.5, 3))
            self.assertEqual(run.alpha, 0.0)

    def test_a_log_forgets_what_is_trained_again_and_keeps_its_columns(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "log.csv"
            for epoch in (1, 2, 3):
                training.log(path, {"epoch": epoch, "loss": 0.5, "norm": 1.0})
            training.forget_after(path, 2)
            training.log(path, {"epoch": 3, "loss": 0.25})
            self.assertEqual(path.read_text().splitlines(), ["epoch,loss,norm", "1,0.5,1.0", "2,0.5,1.0", "3,0.25,"])

    def test_settings_that_cannot_train_are_refused(self) -> None:
        for recipe, more, sentence in ((dataclasses.replace(self.RECIPE, batch=300), {}, "fewer training images than a batch of 300"),
                                       (self.RECIPE, {"minutes": 0.0}, "no time to train in")):
            with tempfile.TemporaryDirectory() as name, self.assertRaisesRegex(UserError, sentence):
                trainer(Path(name), recipe, **more)

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

    def test_a_checkpoint_of_another_network_is_named(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            stopped = trainer(Path(name), dataclasses.replace(self.RECIPE, quantise=1.0))
            stopped.limit = 1
            stopped.run()
            before = (Path(name) / "checkpoint.pt").read_bytes()
            with self.assertRaisesRegex(UserError, "checkpoint.pt is of another network.*new folder: Missing key.*quadratic"):
                trainer(Path(name), dataclasses.replace(self.RECIPE, quantise=1.0, channel_scale=True))
            self.assertEqual((Path(name) / "checkpoint.pt").read_bytes(), before)

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
        parts: list[int] = []
        Replicas(model, 6).backward(batch, some.labels, lambda network, *part: (parts.append(len(part[1])), loss(network, *part))[1])
        self.assertEqual(sorted(parts), [2, 2, 3, 3, 3, 3])  # where equal ones would leave a replica without
        with torch.no_grad():
            model.head.bias.add_(1)
        self.assertTrue(torch.equal(replicas.models[1].head.bias, model.head.bias))

    def test_every_switch(self) -> None:
        for change in ({"activation": "relu"}, {"blend_by_layer": True}, {"channel_scale": True}, {"cutout": 6}, {"cutmix": 1.0},
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


if __name__ == "__main__":
    unittest.main()
