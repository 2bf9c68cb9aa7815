"""Numbers and tables as the document writes them."""


def seconds(value):
    """0.0123 -> "12.3 ms"."""
    for unit, size in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if abs(value) >= size:
            return f"{digits(value / size)} {unit}"
    return f"{digits(value / 1e-9)} ns"


def digits(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(entry):
    mark = "~" if entry["disturbed"] else ""
    return f"{mark}{digits(entry['median'])} ({digits(entry['best'])})"


def mebibytes(count):
    return f"{digits(count / 2**20)} MiB"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join(["---"] + ["---:"] * (len(header) - 1)) + " |"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]
