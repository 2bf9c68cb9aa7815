"""The sections on the machine, on layers and on whole networks, from the JSON of `flash bench`."""

from measured.figures import digits, mebibytes, ratio, seconds, table


def machine_lines(results):
    machine = results[0]["machine"]
    dates = sorted(r["machine"]["date"][:10] for r in results)
    span = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    loads = [r["machine"]["load"] for r in results]
    text = (f"{machine['cpu']}, {machine['cores']} cores, kernels for {machine['instruction_set']}; "
            f"{machine['compiler']}; "
            f"{machine['system']}; {span}. Load of the machine before the measurements: {min(loads):.1f} to "
            f"{max(loads):.1f}; ~ marks a ratio of medians that lie far "
            "above the fastest runs, because something else was running.")
    plain = machine["plain_library"]
    return [text, "", f"Plain inference: float32 by {plain}, the fastest of its algorithms, with all threads or with "
            f"one." if plain else
            "Built without oneDNN: there is nothing to compare with."]


def bare_share(layer):
    bare = layer["bare"]
    return f"{100 * bare['min_s'] / layer['product']['min_s']:.0f}%" if bare else ""


def layer_lines(result):
    threads = result["threads"]
    lines = ["", f"### Linear layers, {threads} thread{'s' * (threads > 1)}", "",
             f"    flash bench layers --threads {threads} --runs {result['runs']}", "",
             "The server's side. *Product* is the convolution of the `b` halves alone; *online* everything from the "
             "first upload awaited to the last response sent: receive, add the share, product, re-randomise, mask, "
             "pack. MAC: multiply-adds of the plain convolution. Medians; ratios of medians and, in brackets, of the "
             "fastest runs. *Of the bare loop*: what the product reaches of a loop of nothing but its "
             "multiply-accumulate instruction, on one core; fastest against fastest.", ""]
    rows = []
    for layer in result["layers"]:
        plain = layer["plain"]
        row = [f"`{layer['layer']}`", digits(layer["multiply_adds"] / 1e6), seconds(layer["product"]["median_s"]),
               digits(layer["multiply_adds_per_s"] / 1e9), bare_share(layer), seconds(layer["online"]["median_s"])]
        row += [seconds(plain["median_s"]), digits(plain["multiply_adds_per_s"] / 1e9), f"{plain['algorithm']}, "
                f"{plain['threads']}",
                ratio(layer["product_over_plain"]), ratio(layer["online_over_plain"])] if plain else [""] * 5
        rows.append(row)
    return lines + table(["layer", "M MAC", "product", "G MAC/s", "of the bare loop", "online", "plain", "G MAC/s",
                          "algorithm, threads",
                          "product / plain", "online / plain"], rows)


def network_lines(results):
    lines = ["", "### Whole inferences", ""]
    lines += [f"    flash bench network {r['file']} --link lan wan --scaling --runs {r['runs']} --threads "
              f"{r['threads']}" for r in results]
    lines += ["", "Both parties in one process, sharing the threads. The answers of these very runs were compared "
              "with the clear-text twin, and one more run was audited layer by layer. The links are emulated.", ""]
    links = {c["connection"]: c["link"] for r in results for c in r["connections"] if c["link"] != "none"}
    lines += [f"* {name}: {link}" for name, link in links.items()] + [""]
    rows = []
    for r in results:
        plain = r["plain"]
        if plain:
            rows.append([r["network"], "plain float32", seconds(plain["median_s"]), seconds(plain["min_s"]),
                         seconds(plain["max_s"])] + [""] * 5)
        for c in r["connections"]:
            correct = c["correctness"]
            rows.append([r["network"], c["connection"], seconds(c["median_s"]), seconds(c["min_s"]),
                         seconds(c["max_s"]),
                         ratio(c["over_plain"]) if plain else "", digits(c.get("ns_per_activation_value", 0)),
                         digits(c.get("bytes_per_activation_value", 0)), str(c["round_trips"]),
                         f"{correct['same_class_as_twin']} of {correct['runs']}" if correct["correct"]
                         else "**wrong**"])
    lines += table(["network", "connection", "median", "fastest", "slowest", "private / plain", "ns per value",
                    "bytes per value",
                    "round trips", "as the twin"], rows)
    rows = [[r["network"], str(r["activation_layers"]), f"{r['activation_values']:,}", digits(r["multiply_adds"] / 1e6),
             f"{r['connections'][0]['bytes_up']:,}", f"{r['connections'][0]['bytes_down']:,}", seconds(r["load_s"]),
             mebibytes(r["memory"]["model_bytes"]), mebibytes(r["memory"]["resident_before_bytes"]),
             mebibytes(r["memory"]["peak_bytes"])]
            for r in results]
    lines += ["", *table(["network", "activation layers", "activation values", "M MAC", "bytes up", "bytes down",
                          "loading",
                          "model in memory", "process before", "process at most"], rows)]
    scaled = [r for r in results if r.get("server_scaling")]
    if scaled:
        lines += ["", "The server alone, on the recorded messages of one inference, bound to as many cores as it has "
                  "threads:", ""]
        rows = [[r["network"], str(p["threads"]), seconds(p["median_s"]), seconds(p["min_s"]), ratio(p["speedup"]),
                 seconds(p["cpu"]["median_s"])]
                for r in scaled for p in r["server_scaling"]]
        lines += table(["network", "cores", "median", "fastest", "speed-up", "CPU time of all threads"], rows)
    return lines


