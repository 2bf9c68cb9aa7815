"""The check of a built site's links finds what leads nowhere."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from site_parts import links, pages  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


class Links(unittest.TestCase):
    def test_finds_dead_ones(self):
        with tempfile.TemporaryDirectory() as name:
            site = Path(name)
            (site / "more").mkdir()
            (site / "index.html").write_text('<a href="more/page.html#there">1</a> <a href="more/none.html">2</a>'
                                             '<a href="https://example.org/none">3</a> <img src="picture.svg">')
            (site / "more" / "page.html").write_text('<h1 id="there">x</h1><a href="#nowhere">4</a>'
                                                     '<a href="../">5</a>')
            self.assertEqual(links.dead(site), ["index.html: more/none.html leads nowhere",
                                                "index.html: picture.svg leads nowhere",
                                                "more/page.html: no place #nowhere"])
            self.assertEqual(links.count(site), 2)

    def test_links_between_documents_become_links_between_pages(self):
        with tempfile.TemporaryDirectory() as name:
            known = pages.documents(ROOT)
            text = ("[a](../README.md#in-c) [b](security.md) [c](../examples/cpp/classify.cpp) `[d](no.md)` "
                    "[e](performance.svg) [f](https://x.org) [g](../models/cifar10/README.md)\n\n    [h](no.md)\n")
            made = pages.relinked(text, "docs/cpp.md", "cpp.md", known, ROOT, Path(name))
            expected = ("[a](index.md#in-c) [b](security.md) [c](files/examples/cpp/classify.cpp) `[d](no.md)` "
                        "[e](performance.svg) [f](https://x.org) [g](files/models/cifar10/README.md.txt)\n\n"
                        "    [h](no.md)\n")
            self.assertEqual(made, expected)
            self.assertEqual(sorted(str(path.relative_to(name)) for path in Path(name).rglob("*") if path.is_file()),
                             ["files/examples/cpp/classify.cpp", "files/models/cifar10/README.md.txt"])


if __name__ == "__main__":
    unittest.main()
