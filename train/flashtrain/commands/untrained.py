"""Writes a well-known network with random weights as ONNX: for measurements, not for answers.

    flash-train untrained resnet32 --classes 100 --out resnet32.onnx

Batch normalisations are set on pictures, random ones unless --images names a
folder, so that the activations keep their range and the file compiles like a
trained one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .. import data, networks, zoo
from ..errors import UserError
from ..export import write_onnx
from ..interpreter import run_onnx
from ..sine import use_sine


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "networks:" + "".join(f"\n  {name:10} {entry.description}" for name, entry in zoo.NETWORKS.items())
    parser.add_argument("network", choices=zoo.NETWORKS, metavar="network")
    parser.add_argument("--classes", type=int, help="number of outputs")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=128,
                        help="number of pictures that set the batch normalisations")
    parser.add_argument("--images", type=Path,
                        help="folder of JPEG or PNG files to take them from (needs PIL)")
    parser.add_argument("--opset", type=int, default=13)
    parser.add_argument("--activation", choices=("square", "sine"), default="square")


def run(arguments: argparse.Namespace) -> None:
    entry = zoo.NETWORKS[arguments.network]
    classes = arguments.classes or entry.classes
    generator = torch.Generator().manual_seed(arguments.seed)
    torch.manual_seed(arguments.seed)
    model = entry.build(classes)
    if arguments.activation == "sine":
        use_sine(model)
    source = data.picture_source(entry.side)
    if arguments.images:
        settling = data.read_pictures(arguments.images, arguments.pictures, source)
    else:
        settling = zoo.smooth_noise(arguments.pictures, entry.side, generator)
    zoo.settle(model, settling)
    write_onnx(model, arguments.out, f"{arguments.network} (untrained)", source, arguments.opset, labels=())

    pictures = zoo.smooth_noise(4, entry.side, generator)
    with torch.no_grad():
        expected = model(pictures)
    difference = (run_onnx(arguments.out, pictures) - expected).abs().max().item()
    print(networks.cost(model, entry.side, entry.side))
    print(f"largest logit {expected.abs().max():.3f}, largest difference of the file {difference:.2e}")
    if not difference < 1e-3:
        raise UserError("the exported file does not compute what the model computes")

