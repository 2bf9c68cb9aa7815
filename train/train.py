#!/usr/bin/env python3
"""Trains the network of one configuration and leaves weights.pt in the run's folder.

    python3 train.py configs/cifar10.toml --data DIRECTORY --run FOLDER

Run it again with the same folder to go on after an interruption.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

import torch

from flashtrain import data, networks, recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True,
                        help="folder with data_batch_1.bin ... test_batch.bin")
    parser.add_argument("--run", type=Path, required=True,
                        help="folder for the checkpoint, the log and the weights")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, default=None,
                        help="use only this many training images (for a quick trial)")
    parser.add_argument("--minutes", type=float, default=None,
                        help="squeeze the rest of the schedule into this time")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    config = tomllib.loads(arguments.config.read_text())
    settings = recipe.Recipe(**config["recipe"])
    torch.manual_seed(settings.seed)
    model = networks.build(config["network"], len(data.CLASSES))
    print(networks.cost(model, data.SIDE, data.SIDE), flush=True)

    training, held_out = data.training_sets(arguments.data, config["data"]["held_out"])
    if arguments.limit:
        training = data.Images(*(part[:arguments.limit] for part in training))
    trained = recipe.train(model, training, held_out, settings, arguments.run,
                           arguments.minutes)
    torch.save(trained.state_dict(), arguments.run / "weights.pt")


if __name__ == "__main__":
    main()
