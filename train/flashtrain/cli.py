"""The command flash-train: trains, converts and exports networks for private inference."""

from __future__ import annotations

import argparse
import importlib
import sys

from . import environment
from .errors import UserError

# name -> (module of flashtrain.commands, one line)
COMMANDS = {
    "train": ("train", "train the network of one configuration"),
    "export": ("export", "write a trained network as ONNX, and measure it"),
    "all": ("everything", "train, export, compile and measure every configuration"),
    "convert": ("convert", "bring your own ReLU network to the square or to sine"),
    "ablate": ("ablate", "what each part of the recipe is worth"),
    "lease": ("lease", "train the next rows of a list within a time limit"),
    "plot": ("plot", "draw the logs of runs"),
    "untrained": ("untrained", "write a well-known network with random weights, for measurements"),
}


def main(words: list[str] | None = None) -> None:
    if words is None:  # the command itself, not a call from Python
        environment.restart()
        words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        print("usage: flash-train COMMAND ...   (flash-train COMMAND --help)\n\n" + __doc__ + "\n\ncommands:")
        for name, (_, line) in COMMANDS.items():
            print(f"  {name:10} {line}")
        return
    if words[0] not in COMMANDS:
        raise SystemExit(f"flash-train: there is no command '{words[0]}': {', '.join(COMMANDS)}")
    run(words[0], words[1:])


def run(name: str, words: list[str]) -> None:
    """One command with its arguments; what a user can put right ends it with a sentence."""
    module = importlib.import_module(f".commands.{COMMANDS[name][0]}", __package__)
    parser = argparse.ArgumentParser(prog=f"flash-train {name}", description=module.__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add(parser)
    try:
        module.run(parser.parse_args(words))
    except (UserError, OSError) as error:
        raise SystemExit(f"flash-train {name}: {error}") from None
