"""What a process must be told before it begins: how glibc keeps memory, and which instructions PyTorch may use.

PyTorch takes every map of a network from the C library and gives it back after use. glibc hands large blocks to the kernel
and gets them back page by page, each page cleared anew, which can take most of the time of a network's evaluation on a CPU.
Kept in the process, in huge pages, they are cleared once. And Debian's PyTorch 1.13 leaves AVX-512 alone unless it is told.

Both are read once, when the process begins, so that the command starts itself anew (`restart`). What a user has set stays.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping

from .processor import features

MEMORY = {
    "MALLOC_MMAP_MAX_": "0",                       # no block of its own for a large array
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),        # bytes at the heap's end that are kept
    "MALLOC_TOP_PAD_": str(256 << 20),             # bytes that the heap grows by
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",    # huge pages, where the system leaves them to programs that ask
}

# What PyTorch's kernels for AVX-512 are compiled for.
AVX512 = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"})


def settings(environ: Mapping[str, str], libc: str, has: frozenset[str]) -> dict[str, str]:
    """The variables to begin with that `environ` lacks, by the name of the C library and the processor's features."""
    wanted = dict(MEMORY) if libc == "glibc" else {}
    if has >= AVX512:
        wanted["ATEN_CPU_CAPABILITY"] = "avx512"
    return {name: value for name, value in wanted.items() if name not in environ}


def restart() -> None:
    """Starts this command anew, once at most, with the settings that it lacks; returns if there are none."""
    # The process keeps its number. The C library takes some of the variables away from an interpreter with privileges of its own: they would lack again.
    begun = str(os.getpid())
    if not sys.platform.startswith("linux") or not sys.executable or os.environ.get("FLASH_TRAIN_BEGUN") == begun:
        return
    lacking = settings(os.environ, platform.libc_ver()[0], features())
    if lacking:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **lacking, "FLASH_TRAIN_BEGUN": begun})
