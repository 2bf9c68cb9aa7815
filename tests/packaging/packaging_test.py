"""What packaging/ says of the program is so: options, metrics, and the forms that other programs read.

    FLASH_BINARY=build/release/src/cli/flash python3 -m unittest discover -s tests/packaging -p "*_test.py"

Programs that are not installed (haproxy, systemd-analyze) and a missing PyYAML skip their checks.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGING = ROOT / "packaging"
FLASH = os.environ.get("FLASH_BINARY", str(ROOT / "build/release/src/cli/flash"))


def find(program):
    return shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")


def serve_options():
    text = subprocess.run([FLASH, "serve", "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"--[a-z][a-z-]+", text))


class Packaging(unittest.TestCase):
    def test_options_of_the_container(self):
        text = (PACKAGING / "Containerfile").read_text()
        self.assertLessEqual(set(re.findall(r'"(--[a-z-]+)"', text)), serve_options())

    def test_settings_of_the_package(self):
        settings = tomllib.loads((PACKAGING / "flash.toml").read_text())
        self.assertEqual(set(settings), {"serve"})
        self.assertLessEqual({"--" + name for name in settings["serve"]}, serve_options())

    def test_manifests(self):
        text = (PACKAGING / "kubernetes/flash.yaml").read_text()
        self.assertLessEqual(set(re.findall(r"(--[a-z][a-z-]+)", text)), serve_options())
        try:
            import yaml
        except ImportError:
            self.skipTest("PyYAML is not installed")
        parts = {part["kind"]: part for part in yaml.safe_load_all(text)}
        self.assertEqual(set(parts), {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"})
        pod = parts["Deployment"]["spec"]["template"]["spec"]
        arguments = pod["containers"][0]["args"]
        drain = int(arguments[arguments.index("--drain") + 1])
        self.assertGreater(pod["terminationGracePeriodSeconds"], drain)

    def test_dashboard_shows_metrics_that_there_are(self):
        sources = "".join(path.read_text() for path in (ROOT / "src/service").glob("*.cpp"))
        there = set(re.findall(r'"((?:flash|process)_\w+)"', sources))
        dashboard = json.loads((PACKAGING / "grafana/flash.json").read_text())
        shown = set()
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                shown |= set(re.findall(r"\b(?:flash|process)_\w+", target["expr"]))
        self.assertGreater(len(shown), 10)
        for name in shown:
            self.assertIn(re.sub(r"_(bucket|sum|count)$", "", name), there)

    def test_manual_and_completion_know_every_command(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([PACKAGING / "manual", FLASH, folder], check=True)
            page = (Path(folder) / "flash.1").read_text()
            self.assertIn("\n.SH FLASH BENCH NETWORK\n", page)
            self.assertIn("\\-\\-link\\-runs", page)

            def completed(*words):
                script = (f'source "{folder}/flash.bash"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _flash; '
                          'echo "${COMPREPLY[*]}"')
                return subprocess.run(["bash", "-c", script, "bash", "flash", *words], capture_output=True, text=True,
                                      check=True).stdout.split()

            self.assertIn("serve", completed(""))
            self.assertEqual(completed("bench", ""), ["layers", "network", "--help"])
            self.assertEqual(completed("bench", "network", "model", "--on"), ["--onnx"])
            self.assertEqual(completed("--config", "file", "serve", "--li"), ["--listen"])
            self.assertEqual(completed("bench", "--sc"), [])
            self.assertEqual(completed("token", "--acc"), [])

    def test_haproxy_takes_its_configuration(self):
        program = find("haproxy")
        if program is None:
            self.skipTest("haproxy is not installed")
        checked = subprocess.run([program, "-c", "-f", PACKAGING / "haproxy/haproxy.cfg"], capture_output=True,
                                 text=True, check=False)
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_systemd_takes_the_unit(self):
        program = find("systemd-analyze")
        if program is None:
            self.skipTest("systemd-analyze is not installed")
        with tempfile.TemporaryDirectory() as folder:
            unit = Path(folder) / "flash.service"
            # The program is not installed here; nor is its manual page.
            text = (PACKAGING / "flash.service").read_text().replace("/usr/bin/flash", "/bin/true")
            unit.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.M))
            checked = subprocess.run([program, "verify", unit], capture_output=True, text=True, check=False)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))

    def test_manual_page_and_completion(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([PACKAGING / "manual", FLASH, folder], check=True)
            page, completion = (Path(folder) / "flash.1").read_text(), (Path(folder) / "flash.bash").read_text()
            subprocess.run(["bash", "-n", Path(folder) / "flash.bash"], check=True)
        for option in serve_options():
            self.assertIn(option.replace("-", "\\-"), page)
            self.assertIn(option, completion)
        self.assertIn(".SH FLASH INFER", page)


if __name__ == "__main__":
    unittest.main()
