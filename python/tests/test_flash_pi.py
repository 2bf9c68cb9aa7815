"""The package against the demonstration model: compile, serve, ask, measure."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import numpy as np

import flash_pi

SOURCE = Path(os.environ.get("FLASH_SOURCE", Path(__file__).resolve().parents[2]))
PICTURES = sorted((SOURCE / "examples" / "pictures").glob("*.jpg"))
ONNX = SOURCE / "models" / "cifar10" / "cifar10.onnx"


class FlashPi(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        phases: list[str] = []
        cls.made = flash_pi.compile(ONNX, PICTURES, name="by-python", progress=lambda f, phase: phases.append(phase))
        cls.phases = phases
        cls.server = flash_pi.serve(cls.made.model)
        cls.client = flash_pi.Client(cls.server.address, pin=cls.server.pin)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.stop()

    def kind(self, call) -> str:
        with self.assertRaises(flash_pi.Error) as caught:
            call()
        self.assertTrue(str(caught.exception))
        return caught.exception.kind

    def test_report(self) -> None:
        report = self.made.report
        self.assertGreater(report.snr_db, 20)
        self.assertEqual(len(report.layers), self.made.model.info.layers)
        self.assertGreater(report.layers[0].share_bits, 5)
        self.assertIn("conv", str(report).lower())
        self.assertIn("dB", str(report))
        self.assertIn("calibrating", self.phases)
        self.assertEqual(self.made.model.info.name, "by-python")

    def test_answers_are_the_twins(self) -> None:
        twin = flash_pi.Twin(self.made.model)
        for picture in PICTURES:
            answer = self.client.infer(picture)
            expected = twin.logits(picture)
            self.assertEqual(answer.best[0].index, int(expected.argmax()))
            self.assertEqual(answer.best[0].name, self.client.model.classes[answer.best[0].index])
            self.assertEqual(answer.logits.dtype, np.float32)
            self.assertEqual(answer.logits.shape, (10, 1, 1))
            self.assertLess(np.abs(answer.logits - expected).max(), 0.1 * np.ptp(expected))
            self.assertEqual(answer.bytes_sent, self.client.model.upload_bytes)
            self.assertEqual(answer.unreliable, "")

    def test_every_kind_of_input(self) -> None:
        try:
            from PIL import Image
        except ImportError:
            self.skipTest("PIL is not installed")
        opened = Image.open(PICTURES[0]).convert("RGB")
        info = self.client.model
        expected = flash_pi.prepare(info, PICTURES[0])
        pixels = np.asarray(opened)
        given = [opened, pixels, np.ascontiguousarray(pixels.transpose(2, 0, 1)), expected, expected.astype(np.float64),
                 expected[None]]
        try:
            import torch
            given += [torch.from_numpy(expected), torch.from_numpy(pixels.copy())]
        except ImportError:
            pass
        with tempfile.TemporaryDirectory() as name:
            np.save(Path(name) / "input.npy", expected)
            given.append(str(Path(name) / "input.npy"))
            for one in given:
                # JPEG decoders differ by a unit here and there
                self.assertLess(np.abs(flash_pi.prepare(info, one) - expected).max(), 0.05)

    def test_float_arrays_are_not_copied(self) -> None:
        values = flash_pi.prepare(self.client.model, PICTURES[0])
        self.assertIs(flash_pi.prepare(self.client.model, values), values)
        self.assertFalse(values.flags.owndata)  # of the library's vector, which the array keeps
        self.assertIsNotNone(values.base)

    def test_tables(self) -> None:
        layers = self.made.report.layers
        self.assertEqual(layers.columns()["snr_db"], [layer.snr_db for layer in layers])
        lines = str(layers).splitlines()
        self.assertEqual(len(lines), len(layers) + 1)
        self.assertEqual(lines[0].split()[:2], ["name", "channels"])
        self.assertEqual(layers._repr_html_().count("<tr>"), len(layers) + 1)
        self.assertEqual((flash_pi.Table().columns(), str(flash_pi.Table())), ({}, ""))
        try:
            import pandas
        except ImportError:
            self.skipTest("pandas is not installed")
        frame = pandas.DataFrame(layers)
        self.assertTrue(frame.equals(layers.to_pandas()))
        self.assertEqual(list(frame["name"]), [layer.name for layer in layers])

    def test_plan(self) -> None:
        model = self.made.model
        plan = flash_pi.plan(model, "100M,20ms")
        self.assertEqual((plan.upload_bytes, plan.download_bytes), (model.info.upload_bytes, model.info.download_bytes))
        self.assertEqual(len(plan.layers), model.info.layers)
        self.assertEqual(sum(layer.activation_values for layer in plan.layers), model.info.activation_values)
        self.assertLessEqual(sum(layer.upload_bytes for layer in plan.layers), plan.upload_bytes)
        # 100 Mbit/s and a round trip a layer are a lower bound.
        self.assertGreater(plan.seconds, 8 * plan.download_bytes / 100e6)
        self.assertGreater(plan.seconds, 0.02 * (plan.round_trips - 1))
        self.assertLess(plan.log2_wrong, -30)
        self.assertIn("round trips", str(plan))
        self.assertLess(flash_pi.plan(model).seconds, plan.seconds)
        self.assertEqual(self.kind(lambda: flash_pi.plan(model, "carrier pigeon")), "invalid-argument")
        self.assertEqual(self.kind(lambda: flash_pi.plan(model, cores=-1)), "invalid-argument")

    def test_data_sets(self) -> None:
        data = flash_pi.DataSet(f"images:{SOURCE / 'examples' / 'pictures'}")
        self.assertEqual(len(data), len(PICTURES))
        self.assertEqual([item.name for item in data], [picture.name for picture in PICTURES])
        self.assertIsNone(data[0].label)
        self.assertTrue((data[-1].input(self.client.model) == flash_pi.prepare(self.client.model, PICTURES[-1])).all())
        self.assertEqual(len(data[2:5]), 3)
        self.assertRaises(IndexError, lambda: data[len(data)])
        self.assertEqual(self.client.infer(data[0]).best[0].index, self.client.infer(PICTURES[0]).best[0].index)
        twin = flash_pi.Twin(self.made.model)
        self.assertEqual(self.kind(lambda: twin.accuracy(data)), "invalid-argument")  # no labels
        self.assertEqual(self.kind(lambda: flash_pi.DataSet("images:/nonexistent")), "file")
        self.assertEqual(self.kind(lambda: flash_pi.DataSet("pictures")), "invalid-argument")
        with tempfile.TemporaryDirectory() as name:
            expected = [int(twin.logits(picture).argmax()) for picture in PICTURES]
            classes = sorted({f"class{label}" for label in expected})
            for picture, label in zip(PICTURES, expected):
                (Path(name) / f"class{label}").mkdir(exist_ok=True)
                (Path(name) / f"class{label}" / picture.name).write_bytes(picture.read_bytes())
            labelled = flash_pi.DataSet(f"images:{name}")
            self.assertEqual(labelled.classes, classes)
            right = [int(labelled.classes[item.label][5:]) == int(twin.logits(item).argmax()) for item in labelled]
            self.assertEqual(right, [True] * len(PICTURES))
            hits = sum(item.label == int(twin.logits(item).argmax()) for item in labelled)
            fractions: list[float] = []
            found = twin.accuracy(labelled, progress=fractions.append)
            self.assertEqual((found.correct, found.inputs), (hits, len(PICTURES)))
            self.assertEqual((len(fractions), fractions[-1]), (len(PICTURES), 1))

    def test_progress_bars(self) -> None:
        try:
            import tqdm  # noqa: F401
        except ImportError:
            self.skipTest("tqdm is not installed")
        written = io.StringIO()
        with contextlib.redirect_stderr(written):
            self.client.infer(PICTURES[0], progress=True)
        self.assertIn("private inference", written.getvalue())
        self.assertIn("100%", written.getvalue())

    def test_the_interpreter_is_free_meanwhile(self) -> None:
        twin = flash_pi.Twin(self.made.model)
        values = flash_pi.prepare(self.made.model.info, PICTURES[0])
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1000)  # nobody is made to let go of the interpreter
        steps, stop = [0], threading.Event()

        def count() -> None:
            while not stop.is_set():
                steps[0] += 1
                time.sleep(0)

        counter = threading.Thread(target=count)
        counter.start()
        try:
            for call in (lambda: twin.model.evaluate(values), lambda: self.client.infer(values),
                         lambda: flash_pi.plan(self.made.model)):
                before = steps[0]
                call()
                self.assertGreater(steps[0], before)
        finally:
            stop.set()
            counter.join()
            sys.setswitchinterval(interval)

    def test_the_log(self) -> None:
        with flash_pi.serve(self.made.model) as server:
            with self.assertLogs("flash_pi", "INFO") as caught:
                flash_pi.Client(server.address, pin=server.pin).infer(PICTURES[0])
                self.assertEqual(self.kind(lambda: flash_pi.Client(server.address, pin="sha256:" + "0" * 64)),
                                 "network")
                for _ in range(1000):  # the server notices in its own time
                    if any("handshake" in line for line in caught.output):
                        break
                    time.sleep(0.01)
            self.assertTrue(any("inference in" in line for line in caught.output), caught.output)
            self.assertTrue(any("handshake" in line for line in caught.output), caught.output)

    def test_silent_and_gone_at_the_end_of_the_program(self) -> None:
        program = f"""
