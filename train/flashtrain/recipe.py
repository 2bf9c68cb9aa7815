"""The training loop: one schedule for the learning rate and the activation's blend."""

from __future__ import annotations

import copy
import csv
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .activation import INPUT_SCALE, blend_at, range_penalty, set_alpha
from .data import Augmented, Images, standardise


@dataclass
class Recipe:
    """The [recipe] table of a configuration."""

    epochs: int
    batch: int
    seed: int
    peak_rate: float          # highest learning rate of the weights
    warmup: float             # fraction of all steps until the peak
    blend_start: float        # fraction of all steps at which alpha leaves 0
    blend_end: float          # fraction of all steps at which alpha reaches 1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    range_weight: float = 0.01
    clip: float = 2.0         # largest gradient norm
    average: float = 0.999    # decay per step of the averaged weights

    def rate_at(self, progress: float) -> float:
        """Learning rate at `progress` (0..1): linear up, then linear down to 0."""
        if progress < self.warmup:
            return self.peak_rate * progress / self.warmup
        return self.peak_rate * (1 - progress) / (1 - self.warmup)


class Progress:
    """How far training is, 0..1: by steps, or by the clock where that is further.

    With a time limit the rest of the schedule is squeezed into the minutes that
    are left, so that the learning rate always ends at 0.
    """

    def __init__(self, first_step: int, steps: int, minutes: float | None) -> None:
        self.first = first_step / steps
        self.steps = steps
        self.minutes = minutes
        self.started = time.time()

    def at(self, step: int) -> float:
        by_steps = step / self.steps
        if self.minutes is None:
            return by_steps
        spent = (time.time() - self.started) / (60 * self.minutes)
        return min(1.0, max(by_steps, self.first + (1 - self.first) * spent))


class Average:
    """Exponential moving average of a model's weights and normalisation statistics."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, new in zip(self.model.state_dict().values(), model.state_dict().values()):
            if mine.is_floating_point():
                mine.lerp_(new, 1 - decay)
            else:
                mine.copy_(new)


def optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """Nesterov SGD in two groups: kernels, and vectors (normalisation, biases).

    Vectors have no weight decay.  As gamma starts at INPUT_SCALE and not at 1,
    their rate is smaller by INPUT_SCALE^2, which keeps relative changes alike.
    """
    kernels = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    return torch.optim.SGD(
        [{"params": kernels, "weight_decay": recipe.weight_decay, "factor": 1.0},
         {"params": vectors, "weight_decay": 0.0, "factor": INPUT_SCALE ** 2}],
        lr=0.0, momentum=recipe.momentum, nesterov=True)


@torch.no_grad()
def logits(model: nn.Module, pixels: Tensor, batch: int = 500) -> Tensor:
    """Evaluation-mode outputs [N, classes] for uint8 images [N, 3, H, W]."""
    model.eval()
    return torch.cat([model(standardise(part)) for part in pixels.split(batch)])


def accuracy(model: nn.Module, images: Images) -> float:
    """Fraction of images whose largest logit is the label's."""
    return (logits(model, images.pixels).argmax(1) == images.labels).float().mean().item()


def train(model: nn.Module, training: Images, held_out: Images, recipe: Recipe,
          folder: Path, minutes: float | None = None) -> nn.Module:
    """Trains, for at most `minutes` if given, and returns the averaged model.

    After every epoch `folder` holds checkpoint.pt (everything needed to go on)
    and one more line in log.csv.  If a checkpoint is there, training goes on from it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    batches = Augmented(training, recipe.batch)
    sgd = optimiser(model, recipe)
    average = Average(model, recipe.average)
    generator = torch.Generator().manual_seed(recipe.seed)
    first, seconds = 0, 0.0
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint)
        model.load_state_dict(saved["model"])
        average.model.load_state_dict(saved["average"])
        sgd.load_state_dict(saved["optimiser"])
        generator.set_state(saved["generator"])
        first, seconds = saved["epoch"], saved["seconds"]

    progress = Progress(first * len(batches), recipe.epochs * len(batches), minutes)
    for epoch in range(first, recipe.epochs):
        started = time.time()
        totals = _epoch(model, average, sgd, batches, recipe, generator, epoch, progress)
        set_alpha(average.model, totals["alpha"])
        score = accuracy(average.model, held_out)
        seconds += time.time() - started
        torch.save({"model": model.state_dict(), "average": average.model.state_dict(),
                    "optimiser": sgd.state_dict(), "generator": generator.get_state(),
                    "epoch": epoch + 1, "seconds": seconds}, folder / "checkpoint.new")
        (folder / "checkpoint.new").replace(checkpoint)
        _log(folder / "log.csv", {"epoch": epoch + 1, **totals,
                                  "held_out_accuracy": score, "seconds": seconds})
        if progress.at((epoch + 1) * len(batches)) >= 1:
            break
    set_alpha(average.model, 1.0)
    return average.model


def _epoch(model: nn.Module, average: Average, sgd: torch.optim.SGD, batches: Augmented,
           recipe: Recipe, generator: torch.Generator, epoch: int, progress: Progress) -> dict:
    """One pass over the training images, or part of one if time runs out.

    Returns the figures for the log.
    """
    model.train()
    loss_sum = penalty_sum = correct = skipped = 0.0
    for index, (images, labels) in enumerate(batches.epoch(generator)):
        step = epoch * len(batches) + index
        now = progress.at(step)
        if now >= 1 and index:
            break
        count = index + 1
        rate = recipe.rate_at(now)
        alpha = blend_at(now, recipe.blend_start, recipe.blend_end)
        set_alpha(model, alpha)
        for group in sgd.param_groups:
            group["lr"] = rate * group["factor"]
        outputs = model(images)
        loss = F.cross_entropy(outputs, labels, label_smoothing=recipe.label_smoothing)
        penalty = range_penalty(model)
        sgd.zero_grad(set_to_none=True)
        (loss + recipe.range_weight * penalty).backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        if torch.isfinite(norm):
            sgd.step()
            average.update(model, step)
        else:
            skipped += 1
        loss_sum += loss.item()
        penalty_sum += penalty.item()
        correct += (outputs.argmax(1) == labels).float().mean().item()
    return {"steps": count, "rate": rate, "alpha": alpha, "loss": loss_sum / count,
            "range_penalty": penalty_sum / count, "training_accuracy": correct / count,
            "skipped_steps": int(skipped)}


def _log(path: Path, row: dict) -> None:
    """Appends one line to a CSV file, with a header if the file is new."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row.keys())
        if new:
            writer.writeheader()
        writer.writerow({k: round(v, 5) if isinstance(v, float) else v
                         for k, v in row.items()})
    print(", ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}"
                    for k, v in row.items()), flush=True)
