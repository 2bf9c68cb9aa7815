"""The plot of layers and networks."""

import sys


def plot(layers, networks, every, path):
    """Above: each linear layer, plain and private, and each network over its links; below: every network.

    True if it was drawn.
    """
    try:
        import matplotlib
    except ImportError:
        print("scripts/performance: no matplotlib, so the plot stays as it is", file=sys.stderr)
        return False
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "flash", "svg.fonttype": "none", "font.size": 8})
    from matplotlib import pyplot
    panels = [p for p in (layers, networks) if p]
    rows = bool(panels) + bool(every)
    figure = pyplot.figure(figsize=(11, 4 * rows))
    axes = [figure.add_subplot(rows, len(panels), 1 + i) for i in range(len(panels))]
    if every:
        draw_networks(figure.add_subplot(rows, 1, rows), [dict(r, network=r["name"],
                                                               plain=r["plain_original"] or r["plain"]) for r in every],
                      "Every network, fastest runs")
    if layers:
        axis = axes.pop(0)
        series = [("plain float32", lambda l: l["plain"]), ("private: product", lambda l: l["product"]),
                  ("private: all of the server's work", lambda l: l["online"])]
        bars(axis, [l["layer"] for l in layers["layers"]],
             [(name, [1e3 * part(l)["min_s"] if part(l) else 0 for l in layers["layers"]]) for name, part in series])
        axis.set_title(f"Linear layers, {layers['threads']} threads, fastest runs")
    if networks:
        draw_networks(axes.pop(0), networks, "One inference, fastest runs")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    return True


def draw_networks(axis, networks, title):
    names = list(dict.fromkeys(c["connection"] for r in networks for c in r["connections"]))
    series = [("plain float32", [1e3 * r["plain"]["min_s"] if r["plain"] else 0 for r in networks])]
    for name in names:
        series.append((f"private, {name}", [next((1e3 * c["min_s"] for c in r["connections"]
                                                  if c["connection"] == name), 0) for r in networks]))
    bars(axis, [r["network"] for r in networks], series)
    axis.set_title(title)


def bars(axis, labels, series):
    width = 0.8 / len(series)
    for index, (name, values) in enumerate(series):
        axis.bar([i + (index - (len(series) - 1) / 2) * width for i in range(len(labels))], values, width, label=name)
    axis.set_yscale("log")
    axis.set_ylabel("milliseconds")
    axis.set_xticks(range(len(labels)))
    axis.set_xticklabels(labels, rotation=30 if len(labels) > 3 else 0, ha="right" if len(labels) > 3 else "center")
    axis.grid(axis="y", alpha=0.3)
    axis.set_ylim(top=8 * max(max(values) for _, values in series))  # room for the legend
    axis.legend(loc="upper left", ncol=2)
