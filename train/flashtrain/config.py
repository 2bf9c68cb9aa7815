"""Configurations: one TOML file for each result."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from . import networks
from .activation import add_scales, set_alpha
from .data import SOURCES, Source
from .errors import UserError
from .recipe import Recipe
from .sine import use_sine

# Inside an installed package, or beside it in the repository
CONFIGS = next(filter(Path.is_dir, (p / "configs" for p in Path(__file__).resolve().parents)))


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


def find(name: Path) -> Path:
    """The file itself, or the one of that name among the package's."""
    own = (CONFIGS / name.name, CONFIGS / f"{name.name}.toml") if name.parent == Path() else ()
    for path in (name, *own):
        if path.is_file():
            return path
    known = ", ".join(sorted(p.stem for p in CONFIGS.glob("*.toml")))
    raise UserError(f"there is no configuration {name}; the package has {known}")


def load(path: Path, twin: bool = False, changes: dict | None = None) -> Config:
    """Reads a file; `changes` replace settings of its recipe."""
    try:
        return from_table(read(path), twin, changes or {})
    except UserError as error:
        raise UserError(f"{path.name}: {error}") from None


def read(path: Path) -> dict:
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no TOML: {error}") from None


def from_table(table: dict, twin: bool, changes: dict) -> Config:
    for part in ("name", "data", "network", "recipe"):
        if part not in table:
            raise UserError(f"'{part}' is missing")
        if part != "name" and not isinstance(table[part], dict):
            raise UserError(f"'{part}' has to be a table, [{part}]")
    if table["data"].get("set") not in SOURCES:
        raise UserError(f"set = {table['data'].get('set')!r} is not one of {', '.join(SOURCES)}")
    held_out = table["data"].get("held_out")
    if not isinstance(held_out, int) or held_out < 1:
        raise UserError("held_out = N is missing in [data]: how many training images are only watched")
    settings = {**table["recipe"], **changes}
    check(settings)
    if "epochs" not in settings:
        raise UserError("the recipe does not say how many epochs")
    recipe = Recipe(**settings)
    twin = twin or recipe.activation == "relu"
    return Config(table["name"], SOURCES[table["data"]["set"]], held_out, dict(table["network"]),
                  recipe.twin() if twin else recipe, table.get("target"), twin)


def check(settings: dict) -> None:
    """Every setting has to be known and of the right kind."""
    known = {field.name: field for field in dataclasses.fields(Recipe)}
    for name, value in settings.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise UserError(f"the recipe has no setting '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
        kind = str(known[name].type).split(" ")[0]
        right = {"int": int, "float": (int, float), "str": str, "bool": bool}[kind]
        if not isinstance(value, right) or isinstance(value, bool) != (kind == "bool"):
            raise UserError(f"'{name}' has to be {'an' if kind == 'int' else 'a'} {kind}, not {value!r}")


def setting(text: str, option: str = "--set") -> tuple[str, object]:
    """NAME=VALUE, the value written as in TOML."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"{option} takes NAME=VALUE, not '{text}'")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()  # a word without quotation marks, as the shell leaves it
