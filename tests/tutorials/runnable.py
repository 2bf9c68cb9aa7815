"""Documents whose commands and programs are run as they stand there."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("FLASH_BUILD", ROOT / "build" / "release")).resolve()
# Marks of a Python environment or another compiler around the test.
FOREIGN = ("PYTHONPATH", "VIRTUAL_ENV", "CXX", "CC")


def blocks(text):
    """The fenced blocks with a language: (language, content), in their order."""
    return re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.M | re.S)


def only(text, language):
    """The one block of a language."""
    (content,) = [content for its, content in blocks(text) if its == language]
    return content


def run(command, folder, **environment):
    """What a shell command prints; an assertion where it fails."""
    clean = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=folder, capture_output=True, text=True,
                          check=False, env={**clean, **environment}, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise AssertionError(f"{command}\nstatus {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


class Documents(unittest.TestCase):
    """Each test runs in a folder that looks like a checkout in which scripts/setup and scripts/build have been run: links
    to the parts of this one, so that what the commands make stays out of it."""

    def setUp(self):
        held = tempfile.TemporaryDirectory(prefix="flash-tutorial-")
        self.addCleanup(held.cleanup)
        self.folder = Path(held.name)
        for path in ROOT.iterdir():
            if path.name not in ("build", ".git", "venv", "prefix", "mine"):
                (self.folder / path.name).symlink_to(path)
        (self.folder / "build").mkdir()
        (self.folder / "build" / "release").symlink_to(BUILD)

    def write(self, text, **names):
        """Puts the one block of each language into a file of this name."""
        for language, name in names.items():
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_text(only(text, language))

    def after_the_build(self, commands):
        """The commands without the first line, which has been run."""
        first, rest = commands.split("\n", 1)
        self.assertEqual(first.split("#")[0].strip(), "./scripts/build release")
        return rest
