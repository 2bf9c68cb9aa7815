#!/usr/bin/python3
"""Flash as a part of another project's build, by add_subdirectory and by FetchContent: a client is built without what only
the program, the compiler and the tests need."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

# Debian's packages that a machine with clients alone need not have.
NOT_NEEDED = ("ONNX", "nlohmann_json", "GTest", "benchmark", "dnnl", "spdlog", "CLI11", "SQLite3", "pybind11", "Python")

PROJECT = """cmake_minimum_required(VERSION 3.25)
project(mine LANGUAGES C CXX)
set(FLASH_COMPONENTS {components})
{flash}
add_executable(mine {source}/examples/cpp/{example}.cpp)
target_link_libraries(mine PRIVATE Flash::{component})
"""
BY_FOLDER = "add_subdirectory({source} flash)"
BY_FETCHING = """include(FetchContent)
FetchContent_Declare(Flash SOURCE_DIR {source})
FetchContent_MakeAvailable(Flash)"""


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def configure(given, folder, flash, component, example, without):
    folder.mkdir()
    (folder / "CMakeLists.txt").write_text(PROJECT.format(
        components=component, component=component, example=example, source=given.source,
        flash=flash.format(source=given.source)))
    run(given.cmake, "-S", folder, "-B", folder / "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
        *(f"-DCMAKE_DISABLE_FIND_PACKAGE_{package}=ON" for package in without))
    return run("ninja", "-C", folder / "build", "-t", "targets", "all")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--no-build", action="store_true", help="only configure")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flash-subproject-") as name:
        place = Path(name)
        targets = configure(given, place / "client", BY_FOLDER, "client", "classify", NOT_NEEDED)
        for other in ("flash_compiler", "flash_planner", "flash_api_server", "base_test", "flash_service"):
            assert other not in targets, other
        configure(given, place / "server", BY_FETCHING, "server", "serve", NOT_NEEDED)
        configure(given, place / "compiler", BY_FETCHING, "compiler", "compile",
                  [package for package in NOT_NEEDED if package not in ("ONNX", "nlohmann_json")])
        if given.no_build:
            return
        run(given.cmake, "--build", place / "client" / "build", "--target", "mine")
        usage = subprocess.run([place / "client" / "build" / "mine"], capture_output=True, text=True, check=False)
        assert usage.returncode == 2 and usage.stderr.startswith("usage: "), usage
        refused = subprocess.run([place / "client" / "build" / "mine", "127.0.0.1:1", "sha256:" + "0" * 64,
                                  given.source / "examples" / "pictures" / "cat.jpg"], capture_output=True, text=True,
                                 check=False)
        assert refused.returncode == 1 and "127.0.0.1:1" in refused.stderr, refused


if __name__ == "__main__":
    main()
