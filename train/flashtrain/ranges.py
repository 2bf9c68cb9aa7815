"""How far the pre-activations reach, layer by layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .activation import activations
from .data import Source
from .training import logits


def measure(model: nn.Module, source: Source, pixels: Tensor) -> list[dict[str, float]]:
    """Smallest, largest, mean and standard deviation of each activation's input u.

    `pixels` are uint8 [N, 3, H, W], not augmented; one entry per activation, in
    the network's order.  "reach_99.9%" is the size |u| within which all values of
    99.9 % of the images lie ("reach_99%" likewise): a few images can reach far beyond all others.
    """
    rows = [{"min": float("inf"), "max": float("-inf"), "count": 0, "sum": 0.0, "squares": 0.0}
            for _ in activations(model)]
    reaches: list[list[Tensor]] = [[] for _ in rows]

    def watch(row: dict[str, float], reach: list[Tensor]):
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            u = inputs[0]
            row["min"] = min(row["min"], u.min().item())
            row["max"] = max(row["max"], u.max().item())
            row["count"] += u.numel()
            row["sum"] += u.sum(dtype=torch.double).item()
            row["squares"] += (u * u).sum(dtype=torch.double).item()
            reach.append(u.abs().flatten(1).amax(1))
        return hook

    handles = [a.register_forward_pre_hook(watch(row, reach))
               for a, row, reach in zip(activations(model), rows, reaches)]
    logits(model, source, pixels)
    for handle in handles:
        handle.remove()
    result = []
    for row, reach in zip(rows, reaches):
        mean = row["sum"] / row["count"]
        # Where squares run away sums are infinite and the variance is not a number, which max() hands on if it comes first.
        deviation = max(row["squares"] / row["count"] - mean * mean, 0.0) ** 0.5
        largest = max(-row["min"], row["max"])
        result.append({"min": row["min"], "max": row["max"], "mean": mean,
                       "std": deviation, "largest_over_std": largest / deviation if deviation else float("inf"),
                       "reach_99%": torch.cat(reach).quantile(0.99).item(),
                       "reach_99.9%": torch.cat(reach).quantile(0.999).item()})
    return result
