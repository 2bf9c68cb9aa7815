#!/usr/bin/env python3
"""Trains the network of one configuration and leaves weights.pt in the run's folder.

    python3 train.py configs/cifar10.toml --data DIRECTORY --run FOLDER

Run it again with the same folder to go on after an interruption, on any machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from flashtrain import config as configs
from flashtrain import data, networks, zoo
from flashtrain.data.loader import loader
from flashtrain.distil import Teacher
from flashtrain.training import Trainer

SETTLING = 2000  # images that set a first convolution


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True,
                        help="folder of the image set, or the folder that it lies in")
    parser.add_argument("--run", type=Path, required=True,
                        help="folder for the checkpoint, the log and the weights")
    parser.add_argument("--twin", action="store_true", help="train the ReLU twin: same network, code and budget")
    parser.add_argument("--teacher", type=Path, help="folder of a finished run to distil from")
    parser.add_argument("--start", type=Path, help="folder of a finished run whose weights are the first ones")
    parser.add_argument("--download", action="store_true", help="fetch the image set if it is not there")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=None, help="of the CPU; default: all cores")
    parser.add_argument("--replicas", type=int, default=1, metavar="N",
                        help="N threads that each compute their part of a batch: for a CPU that others use too")
    parser.add_argument("--workers", type=int, default=8, help="processes that decode pictures (large sets)")
    parser.add_argument("--minutes", type=float, help="squeeze the rest of the schedule into this time")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="change settings of the recipe")
    trial = parser.add_argument_group("for a quick trial")
    trial.add_argument("--limit", type=int, help="use only this many images")
    trial.add_argument("--steps", type=int,
                       help="stop after this many steps; the statistics of the normalisations are then set on training images")
    return parser.parse_args()


def setting(text: str) -> tuple[str, object]:
    """NAME=VALUE, the value written as in TOML."""
    import tomllib

    return next(iter(tomllib.loads(text).items()))


def main() -> None:
    given = arguments()
    if given.threads:
        torch.set_num_threads(given.threads)
    device = torch.device(given.device)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True

    config = configs.load(given.config, given.twin, **dict(map(setting, given.set)))
    recipe, source = config.recipe, config.source
    if given.steps and "scale" in config.network:
        config.network["scale"] = zoo.SCALE  # what has not been trained keeps its range only so
    configs.remember(given.config, config, given.run)
    if given.download:
        data.locate(source, given.data, download=True)
    loaded = loader(source, given.data, config.held_out, recipe.batch, device, shift=recipe.shift,
                    cutout=recipe.cutout, limit=given.limit, workers=given.workers)

    torch.manual_seed(recipe.seed)
    model = config.build()
    print(networks.cost(model, source.side, source.side), flush=True)
    if hasattr(model, "prepare"):
        model.prepare(source.standardise(loaded.sample.pixels[:SETTLING]))
    if given.start:
        model.load_state_dict(configs.trained(given.start)[1].state_dict())
    teacher = None
    if given.teacher:
        taught_by = configs.trained(given.teacher)[1]
        if recipe.start_from_teacher:
            model.load_state_dict(taught_by.state_dict(), strict=not recipe.channel_scale)
    model.to(device, memory_format=torch.channels_last)
    if given.teacher and (recipe.distil_logits or recipe.distil_features):
        taught_by.to(device, memory_format=torch.channels_last)
        teacher = Teacher(taught_by, model, recipe.temperature, recipe.distil_logits, recipe.distil_features)

    trained = Trainer(model, source, loaded, recipe, given.run, device, teacher, given.minutes, given.steps,
                      given.replicas).run()
    if given.steps:
        zoo.settle(trained, source.standardise(loaded.sample.pixels[:128].to(device)))
    torch.save(trained.state_dict(), given.run / "weights.pt")


if __name__ == "__main__":
    main()
