"""Reading ONNX files: the weights of one, and a small interpreter for the operators that the networks here use, which checks what was written."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from .data import Images, Source
from .errors import UserError


@torch.no_grad()
def run_onnx(path: Path, image: Tensor) -> Tensor:
    """Evaluates an exported network: float32 [N, 3, H, W] -> [N, classes].

    A small interpreter of the operators that these networks use; it reads
    nothing but the file and so checks the file, not the PyTorch model.
    """
    graph = onnx.load(str(path)).graph
    values = _initializers(graph)
    values[graph.input[0].name] = image
    for node in graph.node:
        inputs = [values[name] for name in node.input]
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = _apply(node.op_type, inputs, attributes)
    return values[graph.output[0].name]


def read_weights(path: Path) -> dict[str, Tensor]:
    """Parameters and statistics in a file that export.write_onnx wrote, by their names in the network: the way back from a released model.

    Raises:
        UserError: the file is no ONNX file.
    """
    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:  # protobuf's own, which has another name in each of its versions
        raise UserError(f"{path} is no ONNX file: {error}") from None
    weights = _initializers(graph)
    for node in graph.node:
        # The exporter writes tensors with equal values once.
        if node.op_type == "Identity" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]].clone()
    return weights


def _initializers(graph: onnx.GraphProto) -> dict[str, Tensor]:
    return {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}


def _apply(operator: str, x: list[Tensor], attributes: dict) -> Tensor:
    if operator == "Conv":
        pads = attributes["pads"]
        if pads[:2] != pads[2:]:
            raise NotImplementedError("asymmetric padding")
        return torch.conv2d(x[0], x[1], x[2] if len(x) > 2 else None, attributes["strides"],
                            pads[:2], attributes["dilations"], attributes.get("group", 1))
    if operator == "BatchNormalization":
        return torch.batch_norm(x[0], x[1], x[2], x[3], x[4], False, 0.0,
                                attributes["epsilon"], False)
    if operator == "Mul":
        return x[0] * x[1]
    if operator == "Add":
        return x[0] + x[1]
    if operator == "Sub":
        return x[0] - x[1]
    if operator == "Sin":
        return torch.sin(x[0])
    if operator == "Cos":
        return torch.cos(x[0])
    if operator == "Constant":
        return torch.from_numpy(numpy_helper.to_array(attributes["value"]).copy())
    if operator == "Transpose":
        return x[0].permute(*attributes["perm"])
    if operator == "Concat":
        return torch.cat(x, attributes["axis"])
    if operator == "Pad":
        pads = [int(p) for p in x[1]]
        rank = len(pads) // 2
        return torch.nn.functional.pad(x[0], [p for axis in reversed(range(rank)) for p in (pads[axis], pads[axis + rank])])
    if operator == "AveragePool":
        pads = attributes.get("pads", [0, 0, 0, 0])
        if pads[:2] != pads[2:] or attributes.get("ceil_mode", 0):
            raise NotImplementedError("asymmetric padding or partial windows")
        return torch.nn.functional.avg_pool2d(x[0], attributes["kernel_shape"], attributes["strides"], pads[:2],
                                              count_include_pad=bool(attributes.get("count_include_pad", 0)))
    if operator == "GlobalAveragePool":
        return x[0].mean((2, 3), keepdim=True)
    if operator == "ReduceMean":
        axes = attributes["axes"] if len(x) == 1 else x[1].tolist()  # an input from opset 18 on
        return x[0].mean(axes, keepdim=bool(attributes.get("keepdims", 1)))
    if operator == "Flatten":
        return torch.flatten(x[0], attributes.get("axis", 1))
    if operator == "Gemm" and attributes.get("transB") and not attributes.get("transA"):
        return x[0] @ x[1].T + x[2]
    if operator == "MatMul":
        return x[0] @ x[1]
    if operator in ("Identity", "Dropout"):
        return x[0]
    raise NotImplementedError(f"operator {operator} {attributes}")


def file_accuracy(path: Path, source: Source, images: Images) -> float:
    """Fraction of images that the exported network classifies correctly."""
    correct = 0
    for pixels, labels in zip(images.pixels.split(500), images.labels.split(500)):
        correct += (run_onnx(path, source.standardise(pixels)).argmax(1) == labels).sum().item()
    return correct / len(images.labels)
