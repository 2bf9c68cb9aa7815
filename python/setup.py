"""Builds the extension module with the project's CMake: `pip install ./python` from a checkout."""

import os
import re
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PROJECT = Path(__file__).resolve().parent.parent


class CMakeBuild(build_ext):
    def build_extension(self, extension: Extension) -> None:
        if not (PROJECT / "CMakeLists.txt").exists():
            sys.exit("flash-pi is built within a checkout of Flash: its C++ sources lie beside python/")
        build = Path(os.environ.get("FLASH_BUILD", Path(self.build_temp).resolve()))
        if "FLASH_BUILD" not in os.environ:
            subprocess.run(["cmake", "-S", PROJECT, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                            "-DFLASH_COMPONENTS=client;server;compiler", "-DFLASH_TESTS=OFF", "-DFLASH_BENCHMARKS=OFF",
                            "-DFLASH_PYTHON=ON", f"-DPython_EXECUTABLE={sys.executable}"], check=True)
        subprocess.run(["cmake", "--build", build, "--target", "flash_python"], check=True)
        target = Path(self.get_ext_fullpath(extension.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        built, = (build / "python" / "flash_pi").glob("_native*.so")
        self.copy_file(str(built), str(target))


version = re.search(r"project\(flash VERSION ([0-9.]+)", (PROJECT / "CMakeLists.txt").read_text()).group(1)
setup(version=version, ext_modules=[Extension("flash_pi._native", [])], cmdclass={"build_ext": CMakeBuild})
