"""The package against the demonstration model: compile, serve, ask, measure."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
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
        self.assertEqual(set(report.layers[0]) >= {"name", "share_bits", "snr_db"}, True)
        self.assertTrue(self.phases)
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

    def test_asyncio(self) -> None:
        async def both() -> list:
            return await asyncio.gather(*(self.client.infer_async(picture) for picture in PICTURES[:2]))

        twin = flash_pi.Twin(self.made.model)
        for picture, answer in zip(PICTURES, asyncio.run(both())):
            self.assertEqual(answer.best[0].index, int(twin.logits(picture).argmax()))

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
        made = flash_pi.compile(module, pictures, input_shape=(3, 16, 16), classes=list("abcd"), mean=[0.5] * 3,
                                std=[0.25] * 3)
        self.assertEqual(made.model.info.classes, list("abcd"))
        with flash_pi.serve(made.model) as server:
            logits = flash_pi.Client(server.address, pin=server.pin).infer(pictures[0]).logits.ravel()
        with torch.no_grad():
            expected = module(torch.from_numpy(pictures[0])[None])[0].numpy()
        self.assertLess(np.abs(logits - expected).max(), 0.1 * np.abs(expected).max() + 0.02)

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


if __name__ == "__main__":
    unittest.main()
