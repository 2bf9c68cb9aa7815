"""What the scripts of this folder share: a server and clients as processes, and how their answers are compared."""

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def parser(description):
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--model", type=Path, default=ROOT / "models/cifar10/cifar10.flash")
    result.add_argument("--pictures", type=Path, default=ROOT / "examples/pictures")
    result.add_argument("--flash", type=Path, default=ROOT / "build/release/src/cli/flash")
    # Answers differ by the rounding of shares; a wrong one differs by far more.
    result.add_argument("--tolerance", type=float, default=0.25, help="largest difference of a logit")
    result.add_argument("--in-flight", type=int, default=1, help="inferences at a time on each connection")
    result.add_argument("--json", action="store_true")
    return result


def pictures_of(arguments):
    return [str(path) for path in sorted(arguments.pictures.iterdir()) if path.suffix in (".jpg", ".png", ".npy")]


class Server:
    """`flash serve` on this machine, with a certificate in `folder`. Its log goes to folder/NAME.log."""

    def __init__(self, arguments, folder, *options, name="server", listen="127.0.0.1:0", http="127.0.0.1:0"):
        self.folder, self.log = Path(folder), Path(folder) / f"{name}.log"
        port, http_port = self.folder / f"{name}.port", self.folder / f"{name}.http"
        for path in (port, http_port):
            path.unlink(missing_ok=True)
        words = [arguments.flash, "serve", arguments.model, "--listen", listen, "--port-file", port, "--http", http,
                 "--http-port-file", http_port, "--cert-dir", folder, "--no-cache", *options]
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([str(word) for word in words], stderr=log)
        for _ in range(600):
            if all(path.exists() and path.read_text().strip() for path in (port, http_port)):
                break
            if self.process.poll() is not None:
                sys.exit(f"the server did not start:\n{self.log.read_text()}")
            time.sleep(0.05)
        else:
            self.process.kill()
            sys.exit("the server did not start in half a minute")
        self.port, self.http_port = int(port.read_text()), int(http_port.read_text())
        self.certificate = self.folder / "server.crt"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        """Ends it in good order; gives its status."""
        if self.alive():
            self.process.terminate()
        return self.process.wait(timeout=120)

    def metrics(self):
        url = f"http://127.0.0.1:{self.http_port}/metrics"
        text = urllib.request.urlopen(url, timeout=10).read().decode()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line[0] != "#"}


def client(arguments, port, certificate, *options, pin=None):
    """The words of a client that prints a line of JSON for each answer."""
    trust = ["--pin", pin] if pin else ["--ca", str(certificate)]
    return [str(arguments.flash), "infer", "--server", f"127.0.0.1:{port}", *trust, "--json-lines", "--threads", "1",
            "--in-flight", str(arguments.in_flight), *options]


def answers(words, timeout=600):
    """Runs a client to its end: status, answers, and what it complained of."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=timeout)
    got = [line for line in map(json.loads, done.stdout.splitlines()) if "logits" in line]  # the others say why not
    return done.returncode, got, done.stderr.strip()


def right_answers(arguments, server, pictures):
    """What one client alone is answered: compared with the clear-text twin by `flash eval --private`."""
    status, got, complaint = answers(client(arguments, server.port, server.certificate, *pictures))
    if status != 0:
        sys.exit(f"a client alone was not answered: {complaint}")
    return {answer["input"]: answer for answer in got}


def is_right(answer, expected, tolerance):
    right = expected[answer["input"]]["logits"]
    return len(right) == len(answer["logits"]) and all(
        abs(a - b) <= tolerance for a, b in zip(answer["logits"], right))


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def tell(arguments, report):
    print(json.dumps(report, indent=2) if arguments.json else "\n".join(f"{k}: {v}" for k, v in report.items()))