import flash_pi
server = flash_pi.serve({str(SOURCE / "models" / "cifar10" / "cifar10.flash")!r})
client = flash_pi.Client(server.address, pin=server.pin)
client.infer({str(PICTURES[0])!r})
try:
    flash_pi.Client(server.address, pin="sha256:" + "0" * 64)
except flash_pi.Error as error:
    print(error.kind)
"""  # neither is stopped or closed
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "network\n", ""))

    def test_a_closed_client(self) -> None:
        with flash_pi.Client(self.server.address, pin=self.server.pin) as client:
            self.assertEqual(len(client.infer(PICTURES[0], top=3).best), 3)
        self.assertEqual(self.kind(lambda: client.infer(PICTURES[0])), "invalid-argument")
        self.assertEqual(client.model.name, "by-python")

    def test_errors_keep_their_kind_between_processes(self) -> None:
        error = pickle.loads(pickle.dumps(flash_pi.Error("what", "range")))
        self.assertEqual((str(error), error.kind), ("what", "range"))
        self.assertEqual(flash_pi.Error("what").kind, "internal")

    def test_everything_has_a_docstring(self) -> None:
        for name in flash_pi.__all__:
            if name == "ErrorKind":
                continue  # an alias of words
            thing = getattr(flash_pi, name)
            self.assertTrue(thing.__doc__, name)
            for member, value in vars(thing).items() if isinstance(thing, type) else ():
                if not member.startswith("_") and (callable(value) or isinstance(value, property)) \
                        and thing.__module__ != "flash_pi._native":
                    self.assertTrue(value.__doc__, f"{name}.{member}")

    def test_types(self) -> None:
        if shutil.which("mypy") is None:
            self.skipTest("mypy is not installed")
        with tempfile.TemporaryDirectory() as name:
            checked = subprocess.run(["mypy", "--config-file", SOURCE / "python" / "pyproject.toml", "--cache-dir", name,
                                      Path(flash_pi.__file__).parent], capture_output=True, text=True, check=False)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        stub = (Path(flash_pi.__file__).parent / "_native.pyi").read_text()
        for name, thing in vars(flash_pi._native).items():
            if name.startswith("_"):
                continue
            self.assertRegex(stub, rf"(?m)^(class|def) {name}\b")
            for member in vars(thing) if isinstance(thing, type) else ():
                if not member.startswith("_"):
                    self.assertRegex(stub, rf"(?m)^    (def )?{member}\b", f"{thing}.{member}")

    def test_asyncio(self) -> None:
        async def both() -> list:
            return await asyncio.gather(*(self.client.infer_async(picture) for picture in PICTURES[:2]))

        twin = flash_pi.Twin(self.made.model)
        for picture, answer in zip(PICTURES, asyncio.run(both())):
            self.assertEqual(answer.best[0].index, int(twin.logits(picture).argmax()))

    def test_several_at_a_time(self) -> None:
        async def all_of_them(client: flash_pi.Client) -> list:
            return await asyncio.gather(*(client.infer_async(picture) for picture in PICTURES))

        self.assertEqual(self.client.in_flight, 1)
        with flash_pi.Client(self.server.address, pin=self.server.pin, in_flight=3) as client:
            self.assertEqual(client.in_flight, 3)
            for picture, answer in zip(PICTURES, asyncio.run(all_of_them(client))):
                self.assertEqual(answer.best[0].index, self.client.infer(picture).best[0].index)
                self.assertEqual(answer.bytes_sent, client.model.upload_bytes)
        self.assertEqual(self.kind(lambda: client.in_flight), "invalid-argument")
        self.assertEqual(self.kind(lambda: flash_pi.Client(self.server.address, pin=self.server.pin, in_flight=65)),
                         "invalid-argument")

    def test_connecting_in_asyncio(self) -> None:
        async def ask() -> flash_pi.Answer:
            async with await flash_pi.Client.connect_async(self.server.address, pin=self.server.pin) as client:
                return await client.infer_async(PICTURES[0])

        self.assertEqual(asyncio.run(ask()).best[0].index, self.client.infer(PICTURES[0]).best[0].index)
        self.assertEqual(self.kind(lambda: asyncio.run(flash_pi.Client.connect_async("127.0.0.1:1", pin="sha256:00"))),
                         "invalid-argument")

    def test_cancelling(self) -> None:
        async def cancelled() -> None:
            started = threading.Event()
            task = asyncio.create_task(self.client.infer_async(PICTURES[0], progress=lambda fraction: started.set()))
            await asyncio.to_thread(started.wait)
            task.cancel()
            await task

        with self.assertRaises(asyncio.CancelledError):
            asyncio.run(cancelled())
        self.assertEqual(len(self.client.infer(PICTURES[0]).best), 5)  # the client goes on

    def test_an_error_in_the_callers_progress_comes_through(self) -> None:
        def broken(fraction: float) -> None:
            raise RuntimeError("the caller's own")

        with self.assertRaisesRegex(RuntimeError, "the caller's own"):
            self.client.infer(PICTURES[0], progress=broken)

        def broken_at_the_end(fraction: float) -> None:
            if fraction == 1:
                raise RuntimeError("the answer was there")

        with self.assertRaisesRegex(RuntimeError, "the answer was there"):
            self.client.infer(PICTURES[0], progress=broken_at_the_end)

        def broken_too(fraction: float, phase: str) -> None:
            raise RuntimeError("the caller's own")

        with self.assertRaisesRegex(RuntimeError, "the caller's own"):
            flash_pi.compile(ONNX, PICTURES, progress=broken_too)

    def test_a_process_of_its_own(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "model.flash"
            self.made.model.save(file)
            with flash_pi.serve(file, process=True) as server:
                answer = flash_pi.Client(server.address, pin=server.pin, fingerprint=self.made.model.info.fingerprint)
                self.assertEqual(len(answer.infer(PICTURES[0]).best), 5)
            self.assertEqual(self.kind(lambda: flash_pi.serve(Path(name) / "none.flash", process=True)), "file")

    def test_accuracy(self) -> None:
        twin = flash_pi.Twin(self.made.model)
        labels = [int(twin.logits(picture).argmax()) for picture in PICTURES]
        found = twin.accuracy([*zip(PICTURES, labels), (PICTURES[0], (labels[0] + 1) % 10)])
        self.assertEqual((found.correct, found.inputs), (len(PICTURES), len(PICTURES) + 1))
        self.assertAlmostEqual(found.fraction, len(PICTURES) / (len(PICTURES) + 1))
        inputs = np.stack([flash_pi.prepare(self.made.model.info, picture) for picture in PICTURES])
        batches = [(inputs[:4], np.array(labels[:4])), (inputs[4:], np.array(labels[4:]))]
        found = twin.accuracy((batch for batch in batches), threads=1)
        self.assertEqual((found.correct, found.inputs), (len(PICTURES), len(PICTURES)))
        self.assertEqual(self.kind(lambda: twin.accuracy([(inputs, np.array(labels[:4]))])), "invalid-argument")

    def test_a_torch_module(self) -> None:
        try:
            import torch
        except ImportError:
            self.skipTest("PyTorch is not installed")

        class Square(torch.nn.Module):
            def forward(self, x):
                return x * x + x

        torch.manual_seed(1)
        module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2, 1), Square(), torch.nn.AdaptiveAvgPool2d(1),
                                     torch.nn.Flatten(), torch.nn.Linear(8, 4))
        pictures = [np.random.default_rng(i).normal(size=(3, 16, 16)).astype(np.float32) for i in range(32)]
        self.assertEqual(self.kind(lambda: flash_pi.compile(module, pictures, input_shape=(3, 16, 16))),
                         "invalid-argument")  # in training mode
        module.eval()
        self.assertEqual(self.kind(lambda: flash_pi.compile(module, pictures)), "invalid-argument")
        made = flash_pi.compile(module, pictures, input_shape=(3, 16, 16), classes=list("abcd"),
                                mean=np.full(3, 0.5), std=[0.25] * 3)
        self.assertEqual(made.model.info.classes, list("abcd"))
        silent = flash_pi.compile(module, pictures, input_shape=(3, 16, 16))
        self.assertFalse(silent.model.info.takes_pictures)
        self.assertEqual(self.kind(lambda: flash_pi.compile(module, PICTURES, input_shape=(3, 16, 16))),
                         "invalid-argument")  # nobody said how they become its input
        with flash_pi.serve(made.model) as server:
            logits = flash_pi.Client(server.address, pin=server.pin).infer(pictures[0]).logits.ravel()
        with torch.no_grad():
            expected = module(torch.from_numpy(pictures[0])[None])[0].numpy()
        self.assertLess(np.abs(logits - expected).max(), 0.1 * np.abs(expected).max() + 0.02)

    def test_what_is_said_of_pictures_is_added_to_the_files(self) -> None:
        known = self.made.model.info.pictures
        rule = flash_pi.compile(ONNX, PICTURES, resize=40, least_agreement=0).model.info.pictures
        self.assertEqual((rule.resize, rule.mean, rule.std), (40, known.mean, known.std))
        rule = flash_pi.compile(ONNX, PICTURES, mean=[0.5] * 3, least_agreement=0).model.info.pictures
        self.assertEqual((rule.resize, rule.mean, rule.std), (known.resize, [0.5] * 3, known.std))

    def test_a_token_lets_in(self) -> None:
        program = Path(flash_pi.__file__).resolve().parents[2] / "src/cli/flash"
        if not program.exists():
            self.skipTest("the flash program is not beside the package")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            words = [program, "token", folder / "token"]
            told = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()[0]
            accounts = {"accounts": [{"name": "clinic", "models": ["small"], "tokens": [told]}]}
            (folder / "access.json").write_text(json.dumps(accounts))
            (folder / "models").mkdir()
            for model in ("small", "other"):
                self.made.model.save(folder / "models" / f"{model}.flash")
            served = subprocess.Popen([program, "serve", "--models", folder / "models", "--access", folder / "access.json",
                                       "--listen", "localhost:0", "--cert-dir", folder, "--port-file", folder / "port",
                                       "--no-cache"], stderr=subprocess.DEVNULL)
            try:
                for _ in range(600):
                    if (folder / "port").exists() and (folder / "port").read_text():
                        break
                    time.sleep(0.05)
                address = "localhost:" + (folder / "port").read_text().strip()

                def connect(**shown: str) -> flash_pi.Client:
                    return flash_pi.Client(address, ca_file=folder / "server.crt", **shown)

                token = (folder / "token").read_text().strip()
                self.assertEqual(self.kind(connect), "remote")
                self.assertEqual(self.kind(lambda: connect(token=token, model="other")), "remote")
                with_token = connect(token=token, model="small")
                self.assertEqual(with_token.model.fingerprint, self.made.model.info.fingerprint)
                with_token.infer(PICTURES[0])
                with_token.close()
            finally:
                served.terminate()
                served.wait()

    def test_errors(self) -> None:
        self.assertEqual(self.kind(lambda: flash_pi.Client(self.server.address, pin="sha256:" + "0" * 64)), "network")
        self.assertEqual(self.kind(lambda: flash_pi.Model.load(Path("/nonexistent.flash"))), "file")
        self.assertEqual(self.kind(lambda: self.client.infer(np.zeros((3, 8, 8), np.float32))), "invalid-argument")
        self.assertEqual(self.kind(lambda: self.client.infer(np.zeros((3, 32, 32), np.int64))), "invalid-argument")
        self.assertEqual(self.kind(lambda: flash_pi.compile(b"no onnx", PICTURES)), "file")
        self.assertEqual(self.kind(lambda: flash_pi.compile(7, PICTURES)), "invalid-argument")

    def test_ctrl_c_cancels(self) -> None:
        program = f"""
