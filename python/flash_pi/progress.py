"""Progress bars, by tqdm where it is installed."""

from __future__ import annotations

import contextlib
from typing import Callable, Iterator


@contextlib.contextmanager
def reporter(wanted: bool | Callable[..., None], label: str) -> Iterator[Callable[..., None] | None]:
    """A function of a fraction (and a phase, which is ignored), or None where nobody wants to know."""
    if callable(wanted):
        yield wanted
        return
    if not wanted:
        yield None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield None
        return
    with tqdm(total=100, desc=label, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining}") as bar:
        yield lambda fraction, *phase: bar.update(100 * fraction - bar.n)
