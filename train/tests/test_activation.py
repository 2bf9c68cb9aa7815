"""The square, its blend from ReLU, its penalty."""

from __future__ import annotations

import math
import unittest

from common import Seeded

import torch

from flashtrain.activation import SquareActivation, add_scales, penalty_of


def _tail(u: torch.Tensor, tail: float) -> torch.Tensor:
    return torch.where(u.abs() > tail, 2 * tail * u.abs() - tail * tail, u * u) + u


class ActivationTest(Seeded):
    def test_blend_runs_from_relu_to_square(self) -> None:
        u = torch.linspace(-2, 2, 9).view(1, 1, 3, 3)
        layer = SquareActivation()
        for training_mode in (True, False):
            layer.train(training_mode)
            for alpha, expected in ((0.0, 2 * torch.relu(u)), (1.0, u * u + u),
                                    (0.25, 0.25 * (u * u + u) + 1.5 * torch.relu(u))):
                layer.alpha = alpha
                self.assertTrue(torch.allclose(layer(u), expected))

    def test_gradients_of_blend_and_penalty(self) -> None:
        u = torch.randn(8, 3, 4, 4, dtype=torch.double, requires_grad=True)
        layer = SquareActivation().train()
        for alpha in (0.0, 0.5, 1.0):
            layer.alpha = alpha
            self.assertTrue(torch.autograd.gradcheck(layer, u))
        layer.reach, layer.exponent = 1.2, 6
        layer(u)
        found, = torch.autograd.grad(layer.penalty, u)
        expected = torch.log1p((u[::4] / 1.2).pow(6).flatten(1).mean(1)).mean()
        self.assertAlmostEqual(layer.penalty.item(), expected.item(), places=5)
        self.assertTrue(torch.allclose(found, torch.autograd.grad(expected, u)[0], atol=1e-6))

    def test_tail_is_the_tangent_and_only_in_training(self) -> None:
        layer = SquareActivation().train()
        layer.tail = 1.5
        u = torch.tensor([[-4.0, -1.5, -0.5, 0.0, 1.5, 2.5]], dtype=torch.double)
        # Beyond 1.5 the square goes on as 3 |u| - 2.25.
        expected = torch.tensor([[9.75 - 4.0, 0.75, -0.25, 0.0, 3.75, 5.25 + 2.5]], dtype=torch.double)
        self.assertTrue(torch.allclose(layer(u), expected))
        inputs = torch.randn(4, 3, 2, 2, dtype=torch.double) * 2
        for alpha in (0.5, 1.0):
            layer.alpha = alpha
            self.assertTrue(torch.autograd.gradcheck(layer, inputs.clone().requires_grad_()))
        layer.alpha = 1.0
        model = torch.nn.Sequential(torch.nn.BatchNorm2d(3), layer)
        add_scales(model)
        self.assertTrue(torch.allclose(layer(inputs.float()).double(), _tail(inputs, 1.5), atol=1e-5))
        layer.eval()
        self.assertTrue(torch.allclose(layer(inputs.float()).double(), inputs * inputs + inputs, atol=1e-5))

    def test_penalty_of_a_far_image_stays_finite(self) -> None:
        for size in (1e3, 1e30):  # the second one's tenth power is far beyond float32
            layer = SquareActivation().train()
            layer.reach = 1.6
            u = torch.full((4, 2, 4, 4), size, requires_grad=True)
            layer(u)
            layer.penalty.backward()
            self.assertAlmostEqual(layer.penalty.item() / (10 * math.log(size / 1.6)), 1.0, 5)
            self.assertTrue(torch.isfinite(u.grad).all())
            self.assertGreater(u.grad.abs().sum().item(), 0.0)
            self.assertLess(u.grad.abs().sum().item(), 1.0)

    def test_penalty_is_its_formula(self) -> None:
        torch.manual_seed(1)
        u = (3 * torch.randn(5, 2, 3, 3)).requires_grad_()
        penalty = penalty_of(u, 1.6, 6)
        exact = u.detach().double().requires_grad_()
        formula = torch.log1p(((exact / 1.6) ** 6).flatten(1).mean(1)).mean()
        self.assertAlmostEqual(penalty.item(), formula.item(), 5)
        penalty.backward()
        formula.backward()
        self.assertTrue(torch.allclose(u.grad.double(), exact.grad, rtol=1e-4, atol=1e-7))


if __name__ == "__main__":
    unittest.main()
