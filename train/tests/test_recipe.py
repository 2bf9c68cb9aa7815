"""Settings, schedules, configurations."""

from __future__ import annotations

import dataclasses
import unittest
from pathlib import Path

from common import PACKAGE, Seeded

from flashtrain import config, networks, zoo
from flashtrain.activation import activations
from flashtrain.errors import UserError
from flashtrain.recipe import Recipe


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
        for path in sorted(PACKAGE.glob("configs/*.toml")):
            with self.subTest(path.name):
                loaded = config.load(path)
                self.assertTrue(activations(loaded.build()))
                self.assertEqual(config.load(path, twin=True).recipe.activation, "relu")

    def test_own_architecture_keeps_its_bounds(self) -> None:
        loaded = config.load(config.find(Path("compact-cifar10-gpu")))
        cost = networks.cost(loaded.build(), 32, 32)
        self.assertLessEqual(cost["activation_values"], 100_000)
        self.assertGreater(cost["multiply_adds"], 50_000_000)

    def test_the_tail_moves_out_by_equal_factors(self) -> None:
        recipe = Recipe(epochs=2, linear_tail_start=1.0, linear_tail=4.0, linear_tail_end=5.0, freeze_norm=0.8)
        self.assertEqual([recipe.tail_at(at) for at in (0.0, 0.4, 0.8, 1.0)], [1.0, 2.0, 5.0, 5.0])
        self.assertEqual(dataclasses.replace(recipe, linear_tail_start=0.0).tail_at(0.1), 4.0)


class IdentityTest(Seeded):
    def test_shortcuts_and_branches_share_the_scale(self) -> None:
        for identity in (0.95, 0.0):
            blocks = [m for m in zoo.trainable("resnet20", 10, 0.4, identity).modules() if isinstance(m, zoo.BasicBlock)]
            same = [block for block in blocks if isinstance(block.shortcut, zoo.Norm)]
            self.assertEqual((len(blocks), len(same)), (9, 7))
            for block in same:
                self.assertAlmostEqual(block.shortcut.weight[0].item(), 0.4 * identity, 5)
                self.assertAlmostEqual((block.shortcut.weight ** 2 + block.norm.weight ** 2)[0].item(), 0.16, 5)
        with self.assertRaisesRegex(UserError, "0 to 1"):
            zoo.trainable("resnet20", 10, identity=1.5)


if __name__ == "__main__":
    unittest.main()
