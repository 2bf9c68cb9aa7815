#!/usr/bin/python3
"""Checks that what the documents name is there.

    tests/docs/check_names.py [ROOT]

In README.md, docs/ and the other documents below: every path and every link to a file or a heading, every
`Name::member`, `function()`, `kConstant` and `--option` in the sources, every "section N" among the headings, and the
numbers of versions that formats.md gives. Prints a line for each that is not, and ends with 1 if there is one.
"""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

DOCUMENTS = ("*.md", "docs/*.md", "docs/*/*.md", "train/*.md", "models/*/*.md", "examples/*/*.md", "bench/*.md",
             "fuzz/*.md")
SOURCES = ("src", "include", "python", "tests", "bench", "fuzz", "train", "scripts", "proto", "cmake")
FOLDERS = (*SOURCES, "docs", "models", "examples", ".ci", "web")
# Namespaces of libraries (and of CMake targets), whose members are not looked for.
FOREIGN = {"Flash", "std", "asio", "nlohmann", "CLI", "fmt", "spdlog", "tbb", "dnnl", "testing", "onnx", "torch", "np"}
# Options of programs that the documents use and that are not this project's.
FOREIGN_OPTIONS = re.compile(r"^\s*(\S*/)?(cmake|ctest|pip|openssl|git|apt-get|perf|clang\S*|python3 -m \S+|nproc|tc|"
                             r"ip)\b")


class Tree:
    """The files of the project and the words in them."""

    def __init__(self, root):
        self.root = root
        self.files = [path for path in listed(root) if path.is_file()]
        self.relative = {str(path.relative_to(root)) for path in self.files}
        self.folders = {str(parent) for name in self.relative for parent in Path(name).parents}
        self.text = {}
        for path in self.files:
            name = str(path.relative_to(root))
            if name.split("/")[0] in SOURCES or name == "CMakeLists.txt":
                try:
                    self.text[name] = path.read_text()
                except UnicodeDecodeError:
                    pass
        for name in ("check_names.py", "check_names_test.py"):
            self.text.pop(f"tests/docs/{name}", None)
        self.words = set(re.findall(r"\w+", "\n".join(self.text.values())))

    @cache
    def declares(self, name):
        """Texts of the files that declare a class, an enumeration or a namespace of this name, then of its users."""
        pattern = re.compile(rf"\b(class|struct|enum class|enum|namespace|message|using)\s+(\w+::)*{name}\b")
        own = [text for text in self.text.values() if pattern.search(text)]
        qualified = re.compile(rf"\b{name}::")
        return own and own + [text for text in self.text.values() if qualified.search(text)]

    def has_path(self, path):
        path = path.rstrip("/")
        if "*" in path or "?" in path:
            return any(self.root.glob(path))
        return path in self.relative or path in self.folders


