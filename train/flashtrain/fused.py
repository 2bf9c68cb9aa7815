"""Normalisation, sum and activation in one pass over memory, in bfloat16 on one thread of a CPU: of networks in training, and of their teachers.

In networks of many small layers these take nearly as long as the convolutions between them.  `fused.c`, compiled once by the system's C compiler,
does the arithmetic; where there is no compiler, or anything else is asked for than it does, PyTorch's operations do.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from .activation import PENALISED, SquareActivation, penalty_of
from .processor import features
from .sine import SineActivation, in_turns

SOURCE = Path(__file__).with_name("fused.c")
FLAGS = ("-O3", "-march=native", "-std=gnu11", "-shared", "-fPIC")
LANES = 16    # channels come in such groups
SINE, RELU, SQUARE = range(3)


class _Curve(ctypes.Structure):
    _fields_ = [("curve", ctypes.c_int32), ("tail", ctypes.c_float), ("amplitude", ctypes.c_float), ("constant", ctypes.c_float),
                ("slope", ctypes.c_float)]


@functools.cache
def kernels() -> ctypes.CDLL | None:
    """The compiled fused.c, from the user's cache folder or made anew; None where it cannot be made."""
    compiler = os.environ.get("CC") or shutil.which("cc")
    if not compiler:
        return None
    try:
        made_from = SOURCE.read_bytes() + repr((FLAGS, compiler, _machine())).encode()
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flash-train"
        path = folder / f"fused-{hashlib.sha256(made_from).hexdigest()[:16]}.so"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryDirectory(dir=folder) as new:
                made = Path(new) / path.name
                subprocess.run([*compiler.split(), *FLAGS, str(SOURCE), "-o", str(made)], check=True, capture_output=True)
                made.replace(path)  # at once: another run may be about to load it
        return ctypes.CDLL(str(path))
    except (OSError, RuntimeError, subprocess.SubprocessError):  # RuntimeError: there is no home
        return None


def _machine() -> str:
    """What code for this processor may not run on another for."""
    return " ".join(sorted(features())) or platform.processor() + platform.machine()


def normalised(activation: SquareActivation, *terms: tuple[nn.BatchNorm2d, Tensor]) -> Tensor:
    """activation(sum of norm(x)) for one or two terms (norm, x [N, C, H, W]) -> [N, C, H, W]."""
    if _can(activation, terms):
        return _fused(activation, terms)
    total = terms[0][0](terms[0][1])
    for norm, x in terms[1:]:
        total = total + norm(x)
    return activation(total)


def _can(activation: SquareActivation, terms: tuple[tuple[nn.BatchNorm2d, Tensor], ...]) -> bool:
    x = terms[0][1]
    return (torch.is_autocast_cpu_enabled() and x.device.type == "cpu" and torch.get_num_threads() == 1
            and activation.alpha in (0.0, 1.0) and activation.quantiser is None and activation.quadratic is None
            and getattr(activation, "log_period", None) is None
            and not activation._forward_hooks and not any(norm._forward_hooks for norm, _ in terms)  # somebody wants to see what is left out here
            # What fused.c reads without asking: shapes, and floats per channel.
            and len(terms) <= 2 and x.shape[1] % LANES == 0 and x.numel() > 0
            and all(value.shape == x.shape and norm.momentum is not None and norm.weight is not None and norm.weight.dtype == torch.float32
                    for norm, value in terms)
            and kernels() is not None)


def _fused(activation: SquareActivation, terms: tuple[tuple[nn.BatchNorm2d, Tensor], ...]) -> Tensor:
    every = PENALISED if activation.training and activation.reach is not None else 0
    given: list[Tensor | None] = []
    for norm, x in terms:
        given += [_map(x), norm.weight, norm.bias]
    with torch.autocast("cpu", enabled=False):
        y, far, *moments = _Normalised.apply(_curve(activation), every, [norm for norm, _ in terms], *given)
        if every:
            activation.penalty = penalty_of(far, activation.reach, activation.exponent)
    with torch.no_grad():
        for (norm, x), (mean, variance) in zip(terms, zip(moments[::2], moments[1::2])):
            if norm.training:
                pixels = x.numel() // x.shape[1]
                norm.running_mean.lerp_(mean, norm.momentum)
                norm.running_var.lerp_(variance * (pixels / max(pixels - 1, 1)), norm.momentum)
                norm.num_batches_tracked += 1
    return y


def _map(x: Tensor) -> Tensor:
    return x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)


def _curve(activation: SquareActivation) -> tuple[_Curve, float, float]:
    """For fused.c; and what turns pre-activations into its units: u * factor + offset."""
    if activation.alpha == 0:
        return _Curve(RELU), 1.0, 0.0
    if isinstance(activation, SineActivation):
        amplitude, constant, slope, factor, offset = in_turns(activation.period)
        return _Curve(SINE, 0, amplitude, constant, slope), factor, offset
    return _Curve(SQUARE, activation.training and activation.tail or 3e38), 1.0, 0.0


