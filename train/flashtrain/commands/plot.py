"""Draws the log of one run or more: held-out accuracy, loss, range penalty and the blend over epochs.

    flash-train plot runs/cifar10 runs/cifar10-relu --out runs.png
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from ..errors import UserError

PANELS = (("held_out_accuracy", "held-out accuracy"), ("loss", "loss of a batch"),
          ("range_penalty", "range penalty"), ("alpha", "alpha: 0 is ReLU, 1 the square"))


def columns(path: Path) -> dict[str, list[float]]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise UserError(f"{path} has no epoch yet")
    missing = [name for name in ("epoch", *(name for name, _ in PANELS)) if name not in rows[0]]
    if missing:
        raise UserError(f"{path} is no log of a run: it lacks {', '.join(missing)}")
    return {name: [float(row[name] or "nan") for row in rows] for name in rows[0]}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs, or their log.csv")
    parser.add_argument("--out", type=Path, required=True, help="PNG or SVG")


def run(arguments: argparse.Namespace) -> None:
    try:
        import matplotlib
    except ImportError:
        raise UserError("drawing needs matplotlib") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6), sharex=True)
    for place in arguments.runs:
        path = place / "log.csv" if place.is_dir() else place
        data = columns(path)
        for axis, (name, title) in zip(axes.flat, PANELS):
            axis.plot(data["epoch"], data[name], label=path.parent.name)
            axis.set_title(title, fontsize=10)
            axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize=8)
    for axis in axes[1]:
        axis.set_xlabel("epoch")
    figure.tight_layout()
    figure.savefig(arguments.out, dpi=120)

