"""What infer(), Twin and compile() take as an input: files, pictures, arrays, tensors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from . import _native
from .errors import Error


def prepare(info: _native.ModelInfo, given: Any) -> np.ndarray:
    """The network's input of one picture or array: float32 [C, H, W].

    given:
        a path (str or Path): a PNG or JPEG file, or .npy with float values that are normalised already;
        a PIL image, or an array or tensor of uint8 [H, W], [H, W, 3] (or [3, H, W]): pixels, resized, cropped and normalised
            as the model says;
        an array or tensor of floats [C, H, W]: normalised already.
    """
    if isinstance(given, (str, os.PathLike)):
        path = Path(given)
        return prepare(info, np.load(path)) if path.suffix == ".npy" else _native.prepare_file(info, path)
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
    if array.shape != tuple(info.input_shape):
        raise Error(f"an input of shape {array.shape}; {info.name} takes {tuple(info.input_shape)}", "invalid-argument")
    return np.ascontiguousarray(array, np.float32)
