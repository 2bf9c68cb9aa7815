"""What the tests share: made-up images, a small trainer."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PACKAGE))

try:
    import torch
except ImportError:
    raise unittest.SkipTest("PyTorch is not installed") from None

torch.set_num_threads(1)  # a machine that others use too; and results do not depend on it

from torch import nn

from flashtrain import data, networks, training
from flashtrain.activation import add_scales
from flashtrain.data import SOURCES
from flashtrain.data.augment import Augmented
from flashtrain.data.loader import Loaded
from flashtrain.distil import Teacher
from flashtrain.recipe import Recipe
from flashtrain.sine import use_sine

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
    if recipe.activation == "sine":
        use_sine(model, recipe.period, recipe.learn_period)
    batches = Augmented(training_images, CIFAR10, recipe.batch, cpu, recipe.shift, recipe.cutout, recipe.mirror)
    loaded = Loaded(batches, images(64, 1), training_images)
    model.prepare(CIFAR10.standardise(training_images.pixels[:64]))
    model.to(memory_format=torch.channels_last)
    taught = Teacher(teacher, model, 2.0, 0.5, 1.0) if teacher else None
    return training.Trainer(model, CIFAR10, loaded, recipe, run, cpu, taught, **more)


class Seeded(unittest.TestCase):
    def setUp(self) -> None:
        torch.manual_seed(1)
