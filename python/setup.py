"""Builds the extension module with the project's CMake: `pip install ./python` from a checkout, `python3 -m build` for an
archive of sources (which holds the C++ sources, too) and a wheel."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
# In an archive of sources the project lies in a folder of this one.
PROJECT = HERE / "project" if (HERE / "project").is_dir() else HERE.parent
PROJECT_PARTS = ("CMakeLists.txt", "LICENSE", "cmake", "include", "proto", "src", "python/CMakeLists.txt",
                 "python/flash_pi")
# What is made on the way stays out of the sources.
WORK = Path(os.environ.get("FLASH_PACKAGE_WORK", PROJECT / "build" / "python-package"))


class CMakeBuild(build_ext):
    """FLASH_BUILD: a folder that CMake has configured already, whose objects are used."""

    def build_extension(self, extension: Extension) -> None:
        build = Path(os.environ.get("FLASH_BUILD", WORK / f"cmake-{sys.implementation.cache_tag}"))
        if "FLASH_BUILD" not in os.environ:
            subprocess.run(["cmake", "-S", PROJECT, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                            "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG", "-DFLASH_COMPONENTS=client;server;compiler",
                            "-DFLASH_TESTS=OFF", "-DFLASH_BENCHMARKS=OFF", "-DFLASH_PYTHON=ON",
                            f"-DPython_EXECUTABLE={sys.executable}"], check=True)
        subprocess.run(["cmake", "--build", build, "--target", "flash_python"], check=True)
        target = Path(self.get_ext_fullpath(extension.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        built, = (build / "python" / "flash_pi").glob("_native*.so")
        self.copy_file(str(built), str(target))


class Archive(sdist):
    """With the parts of the project that the build needs."""

    def make_release_tree(self, base_dir: str, files: "list[str]") -> None:
        super().make_release_tree(base_dir, files)
        for part in PROJECT_PARTS:
            source, target = PROJECT / part, Path(base_dir) / "project" / part
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)


WORK.mkdir(parents=True, exist_ok=True)
version = re.search(r"project\(flash VERSION ([0-9.]+)", (PROJECT / "CMakeLists.txt").read_text()).group(1)
setup(version=version, ext_modules=[Extension("flash_pi._native", [])],
      cmdclass={"build_ext": CMakeBuild, "sdist": Archive},
      options={"build": {"build_base": str(WORK / "build")}, "egg_info": {"egg_base": str(WORK)}})
