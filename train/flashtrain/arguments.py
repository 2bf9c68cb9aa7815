"""Kinds of arguments on the command line: a number that is none is refused by argparse, with the option's name; what is to be there is looked for before work begins."""

from __future__ import annotations

import argparse
import math
import shutil
from pathlib import Path

from .errors import UserError


def positive_int(text: str) -> int:
    """1, 2, ..."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not 1 or more")
    return value


def positive(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no number") from None
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def program(name: str | Path) -> Path:
    """Where a program is: a path, or a name that the shell would find. UserError if it is not there."""
    found = shutil.which(name)
    if found is None:
        raise UserError(f"there is no program {name}: --flash names the built one")
    return Path(found).absolute()


def check_place(out: Path) -> None:
    """UserError if there is no folder for a file that is to be written."""
    if not out.resolve().parent.is_dir():
        raise UserError(f"there is no folder {out.parent} for {out.name}")
