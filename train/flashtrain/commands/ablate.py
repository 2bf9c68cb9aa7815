"""What each part of the recipe is worth: short runs of equal budget, one part switched off or on in each.

    flash-train ablate ablation --data DIRECTORY --out FOLDER

FOLDER/ablation.csv has one line per run: accuracy on the held-out training
images in float and with the compiler's roundings, and how far the largest
pre-activation of any of these images reaches.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import torch

from .. import config as configs
from .. import quantise, ranges, runs, tables
from ..arguments import positive_int
from ..data.loader import loader
from ..errors import UserError
from ..training import CALIBRATION, accuracy
from .everything import call

# name -> options of flash-train train; "TWIN" stands for the folder of the first run
VARIANTS: dict[str, list[str]] = {
    "relu twin": ["--twin"],
    "the recipe": [],
    "no blend": ["--set", "blend_start=0.0", "blend_end=0.0"],
    "blend layer by layer": ["--set", "blend_by_layer=true"],
    "blend later": ["--set", "blend_start=0.3", "blend_end=0.7"],
    "no linear tail": ["--set", "linear_tail=0.0", "linear_tail_end=0.0"],
    "no range penalty": ["--set", "range_weight=0.0"],
    "neither tail nor penalty": ["--set", "linear_tail=0.0", "linear_tail_end=0.0", "range_weight=0.0"],
    "tail at 6 in the end": ["--set", "linear_tail_end=6.0", "freeze_norm=0.85"],
    "no clipping": ["--set", "clip=0.0"],
    "no averaging": ["--set", "average=0.0"],
    "statistics never frozen": ["--set", "freeze_norm=1.0", "quantise=1.0"],
    "curve per channel": ["--set", "channel_scale=true"],
    "logits of the twin": ["--teacher", "TWIN"],
    "start from the twin": ["--teacher", "TWIN", "--set", "start_from_teacher=true", "distil_logits=0.0", "blend_start=0.0", "blend_end=0.4"],
    "start and logits": ["--teacher", "TWIN", "--set", "start_from_teacher=true", "blend_start=0.0", "blend_end=0.4"],
    "quantisation-aware end": ["--set", "quantise=0.93"],
    "sine": ["--set", "activation=sine", "blend_start=0.0", "blend_end=0.0"],
    "sine, period learnt": ["--set", "activation=sine", "blend_start=0.0", "blend_end=0.0", "learn_period=true"],
    "muon": ["--set", "optimiser=muon"],
    "lookahead": ["--set", "lookahead=true", "average=0.0"],
    "biases 64 times faster": ["--set", "bias_rate=64.0"],
    "mirrored at random": ["--set", "mirror=random"],
    "small pictures at first": ["--set", "small_side=20", "small_until=0.5"],
    "tail at 6, quantisation-aware": ["--set", "linear_tail_end=6.0", "freeze_norm=0.85", "quantise=0.85"],
}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=positive_int, help="training images")
    parser.add_argument("--only", nargs="*", action="extend", metavar="RUN", choices=VARIANTS, help="names of runs")
    parser.add_argument("--replicas", type=positive_int, default=1, help="as for train")
    parser.add_argument("--threads", type=positive_int, help="as for train")


def run(given: argparse.Namespace) -> None:
    path = configs.find(given.config)
    limit = ["--limit", str(given.limit)] if given.limit else []
    limit += ["--threads", str(given.threads)] if given.threads else []
    for name, options in VARIANTS.items():
        if given.only and name not in given.only:
            continue
        folder = given.out / name.replace(" ", "-")
        options = [str(given.out / "relu-twin") if option == "TWIN" else option for option in options]
        try:  # of a run that is finished it says so
            call(sys.executable, "-m", "flashtrain", "train", path, "--data", given.data,
                 "--run", folder, "--replicas", given.replicas, *limit, *options)
        except subprocess.CalledProcessError as error:
            raise UserError(f"the run '{name}' failed: {error}") from None
        row = {"run": name, **measure(folder, given.data)}
        tables.keep(given.out / "ablation.csv", list(row), row)
        print(row, flush=True)


def measure(folder: Path, directory: Path) -> dict[str, float]:
    """Figures of one run on the held-out training images."""
    config, model = runs.trained(folder)
    loaded = loader(config.source, directory, config.held_out, 1, torch.device("cpu"), shift=0, cutout=0, workers=0)
    row = {"accuracy": accuracy(model, config.source, loaded.held_out)}
    row["reach"] = max(max(-r["min"], r["max"]) for r in ranges.measure(model, config.source, loaded.held_out.pixels))
    row["rounded"] = float("nan")
    if config.recipe.activation == "square":
        sample = config.source.standardise(loaded.sample.pixels[:CALIBRATION])
        quantise.attach(model, sample, quantise.Arithmetic(config.recipe.share_bits, config.recipe.plain_bits))
        row["rounded"] = accuracy(model, config.source, loaded.held_out)
    return {name: round(value, 4) for name, value in row.items()}

