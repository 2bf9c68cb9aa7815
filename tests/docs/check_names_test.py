"""The check of names finds what is not there."""

import tempfile
import unittest
from pathlib import Path

import check_names

FILES = {
    "CMakeLists.txt": "project(flash VERSION 1.2.3 LANGUAGES CXX)\n",
    "CHANGELOG.md": "# Changes\n\n## 1.2.3\n",
    "docs/formats.md": "# Formats\n\nVersion 4. Text.\n\nformat version, 1\nformat version, 2\n",
    "src/model/file_format.h": "inline constexpr std::uint32_t kFileVersion = 1;\n",
    "src/protocol/prepared_cache.cpp": "constexpr std::uint32_t kVersion = 2;\n",
    "src/protocol/messages.h": "constexpr std::uint32_t kProtocolVersion = 4;\nclass Server { void answer(); };\n",
    "src/cli/main.cpp": 'add_option("--model");\n',
}


def complaints(text, **changes):
    """What is said of a small project with this README.md."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        files = FILES | {"README.md": text} | {key.replace("__", "/"): value for key, value in changes.items()}
        for file, content in files.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(content)
        check_names.headings.cache_clear()
        return check_names.check(root)[1]


class CheckNames(unittest.TestCase):
    def test_accepts_what_is_there(self):
        self.assertEqual(complaints("`src/model/`, `src/*/messages.h`, `protocol/messages`, `protocol/{messages,"
                                    "prepared_cache}`, `Server::answer`, `Server::answer()`, `kVersion`, `std::none`,"
                                    "`--model`, [formats](docs/formats.md#formats), `cmake --preset none`,"
                                    "`train/CLASS/*.png`, protocol in formats.md\n"), [])

    def test_finds_what_is_not(self):
        for text, what in {
            "`src/model/none.h`": "no file or folder src/model/none.h",
            "`src/none/`": "no file or folder src/none",
            "`protocol/none`": "no file src/protocol/none",
            "`protocol/{messages,none}.h`": "no file src/protocol/none.h",
            "`Server::none`": "Server has no none",
            "`None::answer`": "nothing is called None",
            "`none_of_these()`": "nothing is called none_of_these",
            "`kNone`": "nothing is called kNone",
            "`flash serve --none`": "no program has the option --none",
            "```\nflash serve --none\n```": "README.md:2: no program has the option --none",
            "text\n\n    flash serve --none\n": "README.md:3: no program has the option --none",
            "[x](docs/none.md)": "the link to docs/none.md leads nowhere",
            "[x](docs/formats.md#none)": "docs/formats.md has no heading #none",
            "formats.md section 2": "formats.md has no section 2",
        }.items():
            found = complaints(text + "\n")
            self.assertEqual(len(found), 1, f"{text}: {found}")
            self.assertIn(what, found[0])

    def test_compares_versions(self):
        for file, content in {"CHANGELOG.md": "## 1.2.4\n", "docs/formats.md": "Version 3.\n"}.items():
            self.assertNotEqual(complaints("", **{file.replace("/", "__"): content}), [], file)


if __name__ == "__main__":
    unittest.main()
