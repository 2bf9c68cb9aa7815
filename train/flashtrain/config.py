"""Configurations, one TOML file for each published result, and the folders of runs."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from . import networks
from .activation import add_scales, set_alpha
from .data import SOURCES, Source
from .recipe import Recipe
from .sine import use_sine


@dataclass
class Config:
    """One configuration.

    name: of the result, goes into the exported file.
    network: the [network] table, see networks.build.
    held_out: training images that are only watched.
    target: accuracy in percent that the result is meant to reach, with `epochs` of the recipe; None: no claim.
    twin: the ReLU twin of the network that the file describes.
    """

    name: str
    source: Source
    held_out: int
    network: dict
    recipe: Recipe
    target: float | None = None
    twin: bool = False

    def build(self) -> nn.Module:
        """The untrained network; the global random state decides its weights."""
        model = networks.build(self.network, self.source.classes)
        if self.recipe.channel_scale:
            add_scales(model)
        if self.recipe.activation == "sine":
            use_sine(model, self.recipe.period, self.recipe.learn_period)
        if self.twin:
            set_alpha(model, 0.0)
        return model


def load(path: Path, twin: bool = False, **changes) -> Config:
    """Reads a file; `changes` replace settings of its recipe."""
    return _config(tomllib.loads(path.read_text()), twin, changes)


def _config(table: dict, twin: bool, changes: dict) -> Config:
    recipe = dataclasses.replace(Recipe(**table["recipe"]), **changes)
    return Config(table["name"], SOURCES[table["data"]["set"]], table["data"]["held_out"], table["network"],
                  recipe.twin() if twin else recipe, table.get("target"), twin)


def remember(path: Path, config: Config, folder: Path) -> None:
    """Writes into a run's folder what it was made from."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(
        {"config": tomllib.loads(path.read_text()), "twin": config.twin,
         "recipe": dataclasses.asdict(config.recipe)}, indent=1))


def trained(folder: Path) -> tuple[Config, nn.Module]:
    """Configuration and averaged weights of a run: finished, or as far as it got."""
    stored = json.loads((folder / "run.json").read_text())
    config = _config(stored["config"], stored["twin"], {})
    config.recipe = Recipe(**stored["recipe"])
    model = config.build()
    finished = folder / "weights.pt"
    if finished.exists():
        model.load_state_dict(torch.load(finished, map_location="cpu"))
    else:
        model.load_state_dict(torch.load(folder / "checkpoint.pt", map_location="cpu")["average"])
    return config, model.eval()
