"""Gradients of convolutions on small feature maps, one matrix product for each tap of the kernel.

oneDNN's AMX kernels fill a tile with the pixels of one row: on maps of 3 or 7 pixels most of a tile is empty.  With the pixels of
the whole batch as one side of a matrix it is full.  The figures are those of the convolution, up to the order of sums.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WEIGHT_SIDE = 8  # widest output whose weight gradient is faster so
INPUT_SIDE = 4   # widest output whose input gradient is faster so


class _Taps(torch.autograd.Function):
    """x [N, in, H, W], kernel [out, in, k, k], both bfloat16 and channels last -> [N, out, H', W']."""

    @staticmethod
    def forward(ctx, x: Tensor, kernel: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, kernel)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, kernel, None, stride, padding)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        x, kernel = ctx.saved_tensors
        high, wide = gradient.shape[2:]
        (down, right), (above, left) = ctx.stride, ctx.padding
        pixels = gradient.permute(0, 2, 3, 1).reshape(-1, len(kernel))  # [N H' W', out]
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, left, left, above, above))
        for_input = None
        if ctx.needs_input_grad[0]:
            if wide <= INPUT_SIDE:
                for_input = torch.zeros(padded.shape, dtype=torch.float32)
            else:
                for_input, _, _ = torch.ops.aten.convolution_backward(gradient, x, kernel, None, ctx.stride, ctx.padding, (1, 1), False,
                                                                      (0, 0), 1, (True, False, False))
        for_kernel = torch.empty(kernel.shape[2:] + kernel.shape[:2], dtype=kernel.dtype)
        for i in range(kernel.shape[2]):
            for j in range(kernel.shape[3]):
                rows, columns = slice(i, i + down * (high - 1) + 1, down), slice(j, j + right * (wide - 1) + 1, right)
                seen = padded[:, rows, columns]
                torch.mm(pixels.t(), seen.reshape(-1, x.shape[1]), out=for_kernel[i, j])
                if for_input is not None and wide <= INPUT_SIDE:
                    for_input[:, rows, columns] += (pixels @ kernel[:, :, i, j]).view(seen.shape)
        if for_input is not None and wide <= INPUT_SIDE:
            inner = for_input[:, above:above + x.shape[2], left:left + x.shape[3]]
            for_input = inner.to(x.dtype).permute(0, 3, 1, 2)
        return for_input, for_kernel.permute(2, 3, 0, 1), None, None


class TapConv2d(nn.Conv2d):
    """The same layer; in training in bfloat16 on a CPU, on a small map, with the gradients above."""

    def forward(self, x: Tensor) -> Tensor:
        wide = (x.shape[3] + 2 * self.padding[1] - self.kernel_size[1]) // self.stride[1] + 1
        if not (self.training and torch.is_autocast_cpu_enabled() and wide <= WEIGHT_SIDE and x.device.type == "cpu"):
            return super().forward(x)
        kernel = self.weight.to(torch.bfloat16)
        with torch.autocast("cpu", enabled=False):
            return _Taps.apply(x.to(torch.bfloat16), kernel, self.stride, self.padding)


def use_taps(model: nn.Module) -> None:
    """Every convolution that can becomes one of these; weights and names stay."""
    for module in model.modules():
        if type(module) is not nn.Conv2d or module.groups != 1 or module.bias is not None or module.dilation != (1, 1):
            continue
        if module.padding_mode == "zeros" and not isinstance(module.padding, str):
            module.__class__ = TapConv2d
