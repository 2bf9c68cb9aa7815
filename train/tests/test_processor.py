"""The processor's features, from files as Linux writes them."""

import tempfile
import unittest
from pathlib import Path

from flashtrain.processor import features


class Features(unittest.TestCase):
    def test_of_the_first_processor(self):
        with tempfile.TemporaryDirectory() as folder:
            told = Path(folder) / "cpuinfo"
            told.write_text("processor\t: 0\nflags\t\t: fma avx512f\n\nprocessor\t: 1\nflags\t\t: fma\n")
            self.assertEqual(features(told), {"fma", "avx512f"})
            told.write_text("processor\t: 0\nFeatures\t: fp asimd\n")
            self.assertEqual(features(told), {"fp", "asimd"})

    def test_none_where_they_are_not_told(self):
        with tempfile.TemporaryDirectory() as folder:
            told = Path(folder) / "cpuinfo"
            self.assertEqual(features(told), set())
            told.write_text("processor\t: 0\n")
            self.assertEqual(features(told), set())


if __name__ == "__main__":
    unittest.main()
