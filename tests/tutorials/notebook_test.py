"""Runs the notebooks of examples/python, from a PyTorch module to a private answer."""

import os
import re
import unittest

from runnable import BUILD, ROOT


class Notebooks(unittest.TestCase):
    def test_shapes(self):
        for module in ("nbformat", "nbclient", "ipykernel", "torch"):
            try:
                __import__(module)
            except ImportError:
                self.skipTest(f"{module} is not installed")
        import nbclient
        import nbformat

        book = nbformat.read(ROOT / "examples" / "python" / "shapes.ipynb", as_version=4)
        os.environ["PYTHONPATH"] = str(BUILD / "python")
        nbclient.NotebookClient(book, timeout=600, kernel_name="python3").execute()  # its own assertions hold
        printed = "".join(output.get("text", "") for cell in book.cells for output in cell.get("outputs", []))
        self.assertRegex(printed, r"accuracy deployed: \d+\.\d% of 300; out of range: \d+")
        self.assertRegex(printed, r"\d+ of 10 right; [\d,]+ bytes up, [\d,]+ bytes down each")
        tables = [output for cell in book.cells for output in cell.get("outputs", []) if "text/html" in output.get("data", {})]
        self.assertEqual(len(tables), 2)
        self.assertTrue(all(re.search("<table>.*conv", table["data"]["text/html"], flags=re.I) for table in tables))


if __name__ == "__main__":
    unittest.main()
