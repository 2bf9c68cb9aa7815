"""Runs docs/tutorials: the commands and programs of each, in their order."""

import re
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

    def test_every_tutorial_is_run(self):
        self.assertEqual({path.stem for path in TUTORIALS.glob("*.md")}, {"command-line", "python", "cpp"})


if __name__ == "__main__":
    unittest.main()
