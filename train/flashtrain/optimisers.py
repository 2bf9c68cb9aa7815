"""What moves the weights: Nesterov SGD in groups of parameters, Muon for kernels, lookahead."""

from __future__ import annotations

from typing import Callable

import torch
from torch import Tensor, nn

from .activation import activations
from .recipe import Recipe


class Muon(torch.optim.Optimizer):
    """Momentum whose steps are made orthogonal: every direction of a kernel, seen as a matrix, moves equally far.

    Kernels keep the norm sqrt(out): what matters behind them is normalised anyway.
    """

    def __init__(self, parameters, lr: float, momentum: float = 0.6) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    def step(self, run: Callable = map) -> None:
        """`run` is `map`, or one that spreads its calls over threads: no kernel's step needs another kernel."""
        moving = [(group, kernel) for group in self.param_groups for kernel in group["params"] if kernel.grad is not None]
        moving.sort(key=lambda one: -one[1].numel())  # small ones last: they even out the threads
        list(run(self._move, moving))

    @torch.no_grad()
    def _move(self, moving: tuple[dict, Tensor]) -> None:
        group, kernel = moving
        state = self.state[kernel]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(kernel)
        buffer = state["momentum_buffer"].mul_(group["momentum"]).add_(kernel.grad)
        direction = kernel.grad.add(buffer, alpha=group["momentum"])
        kernel.mul_(len(kernel) ** 0.5 / kernel.norm())
        kernel.add_(orthogonal(direction.flatten(1)).view_as(kernel), alpha=-group["lr"])


def orthogonal(matrix: Tensor, steps: int = 3) -> Tensor:
    """Roughly the orthogonal matrix next to `matrix` [m, n]: singular values come out between about 0.5 and 1.5.

    Newton and Schulz's iteration, with a polynomial of degree five that lifts small singular values fast.
    """
    x = matrix.bfloat16()
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * (square @ square)) @ x
    return (x.T if tall else x).to(matrix.dtype)


class Optimisers:
    """All parameters of a model, in groups that each have their own rate relative to the recipe's.

    Vectors have no weight decay.  As a normalisation's gamma starts at INPUT_SCALE and not at 1,
    their rate is smaller by INPUT_SCALE^2 by default, which keeps relative changes alike; biases are
    `bias_rate` times faster than that.
    """

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        curves = {id(p) for a in activations(model) for p in a.parameters(recurse=False)}
        biases = {id(m.bias) for m in model.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d, nn.Conv2d))}
        groups: dict[str, list[nn.Parameter]] = {"kernels": [], "matrices": [], "biases": [], "vectors": []}
        for parameter in model.parameters():
            if not parameter.requires_grad:
                continue
            if id(parameter) in biases:
                groups["biases"].append(parameter)
            elif parameter.dim() == 1 or id(parameter) in curves:
                groups["vectors"].append(parameter)
            else:
                groups["kernels" if parameter.dim() == 4 else "matrices"].append(parameter)
        vector = recipe.vector_rate
        muon = recipe.optimiser == "muon"
        tables = [{"params": groups["matrices"], "weight_decay": recipe.weight_decay, "factor": recipe.head_rate},
                  {"params": groups["biases"], "weight_decay": 0.0, "factor": vector * recipe.bias_rate},
                  {"params": groups["vectors"], "weight_decay": 0.0, "factor": vector}]
        if not muon:
            tables.insert(0, {"params": groups["kernels"], "weight_decay": recipe.weight_decay, "factor": 1.0})
        self.each: list[torch.optim.Optimizer] = [torch.optim.SGD(
            [t for t in tables if t["params"]], lr=0.1, momentum=recipe.momentum, nesterov=recipe.momentum > 0)]
        if muon:
            self.each.append(Muon([{"params": groups["kernels"], "factor": recipe.muon_rate / recipe.peak_rate}],
                                  lr=0.1, momentum=recipe.muon_momentum))

    def set_rate(self, rate: float) -> None:
        for optimiser in self.each:
            for group in optimiser.param_groups:
                group["lr"] = rate * group["factor"]

    def step(self, run: Callable = map) -> None:
        """`run`: see Muon."""
        for optimiser in self.each:
            if isinstance(optimiser, Muon):
                optimiser.step(run)
            else:
                optimiser.step()

    def state_dict(self) -> list[dict]:
        return [optimiser.state_dict() for optimiser in self.each]

    def load_state_dict(self, state: list[dict] | dict) -> None:
        """What was gathered on the way, under this recipe's rates; also of a checkpoint that was written when there was one optimiser only."""
        for optimiser, stored in zip(self.each, [state] if isinstance(state, dict) else state):
            settings = [{name: value for name, value in group.items() if name != "params"} for group in optimiser.param_groups]
            optimiser.load_state_dict(stored)
            for group, own in zip(optimiser.param_groups, settings):
                group.update(own)


class Lookahead:
    """Slow weights that follow the fast ones every few steps and take them back to themselves."""

    EVERY = 5

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.slow = {name: value.detach().clone() for name, value in self._floats()}

    def _floats(self) -> list[tuple[str, Tensor]]:
        return [(name, value) for name, value in self.model.state_dict().items() if value.is_floating_point()]

    @torch.no_grad()
    def update(self, step: int, progress: float) -> None:
        """To be called after every step; the slow weights get slower towards the end."""
        if (step + 1) % self.EVERY:
            return
        keep = 0.95 ** self.EVERY * progress ** 3 if progress < 1 else 1.0
        for name, value in self._floats():
            value.copy_(self.slow[name].lerp_(value, 1 - keep))

    def take_statistics(self) -> None:
        """The normalisations' statistics as they are now: they were set anew, and what they had been before shall not come back."""
        for name, value in self.model.named_buffers():
            if name in self.slow:
                self.slow[name].copy_(value)
