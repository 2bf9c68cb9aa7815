"""The folder of a run: what it was made from, how far it is, its weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import nn

from . import halves
from .config import Config, from_table
from .errors import UserError
from .recipe import Recipe
from .stored import read_json, read_torch, write_json


FIXED = ("activation", "optimiser", "lookahead", "channel_scale", "learn_period")  # what a checkpoint is made for


def device(name: str) -> torch.device:
    """A device of PyTorch's that is there."""
    try:
        found = torch.device(name)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        what = "PyTorch finds no GPU here" if name.startswith("cuda") else f"'{name}' is no device of PyTorch's: {str(error).splitlines()[0]}"
        raise UserError(f"{what}; leave --device out, or say --device cpu") from None
    return found


def remember(stored: dict, folder: Path) -> None:
    """Writes into a run's folder what it is made from, as compared() gave it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "run.json", stored)


def compared(table: dict, config: Config, folder: Path, change: bool, taught: bool) -> dict:
    """What a run is made from, for its folder, beside what that already holds.

    A folder that holds another configuration's run is left alone; of the same one, with other
    settings of the recipe, too, unless `change` says that the run shall go on with these. From then on
    its checkpoint counts, and no longer the weights with which it had ended. `taught`: whether it has a teacher.
    """
    path = folder / "run.json"
    new = {"config": table, "twin": config.twin, "recipe": dataclasses.asdict(config.recipe), "taught": taught}
    if path.exists():
        old = read_json(path)
        fixed = ("name", "data", "network")
        if old["twin"] != new["twin"] or any(old["config"].get(part) != table.get(part) for part in fixed):
            raise UserError(f"{folder} holds a run of {'the ReLU twin of ' if old['twin'] else ''}{old['config']['name']}: "
                            "choose another folder, or remove that one")
        if old.get("taught", taught) != taught and not change:  # older versions did not note it
            raise UserError(f"{folder} holds a run {'without' if taught else 'with'} a teacher: {'leave out' if taught else 'name it by'} --teacher, "
                            "or go on otherwise by --change")
        old_recipe = {**dataclasses.asdict(Recipe(epochs=1)), **old["recipe"]}
        differing = [name for name, value in new["recipe"].items() if old_recipe[name] != value]
        if differing and not change:
            said = ", ".join(f"{name} was {old_recipe[name]} and is {new['recipe'][name]}" for name in differing)
            raise UserError(f"{folder} holds a run with other settings ({said}): choose another folder, "
                            "or go on with the new ones by --change")
        for name in differing:
            if name in FIXED:
                raise UserError(f"{folder} holds a run whose {name} is {old_recipe[name]}, which cannot change on the way: "
                                f"choose another folder; --start {folder} begins with its weights")
        if "ended" in old and change and old_recipe["epochs"] >= new["recipe"]["epochs"]:
            raise UserError(f"the run in {folder} has come to the end of its schedule: say more epochs by --set, or begin another run with its weights "
                            f"by --start {folder}")
        if "ended" in old and not differing:
            new["ended"] = old["ended"]
    return new


def finished(folder: Path) -> bool:
    """Whether the folder has the weights with which its run ended, and was not told to go on since."""
    stored = (folder / "weights.pt").exists() or bool(halves.parts(folder))
    return stored and not _goes_on(folder)


def _goes_on(folder: Path) -> bool:
    path = folder / "run.json"
    return (folder / "checkpoint.pt").exists() and path.exists() and "ended" not in read_json(path)


def finish(folder: Path, model: nn.Module, epochs: int, alpha: float) -> None:
    """Leaves the weights, and how far the blend had come."""
    torch.save(model.state_dict(), folder / "weights.pt")
    path = folder / "run.json"
    stored = read_json(path)
    write_json(path, {**stored, "ended": {"epochs": epochs, "alpha": alpha}})


def trained(folder: Path) -> tuple[Config, nn.Module]:
    """Configuration and averaged weights of a run: finished, or as far as it got.

    A blend that has not come to its end is neither the one network nor the other: it is refused.
    """
    path = folder / "run.json"
    if not path.exists():
        raise UserError(f"{folder} is no folder of a run: it has no run.json")
    stored = read_json(path)
    missing = [name for name in ("config", "recipe", "twin") if name not in stored]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}: it is none of flash-train")
    config = from_table({**stored["config"], "recipe": stored["recipe"]}, False, {})
    config.twin = stored["twin"]
    model = config.build()
    alpha = stored.get("ended", {}).get("alpha", 1.0)
    if finished(folder):
        whole = folder / "weights.pt"
        state = read_torch(whole) if whole.exists() else halves.load(folder)
    elif (folder / "checkpoint.pt").exists():
        saved = read_torch(folder / "checkpoint.pt")
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
