"""Image sets and augmentation."""

from __future__ import annotations

import dataclasses
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from common import CIFAR10, Seeded, images

import torch

from flashtrain import data
from flashtrain.data import SOURCES, folder, loader, memory
from flashtrain.data.augment import Augmented, cutmix
from flashtrain.errors import UserError


class DataTest(Seeded):
    def test_cifar_layouts(self) -> None:
        some = images(4)
        planes = some.pixels.flatten(1)
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            ten = torch.cat([some.labels.to(torch.uint8).view(-1, 1), planes], 1).numpy().tobytes()
            for file in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
                (place / file).write_bytes(ten)
            read = data.read(CIFAR10, place, True)
            self.assertEqual(len(read.labels), 20)
            self.assertTrue(torch.equal(read.pixels[4:8], some.pixels))
            hundred = torch.cat([torch.zeros(4, 1, dtype=torch.uint8), some.labels.to(torch.uint8).view(-1, 1), planes], 1)
            (place / "cifar-100-binary").mkdir()
            (place / "cifar-100-binary" / "train.bin").write_bytes(hundred.numpy().tobytes())
            read = data.read(SOURCES["cifar100"], place, True)
            self.assertTrue(torch.equal(read.labels, some.labels))
            (place / "data_batch_1.bin").write_bytes(ten[:-1])
            with self.assertRaisesRegex(UserError, "no whole number of records"):
                data.read(CIFAR10, place, True)

    def test_cutmix_shares_labels_as_it_shares_pixels(self) -> None:
        count, side = 64, 8
        pictures = torch.arange(1.0, count + 1).view(-1, 1, 1, 1).expand(count, 3, side, side)
        labels = torch.arange(count)
        generator = torch.Generator().manual_seed(1)
        partly = 0
        for _ in range(40):
            mixed, shares = cutmix(pictures, labels, 1.0, count, generator)
            for picture, share in zip(mixed, shares):
                pixels = torch.bincount(picture[0].long().flatten() - 1, minlength=count) / side ** 2
                self.assertTrue(torch.allclose(share, pixels, atol=1e-5))
            partly += bool((shares.max(1).values < 1).any())
        self.assertGreater(partly, 20)
        untouched = cutmix(pictures, labels, 0.0, count, generator)
        self.assertIs(untouched[0], pictures)
        self.assertIs(untouched[1], labels)

    def test_missing_set_is_named(self) -> None:
        with tempfile.TemporaryDirectory() as name, self.assertRaisesRegex(UserError, "cifar100"):
            data.locate(SOURCES["cifar100"], Path(name))

    def test_folders_of_pictures(self) -> None:
        try:
            from PIL import Image
        except ImportError:
            self.skipTest("PIL is not installed")
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            (place / "wnids.txt").write_text("n2\nn1\n")
            for wnid in ("n1", "n2"):
                (place / "train" / wnid / "images").mkdir(parents=True)
                Image.new("RGB", (80, 70), (10, 200, 30)).save(place / "train" / wnid / "images" / "a.JPEG")
            read = memory.tiny_imagenet(place, True)
            self.assertEqual(read.pixels.shape, (2, 3, 64, 64))
            self.assertEqual([file.parts[-3] for file, _ in memory.tiny_imagenet_files(place, True)], ["n2", "n1"])
            files = [(file, label) for file, label in memory.tiny_imagenet_files(place, True)]
            small = dataclasses.replace(SOURCES["imagenet"], side=32, resize=36)
            batches = folder.FolderBatches(folder.Pictures(files, small, True), 2, torch.device("cpu"), 0)
            pixels, labels = next(iter(batches.epoch(0, torch.Generator())))
            self.assertEqual(pixels.shape, (2, 3, 32, 32))
            self.assertEqual(sorted(labels.tolist()), [0, 1])

    def test_tiny_imagenet_may_come_as_grids(self) -> None:
        try:
            from PIL import Image
        except ImportError:
            self.skipTest("PIL is not installed")
        with tempfile.TemporaryDirectory() as name:
            place = Path(name) / "tiny-imagenet-200"
            place.mkdir()
            (place / "wnids.txt").write_text("n2\nn1\n")
            (Path(name) / "tiny-imagenet-grids").mkdir()
            for index, wnid in enumerate(("n2", "n1")):
                grid = Image.new("RGB", (3 * 64, 2 * 64))
                for cell in range(6):
                    grid.paste((40 * cell, 200 * index, 0), (cell % 3 * 64, cell // 3 * 64, (cell % 3 + 1) * 64, (cell // 3 + 1) * 64))
                grid.save(Path(name) / "tiny-imagenet-grids" / f"{wnid}.jpg", quality=95)
            read = memory.tiny_imagenet(place, True)
            self.assertEqual(read.labels.tolist(), [0] * 6 + [1] * 6)
            for index in range(12):
                expected = torch.tensor([40.0 * (index % 6), 200.0 * (index // 6), 0.0])
                self.assertLess((read.pixels[index, :, 32, 32].float() - expected).abs().max().item(), 6)

    def test_a_folder_of_class_folders_is_a_set(self) -> None:
        try:
            from PIL import Image
        except ImportError:
            self.skipTest("PIL is not installed")
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            with self.assertRaisesRegex(UserError, "no folders of pictures"):
                folder.folder_source(place, 8, 8, (0.5,) * 3, (0.5,) * 3)
            for wnid in ("dog", "cat"):
                (place / wnid).mkdir()
                Image.new("RGB", (10, 12), (10, 200, 30)).save(place / wnid / "a.png")
            source = folder.folder_source(place, 8, 8, (0.5,) * 3, (0.5,) * 3)
            self.assertEqual((source.labels, source.classes), (("cat", "dog"), 2))
            self.assertEqual(source.read(place, True).pixels.shape, (2, 3, 8, 8))
            with self.assertRaisesRegex(UserError, "no test part"):
                source.read(place, False)

    def test_sets_on_disk_heed_what_they_are_told(self) -> None:
        try:
            from PIL import Image
        except ImportError:
            self.skipTest("PIL is not installed")
        with tempfile.TemporaryDirectory() as name, mock.patch("flashtrain.data.folder.IN_MEMORY", 0):
            place = Path(name)
            for label, colour in enumerate(("red", "blue")):
                (place / colour).mkdir()
                for index in range(10):
                    ramp = torch.arange(8).mul(20).add(label).to(torch.uint8).view(1, 8, 1).expand(8, 8, 3)  # brighter to the right
                    Image.fromarray(ramp.contiguous().numpy()).save(place / colour / f"{index}.png")
            source = folder.folder_source(place, 8, 8, (0, 0, 0), (1, 1, 1))
            self.assertIsNone(source.read)

            def rising(mirror: str) -> set[bool]:
                loaded = loader.loader(source, place, 4, 4, torch.device("cpu"), shift=0, cutout=0, mirror=mirror, workers=0)
                batches = [images for images, _ in loaded.batches.epoch(0, torch.Generator().manual_seed(1))]
                return {bool(one[0, 0, -1] > one[0, 0, 0]) for images in batches for one in images}

            torch.manual_seed(1)
            self.assertEqual(rising("none"), {True})
            self.assertEqual(rising("alternate"), {True, False})
            with self.assertRaisesRegex(UserError, "cutout is for sets that fit into memory"):
                loader.loader(source, place, 4, 4, torch.device("cpu"), shift=0, cutout=2, workers=0)

    def test_mirroring_alternates(self) -> None:
        some = images(64)
        batches = Augmented(some, CIFAR10, 64, torch.device("cpu"), shift=0)
        everything = CIFAR10.standardise(some.pixels)
        seen = []
        for epoch in (0, 1):
            order = torch.randperm(64, generator=torch.Generator().manual_seed(epoch))
            shown, labels = next(iter(batches.epoch(epoch, torch.Generator().manual_seed(epoch))))
            self.assertTrue(torch.equal(labels, some.labels[order]))
            plain = (shown == everything[order]).flatten(1).all(1)
            mirrored = (shown == everything[order].flip(3)).flatten(1).all(1)
            self.assertTrue((plain ^ mirrored).all())
            form = torch.empty(64, dtype=torch.bool)
            form[order] = plain
            seen.append(form)
        self.assertTrue((seen[0] ^ seen[1]).all())

    def test_samples_show_all_classes_of_a_sorted_set(self) -> None:
        count = 3000
        some = data.Images(torch.zeros(count, 3, 8, 8, dtype=torch.uint8), torch.arange(count) // 30)
        source = dataclasses.replace(CIFAR10, folder=".", side=8, classes=100, read=lambda place, train: some)
        with tempfile.TemporaryDirectory() as name:
            for limit, classes in ((None, 95), (200, 60)):
                read = loader.loader(source, Path(name), 100, 10, torch.device("cpu"), shift=0, cutout=0, limit=limit)
                self.assertGreater(len(read.sample.labels[:512].unique()), classes)
            self.assertEqual(len(read.batches), 20)
            self.assertGreater(len(read.held_out.labels.unique()), 95)
            tiny = dataclasses.replace(source, read=lambda place, train: data.Images(some.pixels[:4], some.labels[:4]))
            with self.assertRaisesRegex(UserError, "4 training images: too few"):
                loader.loader(tiny, Path(name), 100, 1, torch.device("cpu"), shift=0, cutout=0)
        self.assertEqual(memory.evenly(10, 4), [0, 2, 5, 7])
        self.assertEqual(memory.evenly(3, 4), [0, 1, 2])
        self.assertEqual(sorted(memory.shuffled(5, 9)), [0, 1, 2, 3, 4])

    def test_labels_of_a_test_part_are_those_of_training(self) -> None:
        try:
            from PIL import Image
        except ImportError:
            self.skipTest("PIL is not installed")
        with tempfile.TemporaryDirectory() as name:
            place = Path(name) / "cifar10"  # a folder may have a set's name
            for part, names in (("train", "abc"), ("val", "ac")):
                for label in names:
                    (place / part / label).mkdir(parents=True)
                    Image.new("RGB", (8, 8)).save(place / part / label / "x.png")
            source = folder.folder_source(place, 8, 8, (0.5,) * 3, (0.5,) * 3)
            self.assertEqual(data.read(source, place, False).labels.tolist(), [0, 2])
            self.assertEqual(loader.test_images(dataclasses.replace(source, read=None), place).labels.tolist(), [0, 2])
            (place / "val" / "d").mkdir()
            with self.assertRaisesRegex(UserError, "d is no class of the training part"):
                data.read(source, place, False)

    def test_cutout_hides_a_square_of_its_side(self) -> None:
        some = data.Images(torch.full((1, 3, 32, 32), 250, dtype=torch.uint8), torch.zeros(1, dtype=torch.long))
        for side in (7, 8):
            batches = Augmented(some, CIFAR10, 1, torch.device("cpu"), shift=0, cutout=side)
            hidden = max((next(iter(batches.epoch(0, torch.Generator().manual_seed(s))))[0][0, 0] == 0).sum().item() for s in range(20))
            self.assertEqual(hidden, side ** 2)

    def test_held_out_images_are_not_trained_on(self) -> None:
        some = data.Images(torch.arange(100).view(-1, 1, 1, 1), torch.arange(100))
        kept, apart = data.split(some, 10)
        self.assertEqual(len(apart.labels), 10)
        self.assertEqual(sorted(kept.labels.tolist() + apart.labels.tolist()), list(range(100)))


if __name__ == "__main__":
    unittest.main()
