"""Tables of results in CSV files: a row for each name, which a newer one of that name takes the place of."""

from __future__ import annotations

import csv
from pathlib import Path


def keep(path: Path, names: list[str], row: dict[str, object]) -> None:
    """Puts a row into the table in `path`, whose columns are `names`; the first one tells rows apart, and the other rows stay."""
    rows: list[dict] = []
    if path.exists():
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    key = names[0]
    place = next((index for index, other in enumerate(rows) if other.get(key) == str(row[key])), len(rows))
    rows[place:place + 1] = [row]
    new = path.with_suffix(".new")
    with new.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    new.replace(path)
