"""Does what the first screens of README.md say, with the words that stand there.

    FLASH_BUILD=build/release python3 -m unittest discover -s tests/readme -p "*_test.py"

Each test runs in a folder that looks like a checkout in which scripts/setup and scripts/build have been run: links to the
parts of this one, so that what the commands make stays out of it.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("FLASH_BUILD", ROOT / "build" / "release")).resolve()


def section(heading):
    """The text below a heading of the README, and its fenced blocks by language."""
    text = re.search(rf"^## {heading}\n(.*?)(?=^## )", (ROOT / "README.md").read_text(), flags=re.M | re.S).group(1)
    return text, re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.M | re.S)


def run(command, folder, **environment):
    """Without the marks of a Python environment or a cross compiler around the test."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV", "CXX", "CC")}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=folder, capture_output=True, text=True,
                          check=False, env={**clean, **environment})
    if done.returncode:
        raise AssertionError(f"{command}\nstatus {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


class Readme(unittest.TestCase):
    def setUp(self):
        held = tempfile.TemporaryDirectory(prefix="flash-readme-")
        self.addCleanup(held.cleanup)
        self.folder = Path(held.name)
        for path in ROOT.iterdir():
            if path.name not in ("build", ".git", "venv", "prefix", "mine"):
                (self.folder / path.name).symlink_to(path)
        (self.folder / "build").mkdir()
        (self.folder / "build" / "release").symlink_to(BUILD)

    def test_demo(self):
        text = (ROOT / "README.md").read_text()
        self.assertRegex(text, r"(?m)^    \./scripts/demo ")
        if BUILD != (ROOT / "build" / "release"):
            self.skipTest("scripts/demo builds in build/release, which this build is not")
        printed = run("./scripts/demo", ROOT)
        for picture, name in re.findall(r"^    (examples/pictures/\S+) +(\w+) ", text, flags=re.M):
            self.assertRegex(printed, rf"(?m)^{picture} +{name} ")

    def test_python(self):
        text, blocks = section("In Python")
        (_, commands), = [block for block in blocks if block[0] == "sh"]
        (_, program), = [block for block in blocks if block[0] == "python"]
        name = re.search(r"`(\w+\.py)`", text).group(1)
        (self.folder / name).write_text(program)
        self.assertLessEqual(len(program.strip().splitlines()), 12)
        # The package's objects are there already; made anew they take minutes.
        printed = run(commands, self.folder, FLASH_BUILD=str(BUILD), FLASH_PACKAGE_WORK=str(self.folder / "work"))
        self.assertRegex(printed, r"Successfully installed flash-pi-[0-9.]+")
        self.assertRegex(printed, r"(?m)^airplane \d\.\d+ s, \d+ bytes$")
        self.assertRegex(printed, r"(?m)^one inference: .* s predicted, .* round trips$")

    def test_cpp(self):
        _, blocks = section("In C\\+\\+")
        (_, commands), = [block for block in blocks if block[0] == "sh"]
        mine = self.folder / "mine"
        mine.mkdir()
        lines = 0
        for name, language in (("CMakeLists.txt", "cmake"), ("mine.cpp", "cpp")):
            (_, content), = [block for block in blocks if block[0] == language]
            (mine / name).write_text(content)
            lines += len(content.strip().splitlines())
        self.assertLessEqual(lines, 20)
        first, rest = commands.split("\n", 1)
        self.assertEqual(first.split("#")[0].strip(), "./scripts/build release")  # it has been run
        self.assertRegex(run(rest, self.folder), r"(?m)^frog, \d\.\d+ s$")


class Package(unittest.TestCase):
    """Archives of the Python package, as docs/python.md says."""

    def test_wheel_and_sources(self):
        try:
            import build  # noqa: F401
        except ImportError:
            self.skipTest("python3-build is not installed")
        command = re.search(r"^    (python3 -m build .*?)(?: +#.*)?$", (ROOT / "docs/python.md").read_text(),
                            flags=re.M).group(1)
        with tempfile.TemporaryDirectory(prefix="flash-wheel-") as name:
            folder = Path(name)
            (folder / "python").symlink_to(ROOT / "python")
            # The system's Python, for which the module has been built.
            run(command.replace("python3", "/usr/bin/python3", 1) + f" --outdir {folder}/dist", folder,
                FLASH_BUILD=str(BUILD), FLASH_PACKAGE_WORK=str(folder / "work"))
            sources, wheel = sorted((folder / "dist").iterdir())
            self.assertEqual((sources.suffix, wheel.suffix), (".gz", ".whl"))
            listed = subprocess.run(["tar", "tzf", sources], capture_output=True, text=True,
                                    check=True).stdout
            for part in ("setup.py", "flash_pi/_native.pyi", "project/CMakeLists.txt", "project/src/api/client.cpp",
                         "project/python/flash_pi/_native.cpp", "project/include/flash/client.h"):
                self.assertIn(f"/{part}\n", listed)
            installed = folder / "installed"
            shutil.unpack_archive(wheel, installed, "zip")
            printed = run("/usr/bin/python3 -c 'import flash_pi; print(flash_pi.Client.__name__)'", folder,
                          PYTHONPATH=str(installed))
            self.assertEqual(printed, "Client\n")


if __name__ == "__main__":
    unittest.main()
