"""The library's log, in the module logging: the logger "flash_pi", which is silent until a program gives it a handler.

    logging.basicConfig(level=logging.INFO)     # or logging.getLogger("flash_pi").setLevel(logging.INFO)
"""

from __future__ import annotations

import atexit
import logging

from . import _native

logger = logging.getLogger("flash_pi")
logger.addHandler(logging.NullHandler())


def _write(level: int, line: str) -> None:
    logger.log(level, "%s", line)


_native.set_log(_write)
# Threads of a server that still runs must not come back into an interpreter that ends.
atexit.register(_native.set_log, None)
