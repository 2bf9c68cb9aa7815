"""How a command begins: which variables it adds, that they reach the process, and that a user's own stay."""

import json
import os
import platform
import subprocess
import sys
import unittest
from pathlib import Path

from flashtrain import environment
from flashtrain.processor import features

TOLD = ["ATEN_CPU_CAPABILITY", *environment.MEMORY]
PACKAGE = Path(environment.__file__).parents[1]
# The command's way in, with a command whose place is taken by one that prints what its process has.
PROGRAM = """
import json, os, sys
from flashtrain import cli
names = json.loads(sys.argv[1])
cli.run = lambda name, words: print(json.dumps([words, {name: os.environ.get(name) for name in names}]))
sys.argv = ["flash-train", "plot", *sys.argv[2:]]
cli.main()
"""


def begun(program: str = PROGRAM, **given: str) -> list:
    """The words and the variables that a command has which begins with these variables and no others of TOLD."""
    environ = {name: value for name, value in os.environ.items() if name not in TOLD}
    done = subprocess.run([sys.executable, "-c", program, json.dumps(TOLD), "a b", "--c"], env={**environ, "PYTHONPATH": str(PACKAGE), **given},
                          capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


class Settings(unittest.TestCase):
    def test_what_is_set_stays(self):
        given = {"MALLOC_TOP_PAD_": "1", "ATEN_CPU_CAPABILITY": "default", "GLIBC_TUNABLES": ""}
        lacking = environment.settings(given, "glibc", environment.AVX512)
        self.assertEqual(lacking, {name: environment.MEMORY[name] for name in ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_")})

    def test_only_where_it_is_understood(self):
        self.assertEqual(environment.settings({}, "", frozenset()), {})
        self.assertEqual(environment.settings({}, "musl", environment.AVX512), {"ATEN_CPU_CAPABILITY": "avx512"})
        for feature in environment.AVX512:
            self.assertEqual(environment.settings({}, "glibc", environment.AVX512 - {feature}), environment.MEMORY)

    def test_nothing_lacks_afterwards(self):
        first = environment.settings({}, "glibc", environment.AVX512)
        self.assertEqual(environment.settings(first, "glibc", environment.AVX512), {})


@unittest.skipUnless(sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc", "not glibc")
class Command(unittest.TestCase):
    def test_begins_with_them(self):
        words, found = begun()
        self.assertEqual(words, ["a b", "--c"])
        capability = "avx512" if features() >= environment.AVX512 else None
        self.assertEqual(found, {**environment.MEMORY, "ATEN_CPU_CAPABILITY": capability})

    def test_leaves_a_users_own(self):
        self.assertEqual(begun(MALLOC_MMAP_MAX_="5", ATEN_CPU_CAPABILITY="avx2")[1],
                         {**environment.MEMORY, "MALLOC_MMAP_MAX_": "5", "ATEN_CPU_CAPABILITY": "avx2"})

    def test_begins_anew_once(self):
        # A variable that is taken away from every process that begins.
        taken = PROGRAM.replace("from flashtrain import cli", "os.environ.pop('MALLOC_TOP_PAD_', None)\nfrom flashtrain import cli")
        self.assertEqual(begun(taken)[1]["MALLOC_TOP_PAD_"], None)


if __name__ == "__main__":
    unittest.main()
