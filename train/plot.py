#!/usr/bin/env python3
"""Draws the log of one run or more: held-out accuracy, loss, range penalty and the blend over epochs.

    python3 plot.py runs/cifar10 runs/cifar10-relu --out runs.png
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (the drawing backend has to be chosen first)

PANELS = (("held_out_accuracy", "held-out accuracy"), ("loss", "loss of a batch"),
          ("range_penalty", "range penalty"), ("alpha", "alpha: 0 is ReLU, 1 the square"))


def columns(path: Path) -> dict[str, list[float]]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="folders of train.py, or their log.csv")
    parser.add_argument("--out", type=Path, required=True, help="PNG or SVG")
    arguments = parser.parse_args()

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6), sharex=True)
    for run in arguments.runs:
        path = run / "log.csv" if run.is_dir() else run
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


if __name__ == "__main__":
    main()
