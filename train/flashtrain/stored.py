"""What is stored in files of one's own: tables in JSON, tensors and modules by torch.save."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import torch

from .errors import UserError


def read_torch(path: Path, device: torch.device | str = "cpu") -> object:
    """What torch.save wrote into a file of one's own; a UserError if it did not, or not to its end."""
    # Newer versions of PyTorch read nothing but tensors unless told that a file is one's own.
    trusted = {"weights_only": False} if "weights_only" in inspect.signature(torch.load).parameters else {}
    try:
        return torch.load(path, map_location=device, **trusted)
    except Exception as error:  # a file's bytes decide which
        if isinstance(error, OSError) and error.filename:
            raise
        raise UserError(f"{path} is not what torch.save writes, or only a part of it: {error or type(error).__name__}") from None


def read_json(path: Path) -> dict:
    """A table in a JSON file; a UserError if it is none."""
    try:
        table = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} is no JSON: {error}") from None
    if not isinstance(table, dict):
        raise UserError(f"{path} holds no table")
    return table


def write_json(path: Path, table: dict) -> None:
    """All of it or, where the disk is full or the process ends, what was there before."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(table, indent=1))
    new.replace(path)
