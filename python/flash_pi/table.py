"""Tables of reports: lists of rows that print well, in a terminal and in a notebook, and that pandas takes."""

from __future__ import annotations

import dataclasses
import html
from typing import Any, TypeVar

Row = TypeVar("Row")


class Table(list[Row]):
    """A list of dataclasses, one a row. `pandas.DataFrame(table)` makes a frame of it; so does .to_pandas()."""

    def columns(self) -> dict[str, list[Any]]:
        """Name of each column -> its values."""
        return {name: [getattr(row, name) for row in self] for name in self._names()}

    def to_pandas(self) -> Any:
        """A pandas.DataFrame."""
        import pandas

        return pandas.DataFrame(self.columns())

    def _names(self) -> list[str]:
        return [field.name for field in dataclasses.fields(self[0])] if self else []

    def _cells(self) -> list[list[str]]:
        return [[f"{value:.4g}" if isinstance(value, float) else str(value) for value in values]
                for values in self.columns().values()]

    def __str__(self) -> str:
        columns = [[name, *cells] for name, cells in zip(self._names(), self._cells())]
        widths = [max(map(len, column)) for column in columns]
        return "\n".join("  ".join(cell.rjust(width) if i else cell.ljust(width)
                                   for i, (cell, width) in enumerate(zip(line, widths))).rstrip()
                         for line in zip(*columns))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        def line(kind: str, cells: Any) -> str:
            return "<tr>" + "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in cells) + "</tr>"

        return ("<table>" + line("th", self._names()) + "".join(line("td", cells) for cells in zip(*self._cells()))
                + "</table>")
