#!/usr/bin/python3
"""Installs the library, builds examples/cpp against it, and does with them what their first lines say."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def run(*words, **options):
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, words))}: status {result.returncode}\n{result.stdout[-4000:]}{result.stderr[-4000:]}")
    return result.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--cmake", default="cmake")
    given = parser.parse_args()
    pictures = sorted((given.source / "examples" / "pictures").glob("*.jpg"))
    assert len(pictures) >= 3, "examples/pictures"
    with tempfile.TemporaryDirectory(prefix="flash-install-") as name:
        place = Path(name)
        prefix, built = place / "prefix", place / "examples"
        run(given.cmake, "--install", given.build, "--prefix", prefix, "--component", "library")
        headers = {path.name for path in (prefix / "include" / "flash").iterdir()}
        assert headers == {"client.h", "server.h", "model.h", "data.h", "compiler.h", "plan.h", "log.h", "error.h"}, headers
        run(given.cmake, "-S", given.source / "examples" / "cpp", "-B", built, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
            f"-DCMAKE_PREFIX_PATH={prefix}")
        run(given.cmake, "--build", built)

        onnx = given.source / "models" / "cifar10" / "cifar10.onnx"
        model = place / "net.flash"
        print(run(built / "compile", onnx, model, *pictures), end="")
        server = subprocess.Popen([built / "serve", model], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        address, pin = server.stdout.readline().split()
        answers = run(built / "classify", address, pin, *pictures)
        print(answers, end="")
        assert len(answers.splitlines()) == len(pictures)
        for line, picture in zip(answers.splitlines(), pictures):
            assert line.startswith(f"{picture}: ") and " MB" in line, line
        wrong = subprocess.run([built / "classify", address, "sha256:" + "0" * 64, pictures[0]], capture_output=True,
                               text=True, check=False)
        assert wrong.returncode == 1 and "classify: " in wrong.stderr, wrong
        rest, _ = server.communicate("")
        # Nothing of the refused client: the library's log is silent until a program sets it.
        assert rest == f"answered {len(pictures)} inferences\n", rest
        assert server.returncode == 0

        # The same client by pkg-config.
        if shutil.which("pkg-config"):
            folder = next(prefix.rglob("flash-client.pc")).parent
            flags = run("pkg-config", "--cflags", "--libs", "flash-client",
                        env={**os.environ, "PKG_CONFIG_PATH": str(folder)}).split()
            run("c++", given.source / "examples" / "cpp" / "classify.cpp", "-o", place / "classify", *flags)
            usage = subprocess.run([place / "classify"], capture_output=True, text=True, check=False)
            assert usage.returncode == 2 and usage.stderr.startswith("usage: "), usage


if __name__ == "__main__":
    main()
