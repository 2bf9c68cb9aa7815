"""Converts a trained ReLU network: activations become the square or sine, poolings means; then it is trained on with the original as teacher.

    flash-train convert net.py:ResNet18 --arg num_classes=100 --weights net.pt --data cifar100:DIR --run FOLDER --out net.onnx
    flash-train convert torchvision:resnet18 --weights resnet18.pt --data DIR --side 224 --resize 256 --run FOLDER --out net.onnx

--data is one of the sets (cifar10:DIR, cifar100:DIR, tiny-imagenet:DIR) or a folder with one folder of pictures for each class,
in train/ and val/ if it has a test part. Pixels, scaled to 0..1, are standardised by --mean and --std: say what the original was trained with.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import torch

from .. import config as configs
from .. import originals
from ..arguments import check_place, positive, positive_int, program
from ..convert import convert
from ..data import SOURCES, Source
from ..data.folder import folder_source
from ..errors import UserError
from ..stored import read_json

PHOTOGRAPHS = SOURCES["imagenet"]
# What a conversion is made from: a run goes on with the same
KEPT = ("model", "arg", "weights", "data", "activation", "pooling", "epochs", "set", "side", "limit", "resize", "mean", "std", "held_out")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="FILE.py:NAME or torchvision:NAME; NAME is a class, a function, or the module itself")
    parser.add_argument("--arg", nargs="*", action="extend", default=[], metavar="NAME=VALUE", help="arguments of NAME")
    parser.add_argument("--weights", type=Path, help="what torch.save wrote: a state dictionary or the module")
    parser.add_argument("--data", required=True, help="SET:DIR, or a folder of pictures")
    parser.add_argument("--run", type=Path, required=True, help="folder for the checkpoint and the log")
    parser.add_argument("--out", type=Path, required=True, help="ONNX file")
    parser.add_argument("--activation", choices=("square", "sine"), default="square")
    parser.add_argument("--pooling", choices=("average", "strided"), default="average", help="what a max pooling becomes")
    parser.add_argument("--epochs", type=positive_int, default=10)
    parser.add_argument("--minutes", type=positive, help="squeeze the schedule into this time")
    parser.add_argument("--held-out", type=positive_int, default=500, help="training images that are only watched")
    parser.add_argument("--set", nargs="*", action="extend", default=[], metavar="NAME=VALUE", help="change settings of the recipe")
    parser.add_argument("--side", type=positive_int, help="of the network's pictures; default: the set's, 224 for a folder")
    parser.add_argument("--resize", type=positive_int, help="short side that a picture is brought to before its middle is cut out")
    parser.add_argument("--mean", type=float, nargs=3, metavar=("R", "G", "B"))
    parser.add_argument("--std", type=float, nargs=3, metavar=("R", "G", "B"))
    parser.add_argument("--flash", help="the flash program: compiles the network and measures its integers")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=positive_int, help="of the CPU; default: all cores")
    parser.add_argument("--workers", type=int, default=8, help="processes that decode pictures (large sets)")
    parser.add_argument("--limit", type=positive_int, help="use only this many images (for a quick trial)")


def run(given: argparse.Namespace) -> None:
    if given.threads:
        torch.set_num_threads(given.threads)
    source, directory, spec = _source(given)
    changes = dict(map(configs.setting, given.set))
    for name in ("epochs", "activation"):
        if name in changes:
            raise UserError(f"{name} is no setting for --set here: say --{name} {changes[name]}")
    configs.check(changes)
    flash = given.flash and program(given.flash)
    check_place(given.out)
    model = originals.build(given.model, **dict(configs.setting(text, "--arg") for text in given.arg))
    if given.weights:
        originals.load_weights(model, given.weights)
    new = _remember(given)
    try:
        report = convert(model, source, directory, given.run, given.out, activation=given.activation, pooling=given.pooling,
                         epochs=given.epochs, held_out=given.held_out, device=given.device, minutes=given.minutes,
                         flash=flash, data_spec=spec, limit=given.limit, workers=given.workers, **changes)
    except Exception:
        if new and not (given.run / "checkpoint.pt").exists():
            (given.run / "convert.json").unlink()  # nothing has begun that the folder could belong to
        raise
    print(report.cost)
    print("\n".join(report.lines()))


def _source(given: argparse.Namespace) -> tuple[Source, Path, str]:
    """The set, its folder, and its name for flash."""
    name, colon, place = given.data.partition(":")
    if colon and name in SOURCES:
        source, directory = SOURCES[name], Path(place)
        spec = f"images:{directory / 'imagenet'}" if source.read is None else given.data
        standard = {"side": given.side, "resize": given.resize, "mean": given.mean and tuple(given.mean), "std": given.std and tuple(given.std)}
        chosen = {key: value for key, value in standard.items() if value}
        if "side" in chosen and source.read is not None and chosen["side"] != source.side:
            raise UserError(f"the pictures of {name} have {source.side} pixels a side")
        if "resize" in chosen and source.read is not None and chosen["resize"] != source.resize:
            raise UserError(f"the pictures of {name} are read with {source.side} pixels a side as they are: leave --resize out")
        if source.read is None:
            chosen["resize"] = _resize(given)
        return dataclasses.replace(source, **chosen), directory, spec
    directory = Path(given.data)
    source = folder_source(directory, given.side or PHOTOGRAPHS.side, _resize(given),
                           tuple(given.mean or PHOTOGRAPHS.mean), tuple(given.std or PHOTOGRAPHS.std))
    return source, directory, f"images:{directory}"


def _resize(given: argparse.Namespace) -> int:
    """The short side of a picture from a file, before the network's part is cut out of its middle; by default in ImageNet's proportion, 256 to 224."""
    side = given.side or PHOTOGRAPHS.side
    resize = given.resize or round(side * PHOTOGRAPHS.resize / PHOTOGRAPHS.side)
    if resize < side:
        raise UserError(f"--resize {resize} is less than the {side} pixels a side that are cut out")
    return resize


def _remember(given: argparse.Namespace) -> bool:
    """A run's folder belongs to one conversion; whether it is new. A file of an older version tells less."""
    path = given.run / "convert.json"
    kept = {name: str(getattr(given, name)) for name in KEPT}
    if path.exists():
        old = read_json(path)
        if any(old[name] != kept[name] for name in KEPT if name in old):
            raise UserError(f"{given.run} holds another conversion: choose another folder, or remove that one")
        return False
    given.run.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1))
    return True
