"""The training loop: one schedule, a line of figures and a checkpoint after every epoch, or every half minute where epochs are shorter."""

from __future__ import annotations

import contextlib
import csv
import functools
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import quantise, zoo
from .activation import activations, range_penalty, set_alpha, set_penalty, set_tail
from .average import Average
from .data import Images, Source
from .data.augment import cutmix
from .data.loader import Loaded
from .distil import Teacher
from .errors import UserError
from .optimisers import Lookahead, Optimisers
from .recipe import Recipe
from .replicas import Replicas
from .runs import restore
from .stored import read_torch
from .taps import use_taps

CALIBRATION = 512  # training images that set ranges and statistics
SAVE_EVERY = 30.0  # seconds between checkpoints, where epochs are shorter


class Progress:
    """How far training is, 0..1: by steps, or by the clock where that is further.

    With a time limit the rest of the schedule is squeezed into the minutes that
    are left, so that the learning rate always ends at 0.

    Args:
        first: how far it was when `taken` of the `steps` had been taken.
    """

    def __init__(self, first: float, steps: int, minutes: float | None, taken: int = 0) -> None:
        self.first = first
        self.steps = steps
        self.minutes = minutes
        self.taken = taken
        self.started = time.time()

    def at(self, step: int) -> float:
        # From `first` on in equal steps: where a clock was ahead of the steps before, it does not fall back.
        done = (step - self.taken) / max(1, self.steps - self.taken)
        by_steps = min(1.0, self.first + (1 - self.first) * done)
        if self.minutes is None:
            return by_steps
        spent = (time.time() - self.started) / (60 * self.minutes)
        return min(1.0, max(by_steps, self.first + (1 - self.first) * spent))


@torch.no_grad()
def logits(model: nn.Module, source: Source, pixels: Tensor, batch: int = 500) -> Tensor:
    """Evaluation-mode outputs [N, classes], on the CPU, for uint8 images [N, 3, H, W]."""
    model.eval()
    device = next(model.parameters()).device
    found = []
    for part in pixels.split(batch):
        images = source.standardise(part.to(device)).contiguous(memory_format=torch.channels_last)
        found.append(model(images).float().cpu())
    return torch.cat(found)


def accuracy(model: nn.Module, source: Source, images: Images) -> float:
    """Fraction of images whose largest logit is the label's."""
    return (logits(model, source, images.pixels).argmax(1) == images.labels).float().mean().item()


def freeze_norms(model: nn.Module) -> None:
    """Batch normalisations compute with their stored statistics from now on, as in a private run."""
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.eval()


@dataclass
class Sums:
    """What an epoch adds up for the log."""

    steps: int = 0
    values: dict[str, Tensor] = field(default_factory=dict)

    def add(self, **values: Tensor) -> None:
        self.steps += 1
        for name, value in values.items():
            self.values[name] = self.values.get(name, 0) + value.detach().float()

    def means(self) -> dict[str, float]:
        return {name: value.item() / self.steps for name, value in self.values.items()}


