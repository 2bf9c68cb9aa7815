"""A header for Doxygen: its first comment becomes the description of the file."""

import sys
from pathlib import Path

lines = Path(sys.argv[1]).read_text().split("\n")
count = next(i for i, line in enumerate(lines) if not line.startswith("//"))
text = [line[2:].removeprefix(" ") for line in lines[:count]]
out, code = ["/** @file"], False
for line in text:
    if line.startswith("  ") != code:
        out.append("@endcode" if code else "@code{.cpp}")
        code = not code
    out.append(line)
print("\n".join(out + (["@endcode"] if code else []) + ["*/"] + lines[count:]), end="")
