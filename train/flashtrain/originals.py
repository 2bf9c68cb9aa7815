"""Where a network to convert comes from: a file and a name in it, or torchvision."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

from torch import Tensor, nn

from .errors import UserError
from .runs import restore
from .stored import read_torch


def build(spec: str, **arguments) -> nn.Module:
    """FILE.py:NAME or torchvision:NAME -> the module; NAME is a class, a function that makes one, or the module itself."""
    place, colon, name = spec.rpartition(":")
    if not colon:
        raise UserError(f"'{spec}' is neither FILE.py:NAME nor torchvision:NAME")
    source = _torchvision() if place == "torchvision" else _file(Path(place))
    made = getattr(source, name, None)
    if made is None:
        raise UserError(f"{place} has no {name}")
    if isinstance(made, nn.Module):
        return made
    try:
        model = made(**arguments)
    except Exception as error:  # whatever the network's own code does
        said = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise UserError(f"{name}({said}) of {place} fails: {_said(error)}; --arg NAME=VALUE passes arguments") from error
    if not isinstance(model, nn.Module):
        raise UserError(f"{name} of {place} makes no PyTorch module")
    return model


def _torchvision():
    try:
        return importlib.import_module("torchvision.models")
    except ImportError:
        raise UserError("torchvision is not installed; FILE.py:NAME names a network of your own") from None


def _file(path: Path):
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    if path.suffix != ".py":
        raise UserError(f"{path} is no Python file: its name does not end in .py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))  # what the file imports lies beside it
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the file does
        raise UserError(f"{path} cannot be imported: {_said(error)}") from error
    finally:
        sys.path.pop(0)
    return module


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def load_weights(model: nn.Module, path: Path) -> None:
    """A state dictionary, alone or under "model" or "state_dict", or a whole module, as torch.save wrote it."""
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    stored = read_torch(path)
    for name in ("state_dict", "model"):
        if isinstance(stored, dict) and isinstance(stored.get(name), (dict, nn.Module)):
            stored = stored[name]
    if isinstance(stored, nn.Module):
        stored = stored.state_dict()
    if not isinstance(stored, dict):
        raise UserError(f"{path} holds a {type(stored).__name__} and no state dictionary")
    for name, value in stored.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise UserError(f"{path} holds no state dictionary: its entry {name!r} is a {type(value).__name__} and no tensor with a name")
    # As DataParallel writes them
    stored = {name.removeprefix("module."): value for name, value in stored.items()}
    restore(model, stored, f"the weights in {path} are not this network's")
