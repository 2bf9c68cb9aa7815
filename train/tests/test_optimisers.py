"""Muon, lookahead, and the groups of parameters."""

from __future__ import annotations

import unittest

from common import LAYERS, Seeded

import torch
from torch import nn

from flashtrain import networks
from flashtrain.optimisers import Lookahead, Muon, Optimisers, orthogonal
from flashtrain.recipe import Recipe
from flashtrain.replicas import Replicas


class OptimisersTest(Seeded):
    def test_directions_move_equally_far(self) -> None:
        for shape in ((8, 40), (40, 8)):
            values = torch.linalg.svdvals(orthogonal(torch.randn(shape), steps=5))
            self.assertGreater(values.min().item(), 0.5)
            self.assertLess(values.max().item(), 1.4)

    def test_muon_follows_the_gradient_and_keeps_the_norm(self) -> None:
        kernel = nn.Parameter(torch.randn(6, 4, 3, 3))
        muon = Muon([kernel], lr=0.1)
        kernel.grad = torch.randn_like(kernel)
        before = kernel.detach() * (6 ** 0.5 / kernel.norm())
        muon.step()
        moved = kernel.detach() - before
        self.assertLess((moved * kernel.grad).sum().item(), 0)
        self.assertLess((moved.norm() - 0.1 * 6 ** 0.5).abs().item(), 0.12)

    def test_threads_move_kernels_alike(self) -> None:
        for count in (1, 2):
            torch.manual_seed(2)
            model = networks.Compact(10, LAYERS)
            optimisers = Optimisers(model, Recipe(1, optimiser="muon"))
            optimisers.set_rate(0.1)
            replicas = Replicas(model, count)
            for _ in range(2):
                for parameter in model.parameters():
                    parameter.grad = torch.randn_like(parameter)
                optimisers.step(replicas.map)
            if count == 1:
                alone = model.state_dict()
        for name, value in model.state_dict().items():
            self.assertTrue(torch.equal(value, alone[name]), name)

    def test_every_parameter_moves_but_the_frozen(self) -> None:
        for kind in ("sgd", "muon"):
            model = networks.build({"kind": "staged", "widths": [8, 8, 8]}, 10)
            before = {name: value.detach().clone() for name, value in model.named_parameters()}
            optimisers = Optimisers(model, Recipe(1, optimiser=kind))
            optimisers.set_rate(0.1)
            nn.functional.cross_entropy(model(torch.randn(8, 3, 32, 32)), torch.arange(8)).backward()
            optimisers.step()
            still = {name for name, value in model.named_parameters() if torch.equal(value, before[name])}
            self.assertEqual(still, {"whitening.conv.weight"})

    def test_biases_are_faster(self) -> None:
        model = networks.Compact(10, LAYERS)
        optimisers = Optimisers(model, Recipe(1, bias_rate=64.0))
        optimisers.set_rate(1.0)
        rates = {id(p): g["lr"] for g in optimisers.each[0].param_groups for p in g["params"]}
        norm = model.features[0].norm
        self.assertAlmostEqual(rates[id(norm.bias)] / rates[id(norm.weight)], 64.0)

    def test_lookahead_takes_the_weights_back(self) -> None:
        layer = nn.Linear(1, 1)
        nn.init.zeros_(layer.weight)
        ahead = Lookahead(layer)
        for step in range(4):
            nn.init.ones_(layer.weight)
            ahead.update(step, 0.9)
        self.assertEqual(layer.weight.item(), 1.0)
        ahead.update(4, 0.9)
        keep = 0.95 ** 5 * 0.9 ** 3
        self.assertAlmostEqual(layer.weight.item(), 1 - keep, places=5)

    def test_state_goes_through_a_checkpoint(self) -> None:
        model = networks.Compact(10, LAYERS)
        first = Optimisers(model, Recipe(1, optimiser="muon"))
        model(torch.randn(2, 3, 32, 32)).sum().backward()
        first.step()
        second = Optimisers(model, Recipe(1, optimiser="muon"))
        second.load_state_dict(first.state_dict())
        kernel = model.features[0].conv.weight
        self.assertTrue(torch.equal(first.each[1].state[kernel]["momentum_buffer"], second.each[1].state[kernel]["momentum_buffer"]))


class StagedTest(Seeded):
    def test_whitening_makes_outputs_alike_and_stays(self) -> None:
        model = networks.build({"kind": "staged", "widths": [8, 8, 8], "scale": 0.5}, 10)
        pictures = torch.nn.functional.avg_pool2d(torch.randn(64, 3, 34, 34), 3, 1)
        model.prepare(pictures)
        self.assertFalse(model.whitening.conv.weight.requires_grad)
        spread = model.whitening.conv(pictures).std((0, 2, 3))
        self.assertEqual(len(spread), 24)
        self.assertTrue(((spread > 0.3) & (spread < 0.6)).all(), spread)

    def test_other_beginnings(self) -> None:
        model = networks.build({"kind": "staged", "widths": [8, 8], "kernel": 4, "stride": 2, "components": 5,
                                "whitening": "trained", "dirac": False}, 7)
        self.assertTrue(model.whitening.conv.weight.requires_grad)
        self.assertEqual(model(torch.randn(2, 3, 64, 64)).shape, (2, 7))


class RatesTest(Seeded):
    def test_what_goes_on_has_its_own_rates(self) -> None:
        model = networks.Compact(10, LAYERS)
        before = Optimisers(model, Recipe(1, optimiser="muon", muon_rate=0.1, momentum=0.9, weight_decay=5e-4))
        after = Optimisers(model, Recipe(1, optimiser="muon", muon_rate=0.03, peak_rate=0.05, momentum=0.8, weight_decay=0.0, bias_rate=4.0))
        expected = [{k: v for k, v in group.items() if k != "params"} for each in after.each for group in each.param_groups]
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        before.step()
        after.load_state_dict(before.state_dict())
        self.assertEqual([{k: v for k, v in group.items() if k != "params"} for each in after.each for group in each.param_groups], expected)
        kernel = after.each[1].param_groups[0]["params"][0]
        self.assertTrue(torch.equal(after.each[1].state[kernel]["momentum_buffer"], torch.ones_like(kernel)))


if __name__ == "__main__":
    unittest.main()