def listed(root):
    """Tracked and new files; outside a repository, all that are not built."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")
        return [root / name for name in names if name]
    except (OSError, subprocess.CalledProcessError):
        return [p for p in root.rglob("*") if not p.relative_to(root).parts[0].startswith(("build", ".git"))]


def anchor(heading):
    """As GitHub makes it from a heading."""
    text = re.sub(r"[`*]|\[|\]\([^)]*\)|\]", "", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@cache
def headings(path):
    outside = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
    return [match.group(1) for match in re.finditer(r"^#+ (.+)$", outside, flags=re.M)]


def expand(path):
    """a/{b,c}.d -> a/b.d, a/c.d"""
    match = re.search(r"\{([^{}]*)\}", path)
    if not match:
        return [path]
    return [e for part in match.group(1).split(",") for e in expand(path[: match.start()] + part + path[match.end():])]


def check_path(tree, document, span):
    """A word with a slash whose first part is a folder of the project, or one of src/."""
    for word in re.findall(r"(?<![\w/.~:$-])(?:\.ci|[A-Za-z_]\w*)(?:/[\w.*{},+-]+)+/?", span):
        word = word.rstrip(".,")
        first = word.split("/")[0]
        for path in expand(word):
            near = str((document.parent / path).relative_to(tree.root)) if document.parent != tree.root else path
            if any(part.isupper() for part in path.split("/")[:-1]):
                continue  # a placeholder, such as CLASS/*.png
            if first == "web" and "dist" in path.split("/"):
                continue  # built (scripts/build-web)
            if first in FOLDERS:
                if not tree.has_path(path) and not tree.has_path(near):
                    yield f"no file or folder {path}"
            elif f"src/{first}" in tree.folders and "." not in first:
                # A header named as it is included, or a pair of header and source without its suffix.
                ends = ("", ".h", ".cpp", ".proto")
                if not any(tree.has_path(f"{base}/{path}{end}") for base in ("src", "tests", "train") for end in ends):
                    yield f"no file src/{path}"


def check_names(tree, span):
    for owner, member in re.findall(r"\b(\w+)::(~?\w+)", span):
        if owner in FOREIGN:
            continue
        texts = tree.declares(owner)
        if not texts:
            yield f"nothing is called {owner} ({owner}::{member})"
        elif not any(re.search(rf"\b{member}\b", text) for text in texts):
            yield f"{owner} has no {member}"
    for name in re.findall(r"(?<![\w:.])(\w+)\(\)", span) + re.findall(r"\bk[A-Z]\w+", span):
        if name not in tree.words:
            yield f"nothing is called {name}"


def check_options(tree, span):
    if FOREIGN_OPTIONS.match(span):
        return
    for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", span):
        if not any(option in text for text in tree.text.values()):
            yield f"no program has the option {option}"


def check_links(tree, document, text):
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, place = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.exists():
            yield f"the link to {target} leads nowhere"
        elif place and path.suffix == ".md" and place not in [anchor(h) for h in headings(path)]:
            yield f"{name or document.name} has no heading #{place}"


def check_sections(tree, text):
    """protocol.md section 3: a heading that begins with 3. (Papers are quoted with a year or an "et al.".)"""
    for name, number in re.findall(r"(\w+\.md),? section (\d+)", text) + [
        (name, number) for number, name in re.findall(r"section (\d+) of (?:docs/)?(\w+\.md)", text)
    ]:
        path = next((tree.root / p for p in (name, f"docs/{name}") if (tree.root / p).exists()), None)
        if path is None or not any(re.match(rf"{number}\b", heading) for heading in headings(path)):
            yield f"{name} has no section {number}"


def constant(tree, file, name):
    match = re.search(rf"\b{name} = (\d+);", tree.text[file])
    return match.group(1) if match else None


def check_versions(tree):
    """The numbers in formats.md, and the newest version in CHANGELOG.md."""
    text = (tree.root / "docs/formats.md").read_text()
    wire = re.search(r"^Version (\d+)\.", text, flags=re.M)
    files = re.findall(r"format version, (\d+)", text)
    expected = [constant(tree, "src/model/file_format.h", "kFileVersion"),
                constant(tree, "src/protocol/prepared_cache.cpp", "kVersion")]
    if not wire or wire.group(1) != constant(tree, "src/protocol/messages.h", "kProtocolVersion"):
        yield "docs/formats.md: the version of the protocol is not that of src/protocol/messages.h"
    if files != expected:
        yield f"docs/formats.md: format versions {files} of model file and cache; the sources say {expected}"
    project = re.search(r"project\(flash VERSION ([\d.]+)", (tree.root / "CMakeLists.txt").read_text())
    newest = re.search(r"^## ([\d.]+)", (tree.root / "CHANGELOG.md").read_text(), flags=re.M)
    if not newest or newest.group(1) != project.group(1):
        yield f"CHANGELOG.md: its first version is not {project.group(1)}, CMake's"
    for package in sorted(tree.root.glob("web/*/package.json")):
        if json.loads(package.read_text())["version"] != project.group(1):
            yield f"{package.relative_to(tree.root)}: its version is not {project.group(1)}, CMake's"


def spans_of(text):
    """(line number, code) of all inline code and code blocks."""
    blocks = re.compile(r"^```.*?^```|^(?: {4}.*\n?)+", flags=re.M | re.S)
    fenced = re.compile(r"^```.*?^```", flags=re.M | re.S)
    indented = re.compile(r"(?<=\n\n)(?: {4}.*\n)+")
    rest = text
    for pattern in (fenced, indented):
        for match in pattern.finditer(rest):
            first = rest.count("\n", 0, match.start()) + 1
            for offset, line in enumerate(match.group().splitlines()):
                yield first + offset, line.strip()
        rest = pattern.sub(lambda m: "\n" * m.group().count("\n"), rest)
    for match in re.finditer(r"`([^`]+)`", rest):
        yield rest.count("\n", 0, match.start()) + 1, match.group(1)


def check(root):
    tree = Tree(root)
    complaints = list(check_versions(tree))
    documents = sorted({path for pattern in DOCUMENTS for path in root.glob(pattern)})
    for document in documents:
        text = document.read_text()
        place = document.relative_to(root)
        for line, span in spans_of(text):
            found = [*check_path(tree, document, span), *check_names(tree, span), *check_options(tree, span)]
            complaints += [f"{place}:{line}: {what}" for what in found]
        complaints += [f"{place}: {what}" for what in check_links(tree, document, text)]
        complaints += [f"{place}: {what}" for what in check_sections(tree, text)]
    for name, text in tree.text.items():
        complaints += [f"{name}: {what}" for what in check_sections(tree, text)]
    return documents, complaints


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
    documents, complaints = check(root)
    print("\n".join(dict.fromkeys(complaints)))
    print(f"{len(documents)} documents, {len(set(complaints))} names that are not there")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
