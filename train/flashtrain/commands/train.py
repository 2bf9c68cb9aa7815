"""Trains the network of one configuration and leaves weights.pt in the run's folder.

    flash-train train resnet20-cifar10-cpu --data DIRECTORY --run FOLDER

Run it again with the same folder to go on after an interruption, on any machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from .. import config as configs
from .. import data, networks, runs, zoo
from ..arguments import positive, positive_int
from ..data.loader import loader
from ..distil import Teacher
from ..errors import UserError
from ..interpreter import read_weights
from ..training import Trainer

SETTLING = 2000  # images that set a first convolution


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="a TOML file, or the name of one of the package's")
    parser.add_argument("--data", type=Path, required=True,
                        help="folder of the image set, or the folder that it lies in")
    parser.add_argument("--run", type=Path, required=True,
                        help="folder for the checkpoint, the log and the weights")
    parser.add_argument("--twin", action="store_true", help="train the ReLU twin: same network, code and budget")
    parser.add_argument("--teacher", type=Path, help="folder of a finished run to distil from")
    parser.add_argument("--start", type=Path,
                        help="folder of a finished run, or an ONNX file of one, whose weights are the first ones; with other classes, all but the last layer's")
    parser.add_argument("--download", action="store_true", help="fetch the image set if it is not there")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=positive_int, help="of the CPU; default: all cores")
    parser.add_argument("--replicas", type=positive_int, default=1, metavar="N",
                        help="N threads that each compute their part of a batch: for a CPU that others use too")
    parser.add_argument("--workers", type=int, default=8, help="processes that decode pictures (large sets)")
    parser.add_argument("--minutes", type=positive, help="squeeze the rest of the schedule into this time")
    parser.add_argument("--set", nargs="*", action="extend", default=[], metavar="NAME=VALUE", help="change settings of the recipe")
    parser.add_argument("--change", action="store_true", help="go on with a run under other settings than it began with")
    trial = parser.add_argument_group("for a quick trial")
    trial.add_argument("--limit", type=positive_int, help="use only this many images")
    trial.add_argument("--steps", type=positive_int,
                       help="stop after this many steps, in the middle of an epoch too; the statistics of the normalisations are then set on training images")


def run(given: argparse.Namespace) -> None:
    if given.threads:
        torch.set_num_threads(given.threads)
    device = runs.device(given.device)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True

    path = configs.find(given.config)
    config = configs.load(path, given.twin, dict(map(configs.setting, given.set)))
    recipe, source = config.recipe, config.source
    if given.steps and "scale" in config.network and recipe.activation == "square":
        config.network["scale"] = zoo.SCALE  # what has not been trained keeps its range only so
    table = configs.read(path)
    stored = runs.compared(table, config, given.run, given.change, bool(given.teacher))
    if runs.finished(given.run) and not given.change:
        print(f"{given.run} is finished; another folder begins anew")
        return
    if given.change and runs.finished(given.run) and not (given.run / "checkpoint.pt").exists():
        raise UserError(f"{given.run} has the weights of a run and no checkpoint to go on from: --start {given.run} begins another run with them")
    if recipe.start_from_teacher and not given.teacher:
        raise UserError("start_from_teacher = true, and there is no --teacher RUN: name one, or say --set start_from_teacher=false")
    if recipe.start_from_teacher and given.start:
        raise UserError("--start and start_from_teacher = true: only one of them can give the first weights")
    if given.download:
        data.locate(source, given.data, download=True)
    loaded = loader(source, given.data, config.held_out, recipe.batch, device, shift=recipe.shift, cutout=recipe.cutout,
                    mirror=recipe.mirror, limit=given.limit, workers=given.workers)

    torch.manual_seed(recipe.seed)
    model = config.build()
    print(networks.cost(model, source.side, source.side), flush=True)
    if hasattr(model, "prepare"):
        model.prepare(source.standardise(loaded.sample.pixels[:SETTLING]))
    if given.start:
        _take(model, given.start, strict=True, new_head=True)
    teacher = None
    if given.teacher:
        teaching, taught_by = runs.trained(given.teacher)
        if teaching.source.classes != source.classes:
            raise UserError(f"{given.teacher} knows {teaching.source.classes} classes and this network {source.classes}: it cannot be its teacher")
        if recipe.start_from_teacher:
            _take(model, given.teacher, strict=not (recipe.channel_scale or recipe.learn_period))
        if recipe.distil_logits or recipe.distil_features:
            taught_by.to(device, memory_format=torch.channels_last)
            teacher = Teacher(taught_by, model, recipe.temperature, recipe.distil_logits, recipe.distil_features)
    model.to(device, memory_format=torch.channels_last)

    trainer = Trainer(model, source, loaded, recipe, given.run, device, teacher, given.minutes, given.steps, given.replicas)
    # Only now: a start that failed leaves nothing behind that other settings would be refused for.
    runs.remember(stored, given.run)
    trained = trainer.run()
    if given.steps:
        zoo.settle(trained, source.standardise(loaded.sample.pixels[:128].to(device)))
    runs.finish(given.run, trained, trainer.epoch, trainer.alpha)


def _take(model: torch.nn.Module, source: Path, strict: bool, new_head: bool = False) -> None:
    """The weights of another run, or of an ONNX file, as the first ones; with `new_head` also of one with other classes: all but its last layer."""
    own = model.state_dict()
    if source.is_file():
        # A file has no counters of batches, which nothing depends on: the momentum of the normalisations is a constant.
        counters = {name: value for name, value in own.items() if name.endswith("num_batches_tracked")}
        state = {**counters, **read_weights(source)}
    else:
        state = runs.trained(source)[1].state_dict()
    if new_head:
        state = _with_own_head(model, state, source)
    runs.restore(model, state, f"the network in {source} is another one", strict)


def _with_own_head(model: torch.nn.Module, state: dict[str, Tensor], source: Path) -> dict[str, Tensor]:
    """`state`, with the model's own last linear layer where the two differ in the number of its outputs only."""
    own = model.state_dict()
    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    weight = f"{linear[-1]}.weight" if linear else ""
    if weight not in state or len(state[weight]) == len(own[weight]) or state[weight].shape[1:] != own[weight].shape[1:]:
        return state
    print(f"{source} has {len(state[weight])} classes and this network {len(own[weight])}: its last layer starts anew", flush=True)
    return {**state, **{name: value for name, value in own.items() if name.startswith(f"{linear[-1]}.")}}
