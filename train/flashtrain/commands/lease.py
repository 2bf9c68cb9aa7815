"""Trains the next rows of a list within a time limit, for a machine that is at hand for minutes.

    flash-train lease LIST.toml --data DIR --out FOLDER --minutes 8

Every row that is not finished in FOLDER (or in --done, which holds what earlier leases brought back) is trained in turn, each with its
own share of the time; the last one gets what is left. A row that would get less than half of its share is left for the next lease.
FOLDER/NAME then holds run.json, log.csv and the weights in half precision, in files below 15 MiB; FOLDER/lease.csv has a line for each,
with the accuracy on the test part, measured once at the end, where that is among the data.

    [[row]]
    config = "own-cifar100-sine-gpu"    # a name or a file
    minutes = 4.0
    name = "own-sine"                   # default: the configuration's
    twin = false                        # the ReLU twin
    teacher = "NAME"                    # another row, or a folder; start = "NAME" likewise
    set = { epochs = 30 }               # settings of the recipe

--data is what the sets' own archives unpack to; TinyImageNet's training part may also be one JPEG grid for each class, in tiny-imagenet-grids.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from .. import config as configs
from .. import halves, runs
from ..arguments import positive, positive_int
from ..data import Images
from ..data.loader import test_images
from ..errors import UserError
from ..stored import read_json, read_torch, write_json
from ..training import accuracy
from .everything import call

RESERVE = 0.5    # minutes kept for reading pictures and writing weights
NEEDED = 0.5     # a row begins with at least this share of its minutes


@dataclass
class Row:
    config: str
    minutes: float
    name: str = ""
    twin: bool = False
    teacher: str | None = None
    start: str | None = None
    set: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = self.name or Path(self.config).stem + ("-relu" if self.twin else "")


def rows(path: Path) -> list[Row]:
    """The list's rows, in order."""
    table = configs.read(path)
    try:
        found = [Row(**row) for row in table.get("row", [])]
    except TypeError as error:
        raise UserError(f"{path}: {error}") from None
    if not found:
        raise UserError(f"{path} has no [[row]]")
    if len({row.name for row in found}) < len(found):
        raise UserError(f"{path}: two rows have the same name")
    for row in found:
        configs.load(configs.find(Path(row.config)), row.twin, row.set)
    return found


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("list", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="what comes back")
    parser.add_argument("--done", type=Path, help="what earlier leases brought back")
    parser.add_argument("--minutes", type=positive, required=True, help="in all")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=positive_int, help="of the CPU")
    parser.add_argument("--limit", type=positive_int, help="use only this many images (for a quick trial)")


def run(given: argparse.Namespace) -> None:
    end = time.monotonic() + 60 * given.minutes
    planned = rows(given.list)
    given.out.mkdir(parents=True, exist_ok=True)
    failed = []
    with tempfile.TemporaryDirectory(prefix="flash-train") as work:
        for row in planned:
            if _folder(row.name, given):
                continue
            left = (end - time.monotonic()) / 60 - RESERVE
            if left < NEEDED * row.minutes:
                print(f"{row.name} and what follows wait for the next lease: {max(left, 0):.1f} minutes are left")
                break
            try:
                _train(row, min(row.minutes, left), Path(work), given)
            except (subprocess.CalledProcessError, UserError) as error:
                failed.append(f"{row.name}: {error}")
    if failed:
        raise UserError("failed:\n  " + "\n  ".join(failed))


def _folder(name: str, given: argparse.Namespace) -> Path | None:
    """Where a finished row lies."""
    return next((p for p in (given.out / name, *([given.done / name] if given.done else [])) if _is_finished(p)), None)


def _is_finished(folder: Path) -> bool:
    return (folder / "run.json").exists() and runs.finished(folder)


def _train(row: Row, minutes: float, work: Path, given: argparse.Namespace) -> None:
    started = time.monotonic()
    options: list[object] = ["--twin"] if row.twin else []
    for kind, other in (("--teacher", row.teacher), ("--start", row.start)):
        if other:
            folder = _folder(other, given) or (Path(other) if _is_finished(Path(other)) else None)
            if folder is None:
                raise UserError(f"{row.name} needs {other}, which is not finished")
            options += [kind, folder]
    options += ["--threads", given.threads] if given.threads else []
    options += ["--limit", given.limit] if given.limit else []
    options += ["--set", *(f"{k}={json.dumps(v)}" for k, v in row.set.items())] if row.set else []
    made = work / row.name
    call(sys.executable, "-m", "flashtrain", "train", configs.find(Path(row.config)), "--data", given.data, "--run", made,
         "--device", given.device, "--minutes", f"{minutes:.2f}", *options)
    _bring_back(row, made, given, (time.monotonic() - started) / 60)


def _test_accuracy(target: Path, given: argparse.Namespace) -> str:
    """Of the weights that come back, in percent, or nothing where the test part was not carried."""
    config, model = runs.trained(target)
    try:
        images = test_images(config.source, given.data)
    except (OSError, UserError):
        return ""
    model.to(given.device, memory_format=torch.channels_last)
    return f"{100 * accuracy(model, config.source, Images(*(part[:given.limit] for part in images))):.2f}"


def _bring_back(row: Row, made: Path, given: argparse.Namespace, minutes: float) -> None:
    target = given.out / row.name
    target.mkdir(parents=True, exist_ok=True)
    halves.save(read_torch(made / "weights.pt"), target)
    shutil.copy(made / "log.csv", target / "log.csv")
    # The last file makes the row a finished one: a machine that is taken away before leaves one that is trained again.
    write_json(target / "run.json", read_json(made / "run.json"))
    with (made / "log.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    test = _test_accuracy(target, given)
    path = given.out / "lease.csv"
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["row", "epochs", "held_out_accuracy", "test_accuracy", "minutes"])
        writer.writerow([row.name, last["epoch"], last["held_out_accuracy"], test, f"{minutes:.2f}"])
