"""From a ReLU network to one that the private protocol can run, by its graph: activations and poolings are replaced."""

from __future__ import annotations

import copy
import operator
from typing import Callable

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from .curves import ConvertedSine, ConvertedSquare, IdentityNorm
from .errors import UserError

# ReLU and its relatives, as modules, functions and methods
MODULES = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Softplus)
FUNCTIONS = {F.relu, F.relu_, torch.relu, torch.relu_, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.hardswish, F.softplus}
METHODS = {"relu", "relu_"}
PLAIN = {F.relu, F.relu_, torch.relu, torch.relu_}
SUMS = {operator.add, operator.iadd, torch.add}
POOL_FUNCTIONS = {F.max_pool2d, torch.max_pool2d, F.max_pool2d_with_indices}
# What stands between a convolution and its pooling without moving pixels
_POINTWISE = (nn.BatchNorm2d, nn.Identity, nn.Dropout, ConvertedSquare, ConvertedSine)


def replace(model: nn.Module, activation: str = "square", pooling: str = "average", period: float = 8.0) -> nn.Module:
    """A copy of `model` whose activations are curves and whose poolings are linear. Its weights are the same.

    With the square, an identity that is added to something gets a normalisation of its own, which begins as the
    identity too: without it the square's tail would grow from block to block.

    Every place where an activation is called gets a curve of its own, also where the original calls
    one module in several.

    Args:
        model: with trained weights; it is not changed.
        activation: "square" or "sine".
        pooling: what a maximum becomes: "average", or "strided": the convolution in front of it takes
            its stride, and the activation values in between are saved; where no convolution can, "average".
    """
    if activation not in ("square", "sine"):
        raise UserError(f"activation '{activation}' is not one of square, sine")
    if pooling not in ("average", "strided"):
        raise UserError(f"pooling '{pooling}' is not one of average, strided")
    graph = _trace(copy.deepcopy(model).eval())
    curves = _replace_activations(graph, (lambda function: ConvertedSquare(function)) if activation == "square"
                                  else (lambda function: ConvertedSine(function, period)))
    if not curves:
        raise UserError("the network has no ReLU or relative of it that could be replaced")
    _replace_poolings(graph, pooling)
    if activation == "square":
        _normalise_identities(graph)
    graph.graph.lint()
    graph.recompile()
    graph.delete_all_unused_submodules()
    return graph


def _trace(model: nn.Module) -> torch.fx.GraphModule:
    try:
        return torch.fx.symbolic_trace(model)
    except Exception as error:  # whatever the network's own code does
        raise UserError("the network's forward pass cannot be followed by torch.fx, for instance because it depends on "
                        f"the values it computes: {error}") from error


def _replace_activations(traced: torch.fx.GraphModule, make: Callable[[Callable], nn.Module]) -> int:
    modules = dict(traced.named_modules())
    count = 0
    for node in list(traced.graph.nodes):
        function = _function(node, modules)
        if function is None:
            continue
        count += 1
        name = f"curve{count}"
        traced.add_submodule(name, make(function))
        with traced.graph.inserting_after(node):
            new = traced.graph.call_module(name, (node.args[0],))
        node.replace_all_uses_with(new)
        traced.graph.erase_node(node)
    return count


def _function(node: torch.fx.Node, modules: dict[str, nn.Module]) -> Callable[[Tensor], Tensor] | None:
    """What an activation's node computes; None: it is none."""
    if node.op == "call_module" and isinstance(modules[node.target], MODULES):
        module = modules[node.target]
        if isinstance(module, nn.ReLU):
            return torch.relu
        clean = copy.deepcopy(module).requires_grad_(False)
        if getattr(clean, "inplace", False):
            clean.inplace = False
        for name, weight in list(clean.named_parameters(recurse=False)):  # a PReLU's: it stays as it is, and is no weight of the new network
            delattr(clean, name)
            clean.register_buffer(name, weight.detach(), persistent=False)
        return clean
    if node.op == "call_method" and node.target in METHODS:
        return torch.relu
    if node.op == "call_function" and node.target in FUNCTIONS:
        if node.target in PLAIN:
            return torch.relu
        arguments, named = node.args[1:], {k: v for k, v in node.kwargs.items() if k not in ("inplace", "input")}
        return lambda u, call=node.target: call(u, *arguments, **named)
    return None


def _replace_poolings(traced: torch.fx.GraphModule, kind: str) -> None:
    modules = dict(traced.named_modules())
    count = 0
    for node in list(traced.graph.nodes):
        window = _window(node, modules)
        if window is None:
            continue
        size, stride, padding = window
        convolution = _in_front(node) if kind == "strided" and size else None
        with traced.graph.inserting_after(node):
            if convolution is not None:
                convolution.stride = tuple(a * b for a, b in zip(convolution.stride, stride))
                new = node.args[0]
            else:
                count += 1
                name = f"mean{count}"
                traced.add_submodule(name, nn.AvgPool2d(size, stride, padding) if size else nn.AdaptiveAvgPool2d(stride))
                new = traced.graph.call_module(name, (node.args[0],))
        node.replace_all_uses_with(new)
        traced.graph.erase_node(node)


def _normalise_identities(traced: torch.fx.GraphModule) -> None:
    """A normalisation on every branch of a sum that is an activation's output as it is."""
    count = 0
    for node in list(traced.graph.nodes):
        if node.op != "call_function" or node.target not in SUMS:
            continue
        for source in node.args[:2]:
            if not isinstance(source, torch.fx.Node) or source.op != "call_module":
                continue
            if not isinstance(traced.get_submodule(source.target), (ConvertedSquare, ConvertedSine)):
                continue
            count += 1
            traced.add_submodule(f"identity{count}", IdentityNorm())
            with traced.graph.inserting_before(node):
                node.replace_input_with(source, traced.graph.call_module(f"identity{count}", (source,)))


def _pair(value) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def _window(node: torch.fx.Node, modules: dict[str, nn.Module]):
    """Kernel, stride and padding of a maximum; kernel None: adaptive, stride its output size; None: the node is none."""
    if node.op == "call_module":
        module = modules[node.target]
        if isinstance(module, nn.AdaptiveMaxPool2d):
            return None, _pair(module.output_size), None
        if not isinstance(module, nn.MaxPool2d):
            return None
        _check_pooling(module.dilation, module.ceil_mode, module.return_indices)
        return _pair(module.kernel_size), _pair(module.stride), _pair(module.padding)
    if node.op == "call_function" and node.target in POOL_FUNCTIONS:
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
        given = {**dict(zip(names, node.args[1:])), **node.kwargs}
        _check_pooling(given.get("dilation", 1), given.get("ceil_mode"), given.get("return_indices") or node.target is F.max_pool2d_with_indices)
        size = _pair(given["kernel_size"])
        return size, _pair(given.get("stride") or size), _pair(given.get("padding", 0))
    return None


def _check_pooling(dilation, ceil_mode, return_indices) -> None:
    if ceil_mode or return_indices or _pair(dilation) != (1, 1):
        raise UserError("a max pooling with ceil_mode, indices or dilation cannot be replaced")


def _in_front(node: torch.fx.Node) -> nn.Conv2d | None:
    """The convolution whose stride can stand for a pooling: nothing but pointwise layers between, read by nobody else."""
    at = node.args[0]
    while isinstance(at, torch.fx.Node) and at.op == "call_module" and len(at.users) == 1:
        module = at.graph.owning_module.get_submodule(at.target)
        if isinstance(module, nn.Conv2d):
            return module
        if not isinstance(module, _POINTWISE):
            return None
        at = at.args[0]
    return None
