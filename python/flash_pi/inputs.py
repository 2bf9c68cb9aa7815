"""What infer(), Twin and compile() take as an input: files, pictures, arrays, tensors, items of data sets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _native
from .data import Item
from .errors import Error


def prepare(info: _native.ModelInfo, given: Any) -> NDArray[np.float32]:
    """The network's input of one picture or array: float32 [C, H, W].

    Args:
        info: of the model, such as Client.model.
        given:
            a path (str or Path): a PNG or JPEG file, or .npy with float values that are normalised already;
            a PIL image, or an array or tensor of uint8 [H, W], [H, W, 3] (or [3, H, W]): pixels, resized, cropped and
            normalised as the model says;
            an array or tensor of floats [C, H, W] or [1, C, H, W]: normalised already;
            an item of a DataSet.

    A float32 array that is contiguous is returned as it is, without a copy.
    """
    if isinstance(given, Item):
        return given.input(info)
    if isinstance(given, (str, os.PathLike)):
        path = Path(given)
        return prepare(info, _load(path)) if path.suffix == ".npy" else _native.prepare_file(info, path)
    if hasattr(given, "convert") and hasattr(given, "getbands"):  # a PIL image, without importing PIL
        given = np.asarray(given.convert("L" if info.input_shape[0] == 1 else "RGB"))
    if hasattr(given, "detach"):  # a torch tensor, without importing torch
        given = given.detach().cpu().numpy()
    array = np.asarray(given)
    if array.dtype == np.uint8:
        if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3):
            array = array.transpose(1, 2, 0)
        return _native.prepare_pixels(info, np.ascontiguousarray(array))
    if not np.issubdtype(array.dtype, np.floating):
        raise Error(f"an input holds uint8 pixels or normalised floats, not {array.dtype}", "invalid-argument")
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.shape != info.input_shape:
        raise Error(f"an input of shape {array.shape}; {info.name} takes {info.input_shape}", "invalid-argument")
    return np.ascontiguousarray(array, np.float32)


def _load(path: Path) -> Any:
    try:
        return np.load(path)
    except (OSError, ValueError) as error:
        raise Error(f"{path}: {error}", "file") from error
