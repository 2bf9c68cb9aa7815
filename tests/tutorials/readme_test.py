"""Does what the first screens of README.md say, with the words that stand there.

    FLASH_BUILD=build/release python3 -m unittest discover -s tests/tutorials -p "*_test.py"
"""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from runnable import BUILD, ROOT, Documents, only, run


def section(heading):
    text = (ROOT / "README.md").read_text()
    return re.search(rf"^## {heading}\n(.*?)(?=^## )", text, flags=re.M | re.S).group(1)


class Readme(Documents):
    def test_demo(self):
        text = (ROOT / "README.md").read_text()
        self.assertRegex(text, r"(?m)^    \./scripts/demo ")
        if BUILD != (ROOT / "build" / "release"):
            self.skipTest("scripts/demo builds in build/release, which this build is not")
        printed = run("./scripts/demo", ROOT)
        for picture, name in re.findall(r"^    (examples/pictures/\S+) +(\w+) ", text, flags=re.M):
            self.assertRegex(printed, rf"(?m)^{picture} +{name} ")

    def test_python(self):
        text = section("In Python")
        name = re.search(r"`(\w+\.py)`", text).group(1)
        self.write(text, python=name)
        self.assertLessEqual(len(only(text, "python").strip().splitlines()), 12)
        # The package's objects are there already; made anew they take minutes.
        printed = run(only(text, "sh"), self.folder, FLASH_BUILD=str(BUILD),
                      FLASH_PACKAGE_WORK=str(self.folder / "work"))
        self.assertRegex(printed, r"Successfully installed flash-pi-[0-9.]+")
        self.assertRegex(printed, r"(?m)^airplane \d\.\d+ s, \d+ bytes$")
        self.assertRegex(printed, r"(?m)^one inference: .* s predicted, .* round trips$")

    def test_cpp(self):
        text = section("In C\\+\\+")
        self.write(text, cmake="mine/CMakeLists.txt", cpp="mine/mine.cpp")
        lines = sum(len(only(text, language).strip().splitlines()) for language in ("cmake", "cpp"))
        self.assertLessEqual(lines, 20)
        printed = run(self.after_the_build(only(text, "sh")), self.folder)
        self.assertRegex(printed, r"(?m)^frog, \d\.\d+ s$")


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
            listed = subprocess.run(["tar", "tzf", sources], capture_output=True, text=True, check=True).stdout
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
