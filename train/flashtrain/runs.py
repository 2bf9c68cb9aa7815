"""The folder of a run: what it was made from, how far it is, its weights."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import torch
from torch import nn

from . import halves
from .config import Config, from_table
from .errors import UserError
from .recipe import Recipe


def remember(table: dict, config: Config, folder: Path, change: bool = False) -> None:
    """Writes into a run's folder what it is made from.

    A folder that holds another configuration's run is left alone; of the same one, with other
    settings of the recipe, too, unless `change` says that the run shall go on with these.
    """
    path = folder / "run.json"
    new = {"config": table, "twin": config.twin, "recipe": dataclasses.asdict(config.recipe)}
    if path.exists():
        old = json.loads(path.read_text())
        fixed = ("name", "data", "network")
        if old["twin"] != new["twin"] or any(old["config"].get(part) != table.get(part) for part in fixed):
            raise UserError(f"{folder} holds a run of {'the ReLU twin of ' if old['twin'] else ''}{old['config']['name']}: "
                            "choose another folder, or remove that one")
        old_recipe = {**dataclasses.asdict(Recipe(epochs=1)), **old["recipe"]}
        differing = [name for name, value in new["recipe"].items() if old_recipe[name] != value]
        if differing and not change:
            said = ", ".join(f"{name} was {old_recipe[name]} and is {new['recipe'][name]}" for name in differing)
            raise UserError(f"{folder} holds a run with other settings ({said}): choose another folder, "
                            "or go on with the new ones by --change")
        if "ended" in old and not differing:
            new["ended"] = old["ended"]
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(new, indent=1))


def finished(folder: Path) -> bool:
    return (folder / "weights.pt").exists() or bool(halves.parts(folder))


def finish(folder: Path, model: nn.Module, epochs: int, alpha: float) -> None:
    """Leaves the weights, and how far the blend had come."""
    torch.save(model.state_dict(), folder / "weights.pt")
    path = folder / "run.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "ended": {"epochs": epochs, "alpha": alpha}}, indent=1))


def trained(folder: Path) -> tuple[Config, nn.Module]:
    """Configuration and averaged weights of a run: finished, or as far as it got.

    A blend that has not come to its end is neither the one network nor the other: it is refused.
    """
    path = folder / "run.json"
    if not path.exists():
        raise UserError(f"{folder} is no folder of a run: it has no run.json")
    stored = json.loads(path.read_text())
    config = from_table({**stored["config"], "recipe": stored["recipe"]}, False, {})
    config.twin = stored["twin"]
    model = config.build()
    alpha = stored.get("ended", {}).get("alpha", 1.0)
    if (folder / "weights.pt").exists():
        state = torch.load(folder / "weights.pt", map_location="cpu")
    elif halves.parts(folder):
        state = halves.load(folder)
    elif (folder / "checkpoint.pt").exists():
        saved = torch.load(folder / "checkpoint.pt", map_location="cpu", **trusted())
        state = saved["average"]
        reached = saved.get("progress", saved["epoch"] / config.recipe.epochs)
        alpha = min(config.recipe.alphas_at(reached, 1))
    else:
        raise UserError(f"{folder} has no weights yet")
    if alpha < 1 and not config.twin and config.recipe.activation != "relu":
        raise UserError(f"the run in {folder} is {round(100 * alpha)} % on its way from ReLU to {config.recipe.activation}, and so neither: "
                        "let it go on, with --minutes if time is short")
    restore(model, state, f"the weights in {folder} are not those of its run.json; an older version may have written them")
    return config, model.eval()


def restore(model: nn.Module, state: dict, otherwise: str, strict: bool = True) -> None:
    """Weights into a model; where they are not of its shapes, a UserError that begins with the sentence `otherwise`."""
    try:
        model.load_state_dict(state, strict=strict)
    except RuntimeError as error:
        raise UserError(f"{otherwise}: {str(error).splitlines()[-1].strip()}") from None


def trusted() -> dict:
    """Newer versions of PyTorch read nothing but tensors unless told that a file is one's own."""
    import inspect

    return {"weights_only": False} if "weights_only" in inspect.signature(torch.load).parameters else {}
