"""Trains, exports and measures every configuration: one command, which goes on where it was stopped.

    flash-train all --data DIRECTORY --out FOLDER --flash build/release/src/cli/flash --download

For each configuration that is meant for a GPU (or those named): the ReLU twin, then the network with
the twin as its teacher, the ONNX file, the compiled model, the accuracy on the
test images of all three.  FOLDER/results.csv has one line per configuration; those of other calls stay.

--smoke STEPS tries everything on a few training steps instead, and measures nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from .. import config as configs
from .. import tables
from ..arguments import positive_int, program
from ..errors import UserError

LIMIT = 256         # images of each kind in a trial
CALIBRATION = 32    # of them to calibrate on
COLUMNS = ["config", "target", "relu", "float", "integer", "minutes"]

PACKAGE = Path(__file__).resolve().parents[2]  # the folder that holds flashtrain


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("configs", type=Path, nargs="*", help="default: all that are meant for a GPU")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the folders of the image sets")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--flash", type=Path, help="the flash program; without it nothing is compiled")
    parser.add_argument("--download", action="store_true", help="fetch image sets that are missing")
    parser.add_argument("--smoke", type=positive_int, metavar="STEPS", help="only this many steps of each")
    parser.add_argument("--no-twins", action="store_true", help="no ReLU twins, so no teachers")


def call(*command: object) -> str:
    """Runs a program and returns what it printed; it is printed here too. Raises if it fails."""
    print("$", *command, flush=True)
    path = os.pathsep.join(filter(None, (str(PACKAGE), os.environ.get("PYTHONPATH"))))
    lines = []
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": path}) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command[0])
    return "".join(lines)


def percentage(text: str, pattern: str) -> float | None:
    found = re.search(pattern, text)
    return round(100 * float(found.group(1)), 2) if found else None


class Result:
    """The steps from one configuration to its line of results."""

    def __init__(self, path: Path, given: argparse.Namespace) -> None:
        self.path, self.given = configs.find(path), given
        self.config = configs.load(self.path)
        path = self.path
        self.run = given.out / path.stem
        self.twin = given.out / f"{path.stem}-relu"
        self.onnx = self.run / f"{path.stem}.onnx"
        self.limit = ("--limit", LIMIT) if given.smoke else ()
        self.row: dict[str, object] = {"config": path.stem, "target": self.config.target}

    def _python(self, program: str, *more: object) -> str:
        return call(sys.executable, "-m", "flashtrain", program, *more, "--data", self.given.data)

    def train(self, folder: Path, *more: object) -> None:
        untaught = ("--set", "start_from_teacher=false") if self.given.no_twins and self.config.recipe.start_from_teacher else ()
        trial = ("--steps", self.given.smoke, *self.limit, "--set", "batch=8", "epochs=1", "freeze_norm=0.02",
                 "blend_start=0.0", "blend_end=0.0") if self.given.smoke else ()
        if trial and self.config.recipe.activation == "square":
            trial += ("quantise=0.02",)
        fetching = ("--download",) if self.given.download else ()
        self._python("train", self.path, "--run", folder, *fetching, *more, *untaught, *trial)

    def make(self) -> dict[str, object]:
        started = time.time()
        test = self.limit if self.given.smoke else ("--test",)
        teacher: tuple = ()
        if not self.given.no_twins:
            self.train(self.twin, "--twin")
            printed = self._python("export", "--run", self.twin, *test)
            self.row["relu"] = percentage(printed, r"test accuracy ([\d.]+)")
            teacher = ("--teacher", self.twin)
        self.train(self.run, *teacher)
        printed = self._python("export", "--run", self.run, "--out", self.onnx, *test)
        self.row["float"] = percentage(printed, r"test accuracy ([\d.]+)")
        if self.given.flash:
            self.compile()
        self.row["minutes"] = round((time.time() - started) / 60, 1)
        return self.row

    def compile(self) -> None:
        source = self.config.source
        compiled = self.onnx.with_suffix(".flash")
        kind = "images" if source.read is None else source.name
        spec = f"{kind}:{self.given.data / source.folder}"
        trial = ("--calib-images", CALIBRATION) if self.given.smoke else ()
        call(self.given.flash, "compile", self.onnx, "--calib", spec, "--out", compiled, *trial)
        if not self.given.smoke:
            measured = json.loads(call(self.given.flash, "eval", compiled, "--data", spec, "--json"))
            self.row["integer"] = round(100 * measured["accuracy"], 2)


def published() -> list[Path]:
    """Configurations that stand for a result of their own on a GPU; those of a CPU say so in their name."""
    return [p for p in sorted(configs.CONFIGS.glob("*.toml")) if p.stem != "ablation" and not p.stem.endswith("-cpu")]


def run(given: argparse.Namespace) -> None:
    if given.flash:
        given.flash = program(given.flash)
    given.out.mkdir(parents=True, exist_ok=True)
    rows, failed = [], []
    for path in given.configs or published():
        try:
            rows.append(Result(path, given).make())
        except (subprocess.CalledProcessError, UserError) as error:
            failed.append(f"{path.stem}: {error}")
            continue
        if not given.smoke:
            tables.keep(given.out / "results.csv", COLUMNS, rows[-1])
    for row in rows:
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    if failed:
        raise UserError("failed:\n  " + "\n  ".join(failed))

