"""The section on kernels, from the JSON of the programs in build/release/bench."""

import re

from measured.figures import digits, seconds, table

SETS = ("portable", "neon", "avx2", "avx512", "amx")  # instruction sets, as the benchmarks name them


def kernel_lines(results):
    """One row per benchmark; where its name ends in an instruction set, one column for each set."""
    lines = []
    for name, result in results:
        times, rates = {}, {}
        for entry in result["benchmarks"]:
            if entry.get("run_type") != "iteration":
                continue
            scale = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[entry["time_unit"]]
            name_of_row = re.sub(r"/(manual|real)_time$", "", entry["name"])  # how it was timed
            base, _, last = name_of_row.rpartition("/")
            key = (base, last) if last in SETS else (name_of_row, "")
            times.setdefault(key, []).append(entry["real_time"] * scale)
            for rate in ("items_per_second", "bytes_per_second"):
                if rate in entry:
                    rates.setdefault(key, []).append((entry[rate], rate))
        if not times:
            continue
        lines += ["", f"### Kernels: {name}", "", f"    build/release/bench/{name}_bench --benchmark_repetitions=5", "",
                  "Fastest of the repetitions.", ""]
        sets = [s for s in SETS if any(key[1] == s for key in times)]
        bases = list(dict.fromkeys(key[0] for key in times if key[1]))
        if bases:
            rows = []
            for base in bases:
                row = [f"`{base}`"] + [seconds(min(times[base, s])) if (base, s) in times else "-" for s in sets]
                present = [s for s in sets if (base, s) in times]
                best = min(present, key=lambda s: min(times[base, s]))
                row.append(digits(min(times[base, present[0]]) / min(times[base, best])) if len(present) > 1 else "")
                row.append(rate_text(rates.get((base, best))))
                rows.append(row)
            lines += table(["kernel", *sets, f"{sets[0]} / best", "rate of the best"], rows)
        single = [key for key in times if not key[1]]
        if single:
            lines += [""] * bool(bases)
            lines += table(["operation", "time", "rate"], [[f"`{key[0].removeprefix('BM_')}`", seconds(min(times[key])),
                                                            rate_text(rates.get(key))] for key in single])
    return lines


def rate_text(rates):
    if not rates:
        return ""
    value, kind = max(rates)
    unit = "B/s" if kind.startswith("bytes") else "/s"
    for prefix, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{digits(value / size)} {prefix}{unit}"
    return f"{digits(value)} {unit}"