class Trainer:
    """One run: model, data, recipe, and the folder that everything is kept in.

    The folder holds checkpoint.pt (everything needed to go on, on any machine)
    and log.csv, one line per epoch.  If a checkpoint is there, training goes on from it.

    Args:
        model: on `device`, prepared.
        teacher: for distillation, or None.
        minutes: squeeze the rest of the schedule into this time, or None.
        steps: stop after so many steps from now on (to try a configuration), or None.
        replicas: threads that each compute their part of a batch, see replicas.py.
    """

    def __init__(self, model: nn.Module, source: Source, loaded: Loaded, recipe: Recipe, folder: Path,
                 device: torch.device, teacher: Teacher | None = None, minutes: float | None = None,
                 steps: int | None = None, replicas: int = 1) -> None:
        if replicas > 1 and (teacher and teacher.feature_weight or recipe.compile):
            raise UserError("feature maps and compiled models are for one replica only")
        if replicas > recipe.batch:
            raise UserError(f"{replicas} replicas cannot share a batch of {recipe.batch}")
        if not len(loaded.batches):
            raise UserError(f"the set has fewer training images than a batch of {recipe.batch}: make it smaller by --set batch=N")
        if minutes is not None and not minutes > 0:
            raise UserError(f"{minutes} minutes are no time to train in")
        if recipe.compile and not hasattr(torch, "compile"):
            raise UserError(f"compile = true needs PyTorch 2, and this is {torch.__version__}")
        self.model, self.source, self.loaded, self.recipe = model, source, loaded, recipe
        self.folder, self.device, self.teacher, self.limit = folder, device, teacher, steps
        if device.type == "cpu" and recipe.precision == "bf16":
            use_taps(model)
        self.layers = len(activations(model))
        self.optimisers = Optimisers(model, recipe)
        self.lookahead = Lookahead(model) if recipe.lookahead else None
        self.average = Average(model, recipe.average)
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.fast = torch.compile(model) if recipe.compile else model
        self.epoch, self.seconds, self.reached = 0, 0.0, 0.0
        self.alphas = recipe.alphas_at(0.0, self.layers)
        self.quantised = self.frozen = False
        self.saved, self.taken = 0.0, 0
        folder.mkdir(parents=True, exist_ok=True)
        if self._checkpoint.exists():
            self._resume()
        self.replicas = Replicas(model, replicas)
        per_epoch = len(loaded.batches)
        self.progress = Progress(max(self.reached, self.epoch / recipe.epochs), recipe.epochs * per_epoch, minutes, self.epoch * per_epoch)

    @property
    def alpha(self) -> float:
        """Of the activation that is least far on its way from ReLU."""
        return min(self.alphas)

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def _resume(self) -> None:
        saved = read_torch(self._checkpoint, self.device)
        other = f"{self._checkpoint} is of another network, or an older version wrote it; start again in a new folder"
        restore(self.model, saved["model"], other)
        restore(self.average.model, saved["average"], other)
        self.optimisers.load_state_dict(saved["optimiser"])
        if self.lookahead:
            self.lookahead.slow = saved["lookahead"]
        self.generator.set_state(saved["generator"].cpu())
        self.epoch, self.seconds = saved["epoch"], saved["seconds"]
        # With another number of epochs than it was saved under, the steps alone say how far it is.
        self.reached = saved.get("progress", 0.0) if saved.get("epochs", self.recipe.epochs) == self.recipe.epochs else 0.0
        self.alphas = self.recipe.alphas_at(max(self.reached, self.epoch / self.recipe.epochs), self.layers)
        # Statistics that were set anew before they were frozen stay what they are.
        self.frozen = saved.get("frozen", False) and self.reached >= self.recipe.freeze_norm
        forget_after(self.folder / "log.csv", self.epoch)
        print(f"going on after epoch {self.epoch}", flush=True)

    def _save(self, now: bool = False) -> None:
        if not now and time.time() - self.saved < SAVE_EVERY:
            return
        self.saved = time.time()
        new = self.folder / "checkpoint.new"
        torch.save({"model": self.model.state_dict(), "average": self.average.model.state_dict(),
                    "optimiser": self.optimisers.state_dict(),
                    "lookahead": self.lookahead and self.lookahead.slow, "generator": self.generator.get_state(),
                    "epoch": self.epoch, "epochs": self.recipe.epochs, "seconds": self.seconds, "frozen": self.frozen,
                    "progress": self.progress.at(self.epoch * len(self.loaded.batches))}, new)
        new.replace(self._checkpoint)

    def run(self) -> nn.Module:
        """Trains to the end of the schedule and returns the averaged model."""
        while self.epoch < self.recipe.epochs and self.progress.at(self.epoch * len(self.loaded.batches)) < 1:
            started = time.time()
            row = self._one_epoch()
            set_alpha(self.average.model, self.alphas)
            score = accuracy(self.average.model, self.source, self.loaded.held_out)
            self.epoch += 1
            self.seconds += time.time() - started
            self._save()
            log(self.folder / "log.csv",
                {"epoch": self.epoch, **row, "held_out_accuracy": score, "seconds": self.seconds})
            if self.taken == self.limit:
                break
        self._save(now=True)
        # The last step's alpha; the schedule's own end where it was reached.
        if self.taken != self.limit:
            self.alphas = self.recipe.alphas_at(1.0, self.layers)
        set_alpha(self.average.model, self.alphas)
        return self.average.model

    def _one_epoch(self) -> dict[str, float]:
        """One pass over the training images, or part of one if time runs out: the figures for the log."""
        for model in self.replicas.models:
            model.train()
        sums = Sums()
        skipped = 0
        for index, (images, labels) in enumerate(self.loaded.batches.epoch(self.epoch, self.generator)):
            step = self.epoch * len(self.loaded.batches) + index
            now = self.progress.at(step)
            if index and now >= 1 or self.taken == self.limit:
                break
            rate, alpha, weight = self._set_phase(now)
            images, labels = cutmix(images, labels, self.recipe.cutmix, self.source.classes, self.generator)
            figures = self.replicas.backward(self._sized(images, now), labels, functools.partial(self._loss, weight=weight))
            norm = self._clip()
            if norm is None or torch.isfinite(norm):
                self.optimisers.step(self.replicas.map)
                if self.lookahead:
                    self.lookahead.update(step, now)
                self.average.update(self.model, step)
            else:
                skipped += 1
            self.taken += 1
            sums.add(**figures, **({} if norm is None else {"gradient_norm": norm.nan_to_num(0.0, 0.0)}))
        return {"steps": sums.steps, "rate": rate, "alpha": alpha, **sums.means(), "skipped_steps": skipped}

    def _clip(self) -> Tensor | None:
        """The gradient's norm before it is clipped; None without clipping: to look at it would make a GPU wait for the CPU in every step."""
        if not self.recipe.clip:
            return None
        return nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.grad is not None], self.recipe.clip)

    def _sized(self, images: Tensor, now: float) -> Tensor:
        """Small pictures in the first part of training: most of what is learnt there shows in them too."""
        side = self.recipe.small_side
        if not side or now >= self.recipe.small_until:
            return images
        small = F.interpolate(images, (side, side), mode="bilinear", align_corners=False, antialias=True)
        return small.contiguous(memory_format=torch.channels_last)

    def _set_phase(self, now: float) -> tuple[float, float, float]:
        """Everything that depends on how far training is; rate, the last layer's alpha, the penalty's weight."""
        recipe = self.recipe
        rate = recipe.rate_at(now)
        self.optimisers.set_rate(rate)
        self.alphas = alphas = recipe.alphas_at(now, self.layers)
        weight, exponent = recipe.penalty_at(now)
        for model in self.replicas.models:
            set_alpha(model, alphas)
            set_penalty(model, recipe.range_reach if weight else None, exponent)
            set_tail(model, recipe.tail_at(now))
        if recipe.freeze_norm <= now < 1 or self.frozen:
            self._freeze()
        if recipe.quantise <= now < 1 and not self.quantised:
            sample = self.source.standardise(self.loaded.sample.pixels[:CALIBRATION].to(self.device))
            for model in self.replicas.models:
                quantise.attach(model, sample, quantise.Arithmetic(recipe.share_bits, recipe.plain_bits))
                model.train()
                freeze_norms(model)
            self.quantised = True
        return rate, alphas[-1], weight

    def _freeze(self) -> None:
        """Batch normalisations compute with stored statistics from now on; with `settle` these are set anew first."""
        if self.recipe.settle and not self.frozen:
            sample = self.source.standardise(self.loaded.sample.pixels[:CALIBRATION].to(self.device))
            for model in (*self.replicas.models, self.average.model):
                zoo.settle(model, sample.contiguous(memory_format=torch.channels_last))
            for model in self.replicas.models:
                model.train()
            if self.lookahead:
                self.lookahead.take_statistics()
        self.frozen = True
        for model in self.replicas.models:
            freeze_norms(model)

    def _loss(self, model: nn.Module, images: Tensor, labels: Tensor, weight: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of one batch, and figures for the log."""
        if self.teacher:
            self.teacher.forget()
        # The blend changes in every step, which a compiled model would be compiled again for.
        settled = all(a.alpha in (0.0, 1.0) for a in activations(model)) and not self.quantised
        network = self.fast if model is self.model and settled else model
        with self._precision():
            outputs = network(images).float()
            total = loss = F.cross_entropy(outputs, labels, label_smoothing=self.recipe.label_smoothing)
            if self.teacher:
                total = self.teacher.loss(images, outputs, loss)
        penalty = torch.zeros((), device=loss.device)
        if weight:
            penalty = range_penalty(model)
            total = total + weight * penalty
        hard = labels if labels.dim() == 1 else labels.argmax(1)
        correct = (outputs.argmax(1) == hard).float().mean()
        return total, {"loss": loss, "range_penalty": penalty, "training_accuracy": correct}

    def _precision(self) -> contextlib.AbstractContextManager:
        if self.recipe.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def log(path: Path, row: dict) -> None:
    """Appends one line to a CSV file, with a header if the file is new, and prints it. A file that is there keeps its columns."""
    names = None
    if path.exists():
        with path.open(newline="") as file:
            names = csv.DictReader(file).fieldnames
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, names or row.keys(), restval="", extrasaction="ignore")
        if not names:
            writer.writeheader()
        writer.writerow({k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()})
    print(", ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)


def forget_after(path: Path, epoch: int) -> None:
    """Takes the lines of later epochs out of a log: they are trained again, from a checkpoint before them."""
    if not path.exists():
        return
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        names, rows = reader.fieldnames, list(reader)
    kept = [row for row in rows if (row.get("epoch") or "").isdigit() and int(row["epoch"]) <= epoch]
    if len(kept) == len(rows):
        return
    new = path.with_suffix(".new")
    with new.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(kept)
    new.replace(path)
