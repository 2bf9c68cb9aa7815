#!/usr/bin/env python3
"""`flash-train untrained` where the package is not installed; scripts/networks calls it."""

import sys

from flashtrain.cli import run

run("untrained", sys.argv[1:])
