"""Normalisation, sum and activation in one pass are those of PyTorch's operations one by one."""

from __future__ import annotations

import copy
import os
import tempfile
import unittest
from unittest import mock

from common import Seeded

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtrain import fused, zoo
from flashtrain.activation import SquareActivation, range_penalty, set_penalty
from flashtrain.sine import SineActivation, use_sine

BITS = 0.01  # bfloat16 has 8: of the norm of a tensor

# activation, alpha, tail, reach, whether statistics are fixed
CASES = ((SineActivation, 1.0, 0.0, None, False), (SineActivation, 0.0, 0.0, None, False), (SquareActivation, 1.0, 0.0, None, False),
         (SquareActivation, 1.0, 0.5, 2.0, False), (SquareActivation, 1.0, 0.5, 2.0, True), (SineActivation, 1.0, 0.0, None, True))


def channels_last(x: Tensor) -> Tensor:
    return x.bfloat16().contiguous(memory_format=torch.channels_last)


def distance(found: Tensor, expected: Tensor) -> float:
    return ((found.float() - expected).norm() / expected.norm().clamp(min=1e-6)).item()


def passed(activation: SquareActivation, norms: list[nn.BatchNorm2d], maps: list[Tensor], weights: Tensor, fuse: bool) -> list[Tensor]:
    """Output, gradients of maps, gammas and betas, running statistics."""
    norms = copy.deepcopy(norms)
    maps = [(x if fuse else x.float()).clone().requires_grad_(True) for x in maps]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fuse):
        y = fused.normalised(activation, *zip(norms, maps))
    assert (type(y.grad_fn).__name__ == "_NormalisedBackward") == fuse
    loss = (y.float() * weights).sum()
    if activation.reach:
        loss = loss + 1000 * range_penalty(activation)
    loss.backward()
    of_norms = [part for norm in norms for part in (norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var)]
    return [y.detach(), *(x.grad for x in maps), *of_norms]


@unittest.skipIf(fused.kernels() is None, "there is no C compiler")
class FusedTest(Seeded):
    def test_equals_one_operation_after_the_other(self) -> None:
        for kind, alpha, tail, reach, fixed in CASES:
            for terms, channels, side in ((1, 16, 9), (2, 48, 5), (2, 16, 1)):
                with self.subTest(kind=kind.__name__, alpha=alpha, tail=tail, fixed=fixed, terms=terms, channels=channels):
                    activation = kind()
                    activation.alpha, activation.tail, activation.reach = alpha, tail, reach
                    norms = [nn.BatchNorm2d(channels) for _ in range(terms)]
                    for norm in norms:
                        nn.init.normal_(norm.weight, 1, 0.3)
                        nn.init.normal_(norm.bias)
                        norm.running_mean.normal_()
                        norm.train(not fixed)
                    maps = [channels_last(torch.randn(30, channels, side, side) * 2 + term) for term in range(terms)]
                    weights = channels_last(torch.randn(30, channels, side, side)).float()
                    found = passed(activation, norms, maps, weights, True)
                    for value, expected in zip(found, passed(activation, norms, maps, weights, False)):
                        self.assertEqual(value.shape, expected.shape)
                        self.assertLess(distance(value, expected), BITS)

    def test_a_block_learns_the_same(self) -> None:
        block = zoo.BasicBlock(16, 32, 2)
        use_sine(block)
        images = torch.randn(20, 16, 8, 8).contiguous(memory_format=torch.channels_last)
        found = []
        for fuse in (False, True):
            model = copy.deepcopy(block).to(memory_format=torch.channels_last)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fuse):
                F.mse_loss(model(images).float(), torch.ones(20, 32, 4, 4)).backward()
            found.append({name: parameter.grad for name, parameter in model.named_parameters()})
        for name, expected in found[0].items():
            self.assertLess(distance(found[1][name], expected), 0.15, name)  # of convolutions in bfloat16

    def test_what_it_does_not_do_is_left_to_pytorch(self) -> None:
        x = channels_last(torch.randn(4, 16, 3, 3)).requires_grad_(True)

        def taken(activation: SquareActivation, x: Tensor = x, channels: int = 16) -> bool:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return type(fused.normalised(activation, (nn.BatchNorm2d(channels), x)).grad_fn).__name__ == "_NormalisedBackward"

        self.assertTrue(taken(SquareActivation()))
        blended, watched, own = SquareActivation(), SquareActivation(), SineActivation()
        blended.alpha = 0.5
        watched.register_forward_hook(lambda *_: None)
        own.log_period = nn.Parameter(torch.full((16, 1, 1), 2.0))
        for activation in (blended, watched, own):
            self.assertFalse(taken(activation))
        self.assertFalse(taken(SquareActivation(), channels_last(torch.randn(4, 8, 3, 3)).requires_grad_(True), 8))
        first, second = nn.BatchNorm2d(16), nn.BatchNorm2d(16)
        with torch.autocast("cpu", dtype=torch.bfloat16), mock.patch.object(fused, "_fused", side_effect=AssertionError("fused")):
            fused.normalised(SquareActivation(), (first, x), (second, channels_last(torch.randn(1, 16, 1, 1)).expand(4, 16, 3, 1)))
        with mock.patch.object(fused, "kernels", lambda: None):
            self.assertFalse(taken(SquareActivation()))

    def test_a_teacher_has_no_tail_and_no_penalty(self) -> None:
        activation, norm = SquareActivation().eval(), nn.BatchNorm2d(16).eval()
        activation.tail, activation.reach = 0.5, 2.0
        x = channels_last(3 * torch.randn(8, 16, 4, 4))
        with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad(), mock.patch.object(fused, "_fused", wraps=fused._fused) as called:
            y = fused.normalised(activation, (norm, x))
        self.assertEqual(called.call_count, 1)
        self.assertLess(distance(y, activation(norm(x.float()))), BITS)
        self.assertEqual(activation.penalty.item(), 0)

    def test_a_penalty_of_old_batches_does_not_stay(self) -> None:
        activation = SquareActivation()
        set_penalty(activation, 1.0)
        norm, x = nn.BatchNorm2d(16), channels_last(torch.randn(8, 16, 4, 4))
        found = []
        for gamma in (3.0, 0.1):
            nn.init.constant_(norm.weight, gamma)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                fused.normalised(activation, (norm, x))
            found.append(activation.penalty.item())
        self.assertGreater(found[0], 1.0)
        self.assertLess(found[1], 0.01)


class KernelsTest(Seeded):
    def test_without_a_compiler_there_is_none(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for compiler in ("/nonexistent/cc", "false"):
                with mock.patch.dict(os.environ, {"CC": compiler, "XDG_CACHE_HOME": folder}):
                    self.assertIsNone(fused.kernels.__wrapped__())

    @unittest.skipIf(fused.kernels() is None, "there is no C compiler")
    def test_is_compiled_once(self) -> None:
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, {"XDG_CACHE_HOME": folder}):
            self.assertIsNotNone(fused.kernels.__wrapped__())
            with mock.patch.object(fused.subprocess, "run", side_effect=AssertionError("compiled again")):
                self.assertIsNotNone(fused.kernels.__wrapped__())


if __name__ == "__main__":
    unittest.main()
