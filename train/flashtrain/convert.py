"""From a trained ReLU network to one for private inference: replace, move over with the original as teacher, export."""

from __future__ import annotations

import copy
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from . import networks, runs, surgery, zoo
from .curves import measure
from .data import Images, Source
from .data.loader import loader, test_images
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
    for name in ("channel_scale", "learn_period", "distil_features", "start_from_teacher"):
        if getattr(made, name):
            raise UserError(f"a converted network has no {name}: leave it as it is")
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
    place = runs.device(device)
    torch.manual_seed(chosen.seed)
    loaded = loader(source, directory, held_out, chosen.batch, place, shift=chosen.shift, cutout=chosen.cutout,
                    mirror=chosen.mirror, limit=limit, workers=workers)
    original = copy.deepcopy(model).eval()
    sample = loaded.sample.pixels[:MEASURED]
    outputs = _outputs(original, source.standardise(sample[:2]))
    if outputs[1] != source.classes:
        raise UserError(f"the network has {outputs[1]} outputs, the set {source.classes} classes: give it a last layer of {source.classes} outputs")
    untrained = _untrained(original)
    if untrained:
        print("the network has never seen a picture: its normalisations are set on training images, and it teaches nothing", flush=True)
        zoo.settle(original, source.standardise(sample))
    student = surgery.replace(original, activation, pooling, chosen.period)
    _measure(student, source.standardise(sample), outputs, pooling)
    start = copy.deepcopy(student)
    for network in (original, student):
        network.to(place, memory_format=torch.channels_last)
    teacher = Teacher(original, student, chosen.temperature, chosen.distil_logits, 0.0) if chosen.distil_logits and not untrained else None
    trained = Trainer(student, source, loaded, chosen, run, place, teacher, minutes).run()

    write_onnx(trained, out, out.stem, source)
    test = _test_images(source, directory)
    integers = _compile(out, flash, data_spec, test is not None) if flash else None
    name, images = ("the held-out training images", loaded.held_out) if test is None else ("the test images", test)
    return Report(name, accuracy(original.cpu(), source, images), accuracy(start, source, images),
                  _of_file(out, trained, source, images), integers, networks.cost(trained, source.side, source.side))


def _untrained(model: nn.Module) -> bool:
    """Whether all statistics of the normalisations are what they are made with. (Old files of weights have no counters of batches.)"""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d) and m.running_mean is not None]
    return bool(norms) and all(bool((m.running_mean == 0).all() and (m.running_var == 1).all()) for m in norms)


@torch.no_grad()
def _outputs(model: nn.Module, pictures: Tensor) -> tuple[int, int]:
    """The shape of what the original makes of these pictures, [N, classes]."""
    said = f"for pictures [3, {pictures.shape[2]}, {pictures.shape[3]}]"
    try:
        found = model(pictures)
    except Exception as error:  # whatever the network's own code does
        raise UserError(f"the network fails {said}: {type(error).__name__}: {error}; --side N gives the pictures of a folder another size") from error
    if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != len(pictures):
        what = f"a tensor {list(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise UserError(f"the network's output {said} has to be a tensor of logits [N, classes], and is {what} (N = {len(pictures)})")
    return tuple(found.shape)


@torch.no_grad()
def _measure(student: nn.Module, sample: Tensor, outputs: tuple[int, int], pooling: str) -> None:
    """Sets the curves' units, and checks that what comes out has the shape that the original's has."""
    advice = "; --pooling average keeps the sizes of its maps" if pooling == "strided" else ""
    try:
        measure(student, sample)
        found = student(sample[:outputs[0]])
    except Exception as error:  # whatever the network's own code does
        raise UserError(f"the converted network fails: {type(error).__name__}: {error}{advice}") from error
    if found.shape != outputs:
        raise UserError(f"the converted network's output is {list(found.shape)}, the original's {list(outputs)}{advice}")


def _of_file(path: Path, model: nn.Module, source: Source, images: Images) -> float:
    """Of the written file; of the network, if the file has an operator that its check does not know."""
    try:
        return file_accuracy(path, source, images)
    except NotImplementedError as error:
        print(f"the accuracy is the network's and not the file's: flash-train cannot evaluate {error} of {path}", flush=True)
        return accuracy(model, source, images)


def _test_images(source: Source, directory: Path) -> Images | None:
    """None where the set has no test part."""
    try:
        return test_images(source, directory)
    except (UserError, OSError):
        return None


def _compile(path: Path, flash: Path, spec: str | None, test: bool) -> float | None:
    """Compiles the file and returns the accuracy of its integers; None where the set has no test part."""
    if spec is None:
        raise UserError("to compile, flash has to be told the set")
    compiled = path.with_suffix(".flash")
    _call(flash, "compile", path, "--calib", spec, "--out", compiled)
    if not test:  # flash would measure on all pictures, those of training too
        return None
    return json.loads(_call(flash, "eval", compiled, "--data", spec, "--json"))["accuracy"]


def _call(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"flash {words[1]} failed: {done.stderr.strip()}")
    return done.stdout
