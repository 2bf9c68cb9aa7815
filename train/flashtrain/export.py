"""Writing a trained network as ONNX."""

from __future__ import annotations

import inspect
import json
import warnings
from pathlib import Path
from typing import Sequence

import onnx
import torch
from torch import nn

from .activation import activations, set_alpha
from .data import Source
from .quantise import detach

# The exporter that PyTorch 1.13 has too; newer ones would take another by default.
_WITHOUT_DYNAMO = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}


def write_onnx(model: nn.Module, path: Path, name: str, source: Source, opset: int = 13,
               labels: Sequence[str] | None = None) -> None:
    """Writes `model` with input "image" [N, 3, side, side] and output "logits" [N, classes].

    Batch normalisation stays as its own nodes; the square is Mul and Add, sine one Sin of an affine input.
    The file's metadata say what a client has to do to an image and what the
    outputs mean (`labels`; those of the image set by default).
    """
    model.eval().cpu()
    detach(model)
    set_alpha(model, 1.0)
    for layer in activations(model):
        layer.fix_constants()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # constants are meant to be constants
        torch.onnx.export(
            model, torch.zeros(1, 3, source.side, source.side), str(path), opset_version=opset,
            # PRESERVE (of evaluation mode) keeps the BatchNormalization nodes.
            training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
            input_names=["image"], output_names=["logits"],
            dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}}, **_WITHOUT_DYNAMO)
    exported = onnx.load(str(path))
    properties = {
        "flash.name": name,
        "flash.input": json.dumps({
            "mean": source.mean, "std": source.std, "resize": source.resize, "crop": source.side,
            "interpolation": "bilinear", "color": "rgb"})}
    names = source.labels if labels is None else labels
    if names:
        properties["flash.classes"] = json.dumps(names)
    onnx.helper.set_model_props(exported, properties)
    onnx.checker.check_model(exported)
    onnx.save(exported, str(path))
