"""From a trained ReLU network to one for private inference: replace, move over with the original as teacher, export."""

from __future__ import annotations

import copy
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from . import networks, surgery, zoo
from .curves import measure
from .data import Images, Source
from .data.loader import Loaded, loader, test_images
from .distil import Teacher
from .errors import UserError
from .export import write_onnx
from .interpreter import file_accuracy
from .recipe import Recipe
from .training import Trainer, accuracy

MEASURED = 512  # training images that set the curves' units


def recipe(activation: str, epochs: int, **changes) -> Recipe:
    """The recipe of a conversion: a short blend and a low rate, for weights that are trained already."""
    settings = dict(activation=activation, epochs=epochs, batch=64, peak_rate=0.01, vector_rate=1.0, warmup=0.1, average=0.99,
                    clip=1.0, label_smoothing=0.0, blend_start=0.0, blend_end=0.5 if activation == "square" else 0.3,
                    distil_logits=0.7, precision="fp32", freeze_norm=0.8, settle=True)
    settings.update(changes)
    made = Recipe(**settings)
    if made.quantise < 1:
        raise UserError("a converted network is rounded after training: leave quantise as it is")
    return made


@dataclass
class Report:
    """Accuracies on `images`: of the original, of what was written (in float), and of the compiled integers where it was compiled."""

    images: str
    original: float
    replaced: float
    converted: float
    integers: float | None
    cost: dict[str, int]

    def lines(self) -> list[str]:
        figures = [("original", self.original), ("converted before training", self.replaced), ("converted", self.converted)]
        if self.integers is not None:
            figures.append(("converted, integers", self.integers))
        return [f"{name}: {100 * value:.2f} % of {self.images}" for name, value in figures]


def convert(model: nn.Module, source: Source, directory: Path, run: Path, out: Path, *, activation: str = "square",
            pooling: str = "average", epochs: int = 10, held_out: int = 500, device: str = "cpu", minutes: float | None = None,
            flash: Path | None = None, data_spec: str | None = None, limit: int | None = None, workers: int = 8,
            **changes) -> Report:
    """Converts a trained network and writes it to `out` as ONNX.

    Args:
        model: the original, with trained weights; it is not changed.
        source, directory: the pictures, and how they are standardised: as the original was trained.
        run: folder of the checkpoint and the log; the same call goes on after an interruption.
        activation, pooling: see surgery.replace.
        held_out: training images that are only watched; what is reported where the set has no test part.
        flash, data_spec: the flash program, and the set as flash names it: where given the network is compiled
            (beside `out`, as .flash) and its integers are measured.
        changes: settings of the recipe.
    """
    chosen = recipe(activation, epochs, **changes)
    place = torch.device(device)
    torch.manual_seed(chosen.seed)
    loaded = loader(source, directory, held_out, chosen.batch, place, shift=chosen.shift, cutout=chosen.cutout,
                    mirror=chosen.mirror, limit=limit, workers=workers)
    if not len(loaded.batches):
        raise UserError(f"the set has fewer training images than a batch of {chosen.batch}: make it smaller by --set batch=N")
    original = copy.deepcopy(model).eval()
    norms = [m for m in original.modules() if isinstance(m, nn.BatchNorm2d)]
    untrained = norms and not any(m.num_batches_tracked for m in norms)
    if untrained:
        print("the network has never seen a picture: its normalisations are set on training images, and it teaches nothing", flush=True)
        zoo.settle(original, source.standardise(loaded.sample.pixels[:MEASURED]))
    student = surgery.replace(original, activation, pooling, chosen.period)
    outputs = original(source.standardise(loaded.sample.pixels[:2])).shape[1]
    if outputs < source.classes:
        raise UserError(f"the network has {outputs} outputs, the set {source.classes} classes")
    measure(student, source.standardise(loaded.sample.pixels[:MEASURED]))
    start = copy.deepcopy(student)
    for network in (original, student):
        network.to(place, memory_format=torch.channels_last)
    teacher = Teacher(original, student, chosen.temperature, chosen.distil_logits, 0.0) if chosen.distil_logits and not untrained else None
    trained = Trainer(student, source, loaded, chosen, run, place, teacher, minutes).run()

    write_onnx(trained, out, out.stem, source)
    name, images = _measured(source, directory, loaded)
    integers = _compile(out, flash, data_spec) if flash else None
    return Report(name, accuracy(original.cpu(), source, images), accuracy(start, source, images),
                  _of_file(out, trained, source, images), integers, networks.cost(trained, source.side, source.side))


def _of_file(path: Path, model: nn.Module, source: Source, images: Images) -> float:
    """Of the written file; of the network, if the file has an operator that its check does not know."""
    try:
        return file_accuracy(path, source, images)
    except NotImplementedError as error:
        print(f"the accuracy is the network's and not the file's: flash-train cannot evaluate {error} of {path}", flush=True)
        return accuracy(model, source, images)


def _measured(source: Source, directory: Path, loaded: Loaded):
    try:
        return "the test images", test_images(source, directory)
    except (UserError, OSError):
        return "the held-out training images", loaded.held_out


def _compile(path: Path, flash: Path, spec: str | None) -> float | None:
    """Compiles the file and returns the accuracy of its integers; None where the set has no test part."""
    if spec is None:
        raise UserError("to compile, flash has to be told the set")
    compiled = path.with_suffix(".flash")
    _call(flash, "compile", path, "--calib", spec, "--out", compiled)
    return json.loads(_call(flash, "eval", compiled, "--data", spec, "--json"))["accuracy"]


def _call(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"flash {words[1]} failed: {done.stderr.strip()}")
    return done.stdout
