"""Runs the benchmarks; each leaves a JSON file."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "release"


def run(arguments, folder):
    """All benchmarks, one after the other; each leaves a JSON file in `folder`."""
    flash = BUILD / "src" / "cli" / "flash"
    kernels = sorted((BUILD / "bench").glob("*_bench"))
    if not flash.exists():
        sys.exit(f"scripts/performance: there is no {flash}; run scripts/build release")
    folder.mkdir(parents=True, exist_ok=True)
    runs = ["--runs", str(arguments.runs)]
    for threads in sorted({1, len(os.sched_getaffinity(0))}):
        measure([flash, "bench", "layers", *runs, "--threads", str(threads), "--json"],
                folder / f"layers-{threads}.json", arguments)
    for network in arguments.network:
        model, _, data = network.partition("=")
        measure([flash, "bench", "network", model, *(["--data", data] if data else []), *runs, "--scaling",
                 "--link", "lan", "wan", "--json"], folder / f"network-{Path(model).stem}.json", arguments)
    for entry in listed(arguments.networks):
        stem = arguments.networks / entry["name"]
        runs = [f"--runs={min(entry['runs'], arguments.runs)}",
                f"--link-runs={min(entry['link_runs'], arguments.runs)}"]
        measure([flash, "bench", "network", f"{stem}.flash", "--onnx", f"{stem}.onnx", "--data", entry["data"], *runs,
                 "--link", "lan", "wan", "--json"], folder / f"every-{entry['name']}.json", arguments)
    for program in kernels:
        out = folder / f"kernels-{program.name.removesuffix('_bench')}.json"
        measure([program, "--benchmark_repetitions=5", "--benchmark_min_time=0.05", "--benchmark_out_format=json",
                 "--benchmark_out="], out, arguments)


def listed(folder):
    """What scripts/networks made in this folder, in the order of its list."""
    if not folder:
        return []
    order = [network["name"] for network in tomllib.loads((ROOT / "scripts" / "networks.toml").read_text())["network"]]
    return [json.loads((folder / f"{name}.json").read_text()) for name in order if (folder / f"{name}.json").exists()]


def measure(command, out, arguments):
    """Runs a command whose last word takes the file to write; the file appears when it is complete."""
    if arguments.resume and out.exists():
        return
    partial = out.with_suffix(".partial")
    last = str(command[-1])
    call([*command[:-1], last + str(partial)] if last.endswith("=") else [*command, partial])
    partial.rename(out)


def call(command):
    words = [str(word) for word in command]
    print("scripts/performance:", " ".join(words), file=sys.stderr)
    result = subprocess.run(words, stdout=subprocess.DEVNULL, check=False, cwd=ROOT)
    if result.returncode:
        sys.exit(f"scripts/performance: that failed with status {result.returncode}")
