"""Progress bars, by tqdm where it is installed."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Iterator, Union

#: True for a bar, or a function of a fraction in 0..1 (compile() adds what is being done).
Progress = Union[bool, Callable[..., Any]]


@contextlib.contextmanager
def reporter(wanted: Progress, label: str) -> Iterator[Callable[..., Any] | None]:
    """A function of a fraction (and what is being done, which becomes the bar's label), or None if nobody wants it."""
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
        def report(fraction: float, phase: str = "") -> None:
            if phase:
                bar.set_description(phase, refresh=False)
            bar.update(100 * fraction - bar.n)

        yield report