class _Normalised(torch.autograd.Function):
    """curve, every, norms, then for each term x, gamma, beta -> y; u of every `every`-th image or None; mean and variance of each term."""

    @staticmethod
    def forward(ctx, curve: tuple[_Curve, float, float], every: int, norms: list[nn.BatchNorm2d], *given: Tensor) -> tuple[Tensor | None, ...]:
        f, factor, offset = curve
        xs, gammas, betas = given[::3], given[1::3], given[2::3]
        moments, scales, shift = [], [], torch.zeros_like(betas[0])
        for norm, x, gamma, beta in zip(norms, xs, gammas, betas):
            mean, variance = _moments(x) if norm.training else (norm.running_mean.clone(), norm.running_var.clone())
            inverse = (variance + norm.eps).rsqrt()
            moments += [mean, variance]
            scales.append((gamma * inverse, mean, inverse))
            shift = shift + beta - gamma * inverse * mean
        in_units = [(k * factor).contiguous() for k, _, _ in scales]
        d = (shift * factor + offset).contiguous()
        y = torch.empty_like(xs[0])
        kernels().flash_forward(*_pair(xs), *_size(xs[0]), *_pair(in_units), _at(d), ctypes.byref(f), _at(y))
        far = None
        if every:
            far = shift.view(-1, 1, 1) + sum(x[::every].float() * k.view(-1, 1, 1) for x, (k, _, _) in zip(xs, scales))
        ctx.save_for_backward(d, *xs, *in_units, *(part for parts in scales for part in parts))
        ctx.f, ctx.every, ctx.terms, ctx.fixed = f, every, len(xs), [not norm.training for norm in norms]
        ctx.mark_non_differentiable(*moments)
        return y, far, *moments

    @staticmethod
    def backward(ctx, gradient: Tensor, of_far: Tensor | None, *_) -> tuple[Tensor | None, ...]:
        terms = ctx.terms
        d, *saved = ctx.saved_tensors
        xs, in_units, parts = saved[:terms], saved[terms:2 * terms], saved[2 * terms:]
        gradient = _map(gradient)  # a pooling's comes in another layout
        du = torch.empty_like(xs[0])
        found = torch.empty(3, xs[0].shape[1], dtype=torch.float64)
        kernels().flash_backward(_at(gradient), *_pair(xs), *_size(xs[0]), *_pair(in_units), _at(d), ctypes.byref(ctx.f), _at(du), _at(found))
        sums = found.float()
        if ctx.every and of_far is not None:
            du[::ctx.every] += of_far.to(du.dtype)
            sums[0] += of_far.sum((0, 2, 3))
            for index, x in enumerate(xs):
                sums[index + 1] += (of_far * x[::ctx.every]).sum((0, 2, 3))
        given: list[Tensor | None] = []
        for index in reversed(range(terms)):  # the first term's takes the place of du
            k, mean, inverse = parts[3 * index:3 * index + 3]
            of_gamma = (sums[index + 1] - sums[0] * mean) * inverse
            pixels = du.numel() // du.shape[1]
            # k (du - mean of du - xhat mean of (du xhat)), with xhat = (x - mean) inverse
            q = torch.zeros_like(k) if ctx.fixed[index] else -k * inverse * of_gamma / pixels
            r = torch.zeros_like(k) if ctx.fixed[index] else -k * sums[0] / pixels - q * mean
            dx = torch.empty_like(du) if index else du
            pqr = torch.stack([k, q, r])
            kernels().flash_inputs(_at(du), _at(xs[index]), *_size(du), _at(pqr), _at(dx))
            given = [dx, of_gamma, sums[0], *given]
        return None, None, None, *given


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (of the batch, biased) of each channel."""
    sums = torch.empty(2, x.shape[1], dtype=torch.float64)
    kernels().flash_moments(_at(x), *_size(x), _at(sums))
    mean, square = sums / (x.numel() // x.shape[1])
    return mean.float(), (square - mean * mean).clamp_(min=0).float()


def _at(x: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.data_ptr())


def _pair(xs: list[Tensor] | tuple[Tensor, ...]) -> tuple[ctypes.c_void_p, ctypes.c_void_p | None]:
    return _at(xs[0]), _at(xs[1]) if len(xs) > 1 else None


def _size(x: Tensor) -> tuple[ctypes.c_ssize_t, ctypes.c_ssize_t]:
    return ctypes.c_ssize_t(x.numel() // x.shape[1]), ctypes.c_ssize_t(x.shape[1])
