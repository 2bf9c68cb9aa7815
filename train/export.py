#!/usr/bin/env python3
"""Exports a training run to ONNX, checks the file against PyTorch, prints the ranges.

    python3 export.py configs/cifar10.toml --run FOLDER --data DIRECTORY --out cifar10.onnx

With --test it also measures the accuracy on the test images, through the
written file.  Do that once, at the very end.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

import torch

from flashtrain import data, networks, ranges, recipe
from flashtrain.export import run_onnx, write_onnx


def file_accuracy(path: Path, images: data.Images) -> float:
    """Fraction of images that the exported network classifies correctly."""
    correct = 0
    for pixels, labels in zip(images.pixels.split(500), images.labels.split(500)):
        correct += (run_onnx(path, data.standardise(pixels)).argmax(1) == labels).sum().item()
    return correct / len(images.labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--run", type=Path, required=True, help="folder of train.py")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--opset", type=int, default=13)
    parser.add_argument("--test", action="store_true")
    arguments = parser.parse_args()

    config = tomllib.loads(arguments.config.read_text())
    model = networks.build(config["network"], len(data.CLASSES))
    finished = arguments.run / "weights.pt"
    if finished.exists():
        model.load_state_dict(torch.load(finished))
    else:
        model.load_state_dict(torch.load(arguments.run / "checkpoint.pt")["average"])
    write_onnx(model, arguments.out, config["name"], arguments.opset)
    print(networks.cost(model, data.SIDE, data.SIDE))

    training, held_out = data.training_sets(arguments.data, config["data"]["held_out"])
    sample = data.Images(held_out.pixels[:200], held_out.labels[:200])
    expected = recipe.logits(model, sample.pixels)
    difference = (run_onnx(arguments.out, data.standardise(sample.pixels)) - expected).abs().max()
    print(f"largest logit {expected.abs().max():.3f}, "
          f"largest difference of the file {difference:.2e}")
    if difference > 1e-3:
        raise SystemExit("the exported file does not compute what the model computes")

    for index, row in enumerate(ranges.measure(model, training.pixels)):
        print(f"activation {index + 1}: " + ", ".join(f"{k} {v:.3f}" for k, v in row.items()))
    print(f"held-out accuracy {file_accuracy(arguments.out, held_out):.4f}")
    if arguments.test:
        print(f"test accuracy {file_accuracy(arguments.out, data.test_set(arguments.data)):.4f}")


if __name__ == "__main__":
    main()