def every_lines(results):
    """The networks of scripts/networks.toml: times, sizes, and how right the answers were."""
    lines = ["", "### Every network", "",
             "    scripts/networks --out networks --data ...; scripts/performance --run --networks networks", "",
             "Networks with random weights, which cost what trained ones cost. Each picture is classified in memory, "
             "over TLS, and over the emulated links, and every answer is compared with the clear-text twin's. *As "
             "exported*: the plain network of the ONNX file, with batch norms, sums and activations fused into "
             "convolutions. *As compiled*: the plain network with the linear layers that the compiler folds for the "
             "private run folded as well, which may be slower. Medians; ratios of medians and, in brackets, of the "
             "fastest runs.", ""]
    rows = []
    for r in results:
        by = {c["connection"]: c for c in r["connections"]}
        cells = [seconds(by[name]["median_s"]) if name in by else ""
                 for name in ("memory", "tls", "tls, lan", "tls, wan")]
        for plain, over in (("plain_original", "over_plain_original"), ("plain", "over_plain")):
            cells += [seconds(r[plain]["median_s"]), ratio(by["memory"][over]),
                      ratio(by["tls"][over])] if r[plain] else [""] * 3
        rows.append([r["name"], *cells])
    lines += table(["network", "memory", "tls", "tls, lan", "tls, wan", "plain as exported", "memory / it", "tls / it",
                    "plain as compiled", "memory / it", "tls / it"], rows)
    lines += ["", "What the planner ([planner.md](planner.md)) predicted before the runs, and that over the measured "
              "median:", ""]
    order = ("memory", "tls", "tls, lan", "tls, wan")
    rows = []
    for r in results:
        by = {c["connection"]: c for c in r["connections"]}
        rows.append([r["name"], *(f"{seconds(by[name]['predicted_s'])} "
                                  f"({by[name]['predicted_s'] / by[name]['median_s']:.2f})" if name in by else ""
                                  for name in order)])
    lines += table(["network", *order], rows)
    rows = []
    for r in results:
        first = r["connections"][0]
        exported = (r["plain_original"] or {}).get("multiply_adds", r["multiply_adds"])
        mac = digits(r["multiply_adds"] / 1e6) + (f" ({digits(exported / 1e6)})" if exported != r["multiply_adds"]
                                                  else "")
        rows.append([r["name"], str(r["activation_layers"]), f"{r['activation_values']:,}", mac,
                     f"{first['bytes_up']:,}", f"{first['bytes_down']:,}",
                     digits(first.get("bytes_per_activation_value", 0)), str(first["round_trips"]),
                     seconds(r["load_s"]),
                     mebibytes(r["memory"]["model_bytes"]),
                     mebibytes(r["memory"]["peak_bytes"] - r["memory"]["resident_before_bytes"])])
    lines += ["", "*M MAC*: as compiled, and as exported in brackets where that differs. *Loading* is without a cache "
              "file. *An inference*: what both parties need during one, on top of the model.", ""]
    lines += table(["network", "activation layers", "activation values", "M MAC", "bytes up", "bytes down",
                    "bytes per value", "round trips", "loading",
                    "model in memory", "an inference"], rows)
    rows = []
    for r in results:
        worst = max(r["pictures"], key=lambda p: p["largest_logit_difference"] / p["logit_bound"])
        right = all(c["correctness"]["correct"] for c in r["connections"])
        rows.append([r["name"], str(len(r["pictures"])), str(r["pictures_skipped"]),
                     str(sum(p["runs"] for p in r["pictures"])),
                     str(sum(p["same_class_as_twin"] for p in r["pictures"])) if right else "**wrong**",
                     f"{worst['largest_logit_difference']:.3g}", f"{worst['logit_bound']:.3g}",
                     f"{r['audit']['largest_rounding_error']:.2f}"])
    lines += ["", "The private logits against the twin's, over all pictures and connections. *Passed over*: pictures "
              "of the set on which some value leaves its range. *Allowed*: six sigma of what the random rounding of "
              "the protocol does to the twin's own logits, and one unit of the result layer; of the picture that came "
              "nearest to it. *Rounding error*: the largest of any pre-activation in one more run with the shares of "
              "both parties laid open; one unit is allowed, and half a unit of noise. (Random weights hardly tell "
              "classes apart, so that the first of two close ones may change.)", ""]
    return lines + table(["network", "pictures", "passed over", "runs", "same class as the twin", "largest logit "
                          "difference", "allowed", "rounding error"], rows)
