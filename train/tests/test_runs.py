"""The command line: folders of runs, and what is said where a user made a mistake."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

from common import Seeded, images

import torch

from flashtrain import cli, config, halves, runs
from flashtrain.activation import activations
from flashtrain.errors import UserError

NETWORK = """
name = "NAME"
[data]
set = "cifar10"
held_out = 40
[network]
kind = "compact"
layers = [[8, 4, 2], [8, 4, 2]]
[recipe]
epochs = 2
batch = 32
precision = "fp32"
freeze_norm = 1.0
"""


def write_cifar10(place: Path, count: int = 40) -> None:
    """Six files of made-up images in CIFAR-10's layout."""
    folder = place / "cifar-10-batches-bin"
    folder.mkdir()
    for index, name in enumerate([f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]):
        some = images(count, index)
        rows = torch.cat([some.labels.to(torch.uint8).view(-1, 1), some.pixels.flatten(1)], 1)
        (folder / f"{name}.bin").write_bytes(rows.numpy().tobytes())


def write_cifar100(place: Path, count: int = 200) -> None:
    """Two files of made-up images in CIFAR-100's layout: a byte of a coarse class before the fine one."""
    folder = place / "cifar-100-binary"
    folder.mkdir()
    for index, name in enumerate(("train", "test")):
        some = images(count, index)
        labels = torch.stack([some.labels // 5, some.labels], 1).to(torch.uint8)
        (folder / f"{name}.bin").write_bytes(torch.cat([labels, some.pixels.flatten(1)], 1).numpy().tobytes())


class Workplace(Seeded):
    def setUp(self) -> None:
        super().setUp()
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.place = Path(self._folder.name)
        write_cifar10(self.place)
        self.config = self.place / "net.toml"
        self.config.write_text(NETWORK)

    def call(self, *words: object) -> str:
        """Runs flash-train with these words and returns what it printed."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            cli.main([str(word) for word in words])
        return printed.getvalue()

    def train(self, run: str, *more: object) -> str:
        return self.call("train", self.config, "--data", self.place, "--run", self.place / run, "--threads", 1, "--device", "cpu", *more)

    def refused(self, sentence: str):
        return self.assertRaisesRegex(SystemExit, f"(?s)^flash-train.*{sentence}")


class RunsTest(Workplace):
    def test_from_configuration_to_file(self) -> None:
        self.train("run")
        stored = json.loads((self.place / "run" / "run.json").read_text())
        self.assertEqual(stored["ended"], {"epochs": 2, "alpha": 1.0})
        printed = self.call("export", "--run", self.place / "run", "--data", self.place, "--out", self.place / "net.onnx", "--test")
        self.assertRegex(printed, r"test accuracy 0\.\d+")
        self.assertIn("is finished", self.train("run"))

    def test_a_finished_run_is_not_overwritten(self) -> None:
        self.train("run")
        before = (self.place / "run" / "run.json").read_text(), (self.place / "run" / "weights.pt").read_bytes()
        with self.refused("other settings .batch was 32 and is 16"):
            self.train("run", "--set", "batch=16")
        self.config.write_text(NETWORK.replace("NAME", "another"))
        with self.refused("holds a run of NAME: choose another folder"):
            self.train("run")
        self.config.write_text(NETWORK)
        with self.refused("holds a run of NAME"):
            self.train("run", "--twin")
        self.assertEqual(before, ((self.place / "run" / "run.json").read_text(), (self.place / "run" / "weights.pt").read_bytes()))

    def test_goes_on_with_other_settings_if_told_so(self) -> None:
        self.train("run")
        self.train("run", "--set", "epochs=3", "--change")
        self.assertEqual(len((self.place / "run" / "log.csv").read_text().splitlines()), 4)

    def test_a_run_that_goes_on_counts_as_it_is_now(self) -> None:
        self.train("run")
        folder = self.place / "run"
        with self.refused("has come to the end of its schedule"):
            self.train("run", "--change")
        with self.refused("whose optimiser is sgd, which cannot change on the way"):
            self.train("run", "--set", "epochs=3", "optimiser=muon", "--change")
        ended = (folder / "weights.pt").read_bytes()
        self.train("run", "--set", "epochs=4", "--change", "--steps", 2)
        stored = json.loads((folder / "run.json").read_text())
        del stored["ended"]  # as if interrupted: the checkpoint is newer than the weights
        (folder / "run.json").write_text(json.dumps(stored))
        (folder / "weights.pt").write_bytes(ended)
        self.assertFalse(runs.finished(folder))
        average = runs.read_torch(folder / "checkpoint.pt")["average"]
        for name, value in runs.trained(folder)[1].state_dict().items():
            self.assertTrue(torch.equal(value, average[name]), name)

    def test_weights_without_a_checkpoint_are_not_gone_on_with(self) -> None:
        self.train("run")
        folder = self.place / "run"
        (folder / "checkpoint.pt").unlink()
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        with self.refused("no checkpoint to go on from: --start"):
            self.train("run", "--set", "epochs=3", "--change")
        self.assertEqual({path.name: path.read_bytes() for path in folder.iterdir()}, before)

    def test_relu_as_a_setting_is_the_twin(self) -> None:
        self.train("run", "--set", "activation=relu")
        configuration, model = runs.trained(self.place / "run")
        self.assertTrue(configuration.twin)
        self.assertEqual([a.alpha for a in activations(model)], [0.0, 0.0])
        self.assertIn("held-out accuracy", self.call("export", "--run", self.place / "run", "--data", self.place))
        with self.refused("is a ReLU twin"):
            self.call("export", "--run", self.place / "run", "--data", self.place, "--out", self.place / "net.onnx")
        self.assertFalse((self.place / "net.onnx").exists())

    def test_a_start_that_failed_leaves_nothing(self) -> None:
        with self.refused("holds no cifar10"):
            self.call("train", self.config, "--data", self.place / "nowhere", "--run", self.place / "run")
        self.assertFalse((self.place / "run").exists())

    def test_damaged_files_are_told(self) -> None:
        self.train("run", "--set", "epochs=2", "batch=64")
        folder = self.place / "run"
        run = (folder / "run.json").read_text()
        (folder / "run.json").write_text(run[:40])
        with self.refused("run.json is no JSON"):
            self.train("run")
        (folder / "run.json").write_text("{}")
        with self.refused("run.json lacks config, recipe, twin"):
            self.call("export", "--run", folder, "--data", self.place, "--out", self.place / "net.onnx")
        (folder / "run.json").write_text(run)
        weights = (folder / "weights.pt").read_bytes()
        (folder / "weights.pt").write_bytes(weights[:1000])
        with self.refused("weights.pt is not what torch.save writes"):
            self.call("export", "--run", folder, "--data", self.place, "--out", self.place / "net.onnx")
        (folder / "weights.pt").unlink()
        checkpoint = (folder / "checkpoint.pt").read_bytes()
        (folder / "checkpoint.pt").write_bytes(checkpoint[:-200])
        with self.refused("checkpoint.pt is not what torch.save writes"):
            self.train("run", "--set", "epochs=2", "batch=64")

    def test_an_unfinished_blend_is_refused(self) -> None:
        self.train("run", "--steps", 2, "--set", "blend_end=1.0")
        with self.refused("on its way from ReLU to square"):
            self.call("export", "--run", self.place / "run", "--data", self.place, "--out", self.place / "net.onnx")
        self.assertFalse((self.place / "net.onnx").exists())
        (self.place / "run" / "weights.pt").unlink()  # as if interrupted: the checkpoint is left
        with self.refused("on its way from ReLU to square"):
            self.call("export", "--run", self.place / "run", "--data", self.place, "--out", self.place / "net.onnx")
        with self.refused("on its way"):
            self.train("next", "--teacher", self.place / "run")

    def test_the_twin_is_a_teacher(self) -> None:
        self.train("relu", "--twin")
        self.train("sine", "--teacher", self.place / "relu", "--set", "start_from_teacher=true", "activation=sine", "blend_end=0.5")
        configuration, model = runs.trained(self.place / "sine")
        self.assertEqual(configuration.recipe.activation, "sine")
        self.assertEqual([a.alpha for a in activations(model)], [1.0, 1.0])

    def test_a_teacher_is_not_forgotten(self) -> None:
        self.train("relu", "--twin")
        first = ("--set", "start_from_teacher=true")
        with self.refused("there is no --teacher RUN"):
            self.train("square", *first)
        with self.refused("only one of them"):
            self.train("square", *first, "--teacher", self.place / "relu", "--start", self.place / "relu")
        self.assertFalse((self.place / "square").exists())
        self.train("square", "--teacher", self.place / "relu", "--steps", 1)
        with self.refused("holds a run with a teacher: name it by --teacher"):
            self.train("square")
        with self.refused("holds a run without a teacher: leave out --teacher"):
            self.train("relu", "--twin", "--teacher", self.place / "relu")
        write_cifar100(self.place)
        self.config.write_text(NETWORK.replace("cifar10", "cifar100"))
        with self.refused("knows 10 classes and this network 100"):
            self.train("other", "--teacher", self.place / "relu")

    def test_steps_are_counted_over_epochs(self) -> None:
        self.train("run", "--steps", 7)  # of 5 an epoch
        lines = (self.place / "run" / "log.csv").read_text().splitlines()
        self.assertEqual([line.split(",")[:2] for line in lines], [["epoch", "steps"], ["1", "5"], ["2", "2"]])

    def test_starts_from_a_released_file(self) -> None:
        self.train("run")
        file = self.place / "net.onnx"
        self.call("export", "--run", self.place / "run", "--data", self.place, "--out", file)
        ended = runs.trained(self.place / "run")[1].state_dict()
        # Rates are 0, and normalisations that keep their statistics: what it starts with is what it ends with.
        self.train("next", "--start", file, "--set", "peak_rate=0.0", "freeze_norm=0.0", "average=0.0")
        for name, value in runs.trained(self.place / "next")[1].state_dict().items():
            if not name.endswith("num_batches_tracked"):
                torch.testing.assert_close(value, ended[name], msg=name)
        broken = self.place / "broken.onnx"
        broken.write_bytes(file.read_bytes()[:100])
        with self.refused("broken.onnx is no ONNX file"):
            self.train("other", "--start", broken)
        self.config.write_text(NETWORK.replace("[[8, 4, 2]", "[[12, 4, 2]"))
        with self.refused("net.onnx is another one"):
            self.train("third", "--start", file)

    def test_starts_from_a_network_with_other_classes(self) -> None:
        self.train("run")
        file = self.place / "net.onnx"
        self.call("export", "--run", self.place / "run", "--data", self.place, "--out", file)
        ended = runs.trained(self.place / "run")[1].state_dict()
        write_cifar100(self.place)
        self.config.write_text(NETWORK.replace("cifar10", "cifar100"))
        for name, source in (("from-run", self.place / "run"), ("from-file", file)):
            with self.subTest(name):
                printed = self.train(name, "--start", source, "--set", "peak_rate=0.0", "freeze_norm=0.0", "average=0.0")
                self.assertIn("has 10 classes and this network 100: its last layer starts anew", printed)
                model = runs.trained(self.place / name)[1]
                own = model.state_dict()
                self.assertEqual(len(own["head.weight"]), 100)
                for key, value in own.items():
                    if not key.startswith("head.") and not key.endswith("num_batches_tracked"):
                        torch.testing.assert_close(value, ended[key], msg=key)
        self.config.write_text(NETWORK.replace("cifar10", "cifar100").replace("[8, 4, 2]]", "[12, 4, 2]]"))
        with self.refused("net.onnx is another one"):
            self.train("other", "--start", file)

    def test_mistakes_are_told_in_sentences(self) -> None:
        for words, sentence in (
                (("--set", "bach=3"), "no setting 'bach'; did you mean 'batch'"), (("--set", "batch=many"), "'batch' has to be an int"),
                (("--set", "batch"), "NAME=VALUE"), (("--set", "activation=cubic"), "activation = 'cubic' is not one of"),
                (("--teacher", "nowhere"), "is no folder of a run"), (("--set", "quantise=0.5"), "quantise must not be before"),
                (("--set", "activation=sine", "quantise=1.0", "freeze_norm=0.5", "batch=true"), "'batch' has to be an int"),
                (("--set", "twin=true"), "no setting 'twin'"), (("--set", "epochs=0"), "epochs = 0 is not 1 or more"),
                (("--set", "batch=0"), "batch = 0 is not 1 or more"), (("--set", "batch=5000"), "fewer training images than a batch of 5000"),
                (("--set", "blend_start=0.5", "--set", "blend_end=0.4"), "blend_end = 0.4 lies before"), (("--set", "momentum=1.0"), "momentum = 1.0 is not in"),
                (("--set", "temperature=0.0"), "temperature = 0.0 is not above 0"), (("--set", "optimiser=muon", "peak_rate=0.0"), "peak_rate = 0 with Muon"),
                (("--replicas", 33), "33 replicas cannot share a batch of 32"), (("--set", "warmup=1.0"), "warmup = 1.0 is not in"),
                (("--device", "foo"), "'foo' is no device"), (("--run", self.config), "File exists")):
            with self.subTest(words), self.refused(sentence):
                self.train("run", *words)
        with self.refused("there is no configuration nowhere/compact-cifar10-cpu"):
            self.call("train", "nowhere/compact-cifar10-cpu.toml", "--data", self.place, "--run", self.place / "run")
        with self.refused("there is no configuration nothing"):
            self.call("train", "nothing", "--data", self.place, "--run", self.place / "run")
        with self.refused("holds no cifar100"):
            self.call("train", "own-cifar100-sine-cpu", "--data", self.place, "--run", self.place / "other")
        with self.refused("there is no command 'trian'"):
            self.call("trian")
        for words in (("--minutes", 0), ("--minutes", -1), ("--replicas", 0), ("--threads", -1), ("--limit", 0), ("--steps", "x")):
            with self.subTest(words), self.assertRaises(SystemExit) as ended, contextlib.redirect_stderr(io.StringIO()) as said:
                self.train("run", *words)
            self.assertEqual(ended.exception.code, 2)
            self.assertIn(f"argument {words[0]}", said.getvalue())
        with self.refused("there is no program nowhere"):
            self.call("all", self.config, "--data", self.place, "--out", self.place / "all", "--flash", "nowhere")
        for text, sentence in ((NETWORK.replace('"compact"', '"compakt"'), "kind = 'compakt' in .network. is not one of compact"),
                               (NETWORK.replace('kind = "compact"', ""), "kind = None in"), (NETWORK.replace("layers =", "lairs ="), "of kind compact: .*layers"),
                               (NETWORK.replace("held_out = 40", ""), "held_out = N is missing"),
                               ("name = 'x'\ndata = 'x'\nnetwork = 'x'\nrecipe = 'x'", "'data' has to be a table")):
            self.config.write_text(text)
            with self.subTest(sentence), self.refused(sentence):
                self.train("run")
        self.config.write_bytes(bytes(range(128, 200)))
        with self.refused("is no TOML"):
            self.train("run")
        self.config.write_text("name = ")
        with self.refused("is no TOML"):
            self.train("run")
        self.config.write_text("name = 'x'")
        with self.refused("'data' is missing"):
            self.train("run")

    def test_everything_with_one_command(self) -> None:
        self.call("all", self.config, "--data", self.place, "--out", self.place / "all", "--smoke", 2)
        self.assertTrue((self.place / "all" / "net" / "net.onnx").exists())
        self.assertFalse((self.place / "all" / "results.csv").exists())
        # What was tried is no result: the runs of the trial are not taken for those that are asked for.
        with self.refused("failed:\n  net: "):
            self.call("all", self.config, "--data", self.place, "--out", self.place / "all")
        results = self.place / "whole" / "results.csv"
        results.parent.mkdir()
        results.write_text("config,target,relu,float,integer,minutes\nnet,,1.0,2.0,,3.0\nother,,50.0,51.0,,9.0\n")
        self.call("all", self.config, "--data", self.place, "--out", self.place / "whole", "--no-twins")
        lines = results.read_text().splitlines()
        self.assertEqual([line.split(",")[0] for line in lines], ["config", "net", "other"])
        self.assertRegex(lines[1], r"^net,,,\d+\.\d+,,\d")
        self.assertEqual(lines[2], "other,,50.0,51.0,,9.0")

    def test_rows_of_an_ablation_stay(self) -> None:
        table = self.place / "out" / "ablation.csv"
        for name in ("no clipping", "no averaging"):
            self.call("ablate", self.config, "--data", self.place, "--out", self.place / "out", "--threads", 1, "--only", name)
        lines = table.read_text().splitlines()
        self.assertEqual([line.split(",")[0] for line in lines], ["run", "no clipping", "no averaging"])
        with self.refused("the run 'the recipe' failed: "):
            self.call("ablate", self.config, "--data", self.place / "nowhere", "--out", self.place / "out", "--only", "the recipe")
        self.assertEqual(table.read_text().splitlines(), lines)

    def test_help_names_every_command(self) -> None:
        printed = self.call()
        for name in cli.COMMANDS:
            self.assertIn(name, printed)


class LeaseTest(Workplace):
    LIST = """
    [[row]]
    config = "net.toml"
    minutes = 0.05
    twin = true
    [[row]]
    config = "net.toml"
    minutes = 0.05
    teacher = "net-relu"
    set = { activation = "sine", batch = 40 }
    """

    def test_rows_come_back_in_halves_and_are_not_trained_twice(self) -> None:
        path = self.place / "list.toml"
        path.write_text(self.LIST.replace("net.toml", str(self.config)))
        words = ("lease", path, "--data", self.place, "--out", self.place / "back", "--device", "cpu", "--threads", 1)
        self.assertIn("net-relu and what follows wait", self.call(*words, "--minutes", 0.5))
        self.call(*words, "--minutes", 5)
        lines = (self.place / "back" / "lease.csv").read_text().splitlines()
        self.assertEqual([line.split(",")[0] for line in lines], ["row", "net-relu", "net"])
        configuration, model = runs.trained(self.place / "back" / "net")
        self.assertEqual((configuration.recipe.activation, configuration.recipe.batch), ("sine", 40))
        self.assertTrue(all(torch.isfinite(p).all() for p in model.parameters()))
        self.call(*words, "--minutes", 5)
        self.assertEqual((self.place / "back" / "lease.csv").read_text().splitlines(), lines)

    def test_a_list_is_checked_before_time_is_spent(self) -> None:
        path = self.place / "list.toml"
        for text, sentence in (("", r"has no \[\[row\]\]"), ('[[row]]\nconfig = "nothing"\nminutes = 1.0', "no configuration nothing"),
                               (f'[[row]]\nconfig = "{self.config}"\nminutes = 1.0\nset = {{ bach = 1 }}', "no setting 'bach'")):
            path.write_text(text)
            with self.refused(sentence):
                self.call("lease", path, "--data", self.place, "--out", self.place / "back", "--minutes", 1)

    def test_a_row_that_fails_does_not_stop_the_others(self) -> None:
        path = self.place / "list.toml"
        row = f'[[row]]\nconfig = "{self.config}"\nminutes = 0.05\n'
        path.write_text(f'{row}name = "big"\nset = {{ batch = 5000 }}\n{row}name = "run"\ntwin = true\n')
        self.train("run", "--twin")  # of the same name, in the folder that it is called in: another run
        with contextlib.chdir(self.place), self.refused("failed:\n  big: "):
            self.call("lease", path, "--data", self.place, "--out", self.place / "back", "--device", "cpu", "--threads", 1, "--minutes", 5)
        self.assertEqual([line.split(",")[0] for line in (self.place / "back" / "lease.csv").read_text().splitlines()], ["row", "run"])
        self.assertTrue(runs.finished(self.place / "back" / "run"))

    def test_halves_are_small_and_come_back(self) -> None:
        state = {"a": torch.randn(40, 50), "b": torch.randn(30, 50), "c": torch.randn(7), "n": torch.tensor(3)}
        paths = halves.save(state, self.place / "half", limit=5000)
        self.assertEqual(len(paths), 2)
        loaded = halves.load(self.place / "half")
        self.assertEqual(list(loaded), list(state))
        self.assertTrue(torch.equal(loaded["c"], state["c"]))
        self.assertEqual(loaded["n"].item(), 3)
        self.assertTrue(torch.allclose(loaded["a"], state["a"], atol=2e-3))


if __name__ == "__main__":
    unittest.main()
