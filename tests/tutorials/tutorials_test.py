"""Runs docs/tutorials: the commands and programs of each, in their order."""

import re
import shutil
import unittest

from runnable import BUILD, ROOT, Documents, blocks, only, run

TUTORIALS = ROOT / "docs" / "tutorials"


class Tutorials(Documents):
    def test_command_line(self):
        text = (TUTORIALS / "command-line.md").read_text()
        commands = "".join(content for language, content in blocks(text) if language == "sh")
        printed = run(self.after_the_build(commands), self.folder)
        for words in re.findall(r"^    (.*)$", text, flags=re.M):  # what the page shows of the answers
            self.assertIn(" ".join(words.split()), " ".join(printed.split()))
        self.assertIn("round trips", printed)

    def test_python(self):
        text = (TUTORIALS / "python.md").read_text()
        program = "".join(content for language, content in blocks(text) if language == "python")
        (self.folder / "tutorial.py").write_text(program)
        printed = run("/usr/bin/python3 tutorial.py", self.folder, PYTHONPATH=str(BUILD / "python"))
        self.assertEqual(len(re.findall(r"(?m)^private: \w+, clear: \w+$", printed)), 9, printed)
        self.assertIn("9 of 9 alike", printed)
        self.assertIn("cancelled", printed)
        self.assertIn("network: ", printed)

    def test_cpp(self):
        text = (TUTORIALS / "cpp.md").read_text()
        self.write(text, cmake="mine/CMakeLists.txt", cpp="mine/mine.cpp")
        printed = run(self.after_the_build(only(text, "sh")), self.folder)
        self.assertRegex(printed, r"(?m)^\d+\.\d dB$")
        self.assertRegex(printed, r"(?m)^over a wide area: \d\.\d+ s, \d\.\d MB$")
        self.assertEqual(printed.count(": deer ("), 1, printed)
        self.assertIn("cancelled", printed)

    def test_web(self):
        for made in ("client/dist/index.js", "page/dist/index.html", "node_modules/jpeg-js/index.js"):
            if not (ROOT / "web" / made).exists() or not shutil.which("node"):
                self.skipTest("the web client is not built (scripts/build-web)")
        text = (TUTORIALS / "web.md").read_text()
        self.write(text, js="ask.mjs")
        self.assertLessEqual(len(only(text, "js").strip().splitlines()), 13)
        commands = self.after_the_build("".join(content for language, content in blocks(text) if language == "sh"))
        first, rest = commands.split("\n", 1)
        self.assertEqual(first, "./scripts/build-web")
        printed = run(rest, self.folder)
        self.assertRegex(printed, r"(?m)^https://127\.0\.0\.1:\d+/$")
        for words in re.findall(r"^    (examples/.*)$", text, flags=re.M):
            self.assertRegex(printed, rf"(?m)^{re.escape(words)} \d+ bytes up, \d+ down$")

    def test_every_tutorial_is_run(self):
        self.assertEqual({path.stem for path in TUTORIALS.glob("*.md")}, {"command-line", "python", "cpp", "web"})


if __name__ == "__main__":
    unittest.main()