import os, signal, sys
import flash_pi
client = flash_pi.Client({self.server.address!r}, pin={self.server.pin!r})
sent = []
def progress(fraction):
    if not sent:
        sent.append(os.kill(os.getpid(), signal.SIGINT))
try:
    client.infer({str(PICTURES[0])!r}, progress=progress)
except KeyboardInterrupt:
    print("interrupted")
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout.strip(), "interrupted", done.stderr)

    def test_ctrl_c_is_heard_while_the_server_is_silent(self) -> None:
        """A proxy passes the handshake on and holds back what follows, then does not answer at all."""
        program = f"""
import os, signal, socket, threading, time
import flash_pi

host, port = {self.server.address!r}.rsplit(":", 1)
silent = threading.Event()

def pass_on(source, target):
    while data := source.recv(65536):
        if silent.is_set():
            time.sleep(60)
        target.sendall(data)

def proxy(listener):
    while True:
        near, _ = listener.accept()
        if not silent.is_set():
            far = socket.create_connection((host, int(port)))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=pass_on, args=pair, daemon=True).start()
        held.append(near)

held = []
listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=proxy, args=(listener,), daemon=True).start()
address = "127.0.0.1:%d" % listener.getsockname()[1]

def interrupted(call):
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    begin = time.monotonic()
    try:
        call()
    except KeyboardInterrupt:
        print("interrupted" if time.monotonic() - begin < 20 else "late")

client = flash_pi.Client(address, pin={self.server.pin!r}, timeout=60)
silent.set()
interrupted(lambda: client.infer({str(PICTURES[0])!r}))
interrupted(lambda: client.infer({str(PICTURES[0])!r}))  # connects anew
interrupted(lambda: flash_pi.Client(address, pin={self.server.pin!r}, timeout=60))
print(end="", flush=True)
os._exit(0)  # nobody waits for the threads
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=100)
        self.assertEqual(done.stdout.split(), ["interrupted"] * 3, done.stderr)

    def test_a_server_process_outlives_ctrl_c_and_ends_when_told(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "net.flash"
            self.made.model.save(file)
            program = f"""
import os, signal, time
import flash_pi, flash_pi.server
flash_pi.server.PATIENCE = 0.5
with flash_pi.serve({str(file)!r}, process=True) as server:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.killpg(0, signal.SIGINT)  # as a terminal does
    print(flash_pi.Client(server.address, pin=server.pin).model.name)
    if os.fork() == 0:  # and holds the server's standard input open
        os.closerange(1, 3)
        time.sleep(30)
        os._exit(0)
print("ended")
"""
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False,
                                  start_new_session=True, timeout=20)
            self.assertEqual(done.stdout.split(), ["by-python", "ended"], done.stderr)


if __name__ == "__main__":
    unittest.main()
