"""Exports a training run to ONNX, checks the file against PyTorch, prints the ranges.

    flash-train export --run FOLDER --data DIRECTORY --out cifar10.onnx

With --test it also measures the accuracy on the test images, through the
written file.  Do that once, at the very end.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .. import networks, ranges, runs
from ..arguments import check_place, positive_int
from ..data.loader import loader, test_images
from ..errors import UserError
from ..interpreter import file_accuracy, run_onnx
from ..export import write_onnx
from ..training import accuracy, logits


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="folder of flash-train train")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="ONNX file; refused for a ReLU twin, whose accuracy alone is printed")
    parser.add_argument("--opset", type=int, default=13)
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--limit", type=positive_int, help="use only this many training images (for a quick trial)")


def run(arguments: argparse.Namespace) -> None:
    if arguments.out is not None:
        check_place(arguments.out)
    config, model = runs.trained(arguments.run)
    if config.twin and arguments.out is not None:
        raise UserError(f"{arguments.run} is a ReLU twin: Flash has no ReLU, so it is measured and not written; leave out --out")
    if not config.twin and arguments.out is None:
        raise UserError("--out is missing: where to write the network")
    source = config.source
    print(networks.cost(model, source.side, source.side))
    loaded = loader(source, arguments.data, config.held_out, 1, torch.device("cpu"), shift=0, cutout=0,
                    limit=arguments.limit, workers=0)
    if config.twin:
        print(f"held-out accuracy {accuracy(model, source, loaded.held_out):.4f}")
        if arguments.test:
            print(f"test accuracy {accuracy(model, source, test_images(source, arguments.data)):.4f}")
        return

    write_onnx(model, arguments.out, config.name, source, arguments.opset)
    sample = loaded.held_out.pixels[:200]
    expected = logits(model, source, sample)
    found = run_onnx(arguments.out, source.standardise(sample))
    finite = expected.isfinite().all(1)
    if not finite.all():
        print(f"warning: the squares run away on {(~finite).sum()} of {len(finite)} held-out images, for which the network itself gives no "
              "finite outputs: train it longer, or with a larger range_weight")
    if not finite.any():
        raise UserError("there is nothing to compare the file by")
    expected, found = expected[finite], found[finite]
    difference = (found - expected).abs().max()
    print(f"largest logit {expected.abs().max():.3f}, largest difference of the file {difference:.2e}")
    if not difference < 1e-3 * max(1, expected.abs().max()):
        raise UserError("the exported file does not compute what the model computes")

    for index, row in enumerate(ranges.measure(model, source, loaded.sample.pixels)):
        print(f"activation {index + 1}: " + ", ".join(f"{k} {v:.3f}" for k, v in row.items()))
    print(f"held-out accuracy {file_accuracy(arguments.out, source, loaded.held_out):.4f}")
    if arguments.test:
        print(f"test accuracy {file_accuracy(arguments.out, source, test_images(source, arguments.data)):.4f}")

