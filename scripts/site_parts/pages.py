"""The documents as pages of a site."""

import json
import os
import re
import shutil
from pathlib import Path

# Document -> page; what a document links to besides is copied below files/.
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "SECURITY.md": "reporting.md",
         "CHANGELOG.md": "changes.md", "train/README.md": "train.md"}
CONTENTS = [("Flash", "index.md"),
            ("Tutorials", [("Command line", "tutorials/command-line.md"), ("Python", "tutorials/python.md"),
                           ("C++", "tutorials/cpp.md"), ("Web pages", "tutorials/web.md")]),
            ("Use", [("Commands", "commands.md"), ("Compiler", "compiler.md"), ("Planner", "planner.md"),
                     ("Operations", "operations.md"), ("Python", "python.md"), ("C++", "cpp.md"),
                     ("Web pages", "web.md")]),
            ("How it works", [("Protocol", "protocol.md"), ("Security", "security.md"), ("Formats", "formats.md"),
                              ("Performance", "performance.md"), ("Training", "training.md"),
                              ("flash-train", "train.md")]),
            ("Reference", [("Python package", "reference/python.md"), ("C++ library", "reference/cpp.md")]),
            ("Project", [("Contributing", "contributing.md"), ("Reporting", "reporting.md"),
                         ("Changes", "changes.md")])]


def documents(root):
    """Path of each document below the root -> its page."""
    found = {str(path.relative_to(root)): str(path.relative_to(root / "docs"))
             for path in (root / "docs").rglob("*.md")}
    return {**PAGES, **found}


def copy(root, stage):
    """Documents and what they show, with links between the pages."""
    known = documents(root)
    for document, page in known.items():
        target = stage / page
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(relinked((root / document).read_text(), document, page, known, root, stage))
    for picture in (root / "docs").rglob("*.svg"):
        shutil.copy2(picture, stage / picture.relative_to(root / "docs"))


def relinked(text, document, page, known, root, stage):
    def new(match):
        before, target, place = match.group(1), match.group(2), match.group(3) or ""
        path = os.path.normpath(os.path.join(os.path.dirname(document), target))
        if path in known:
            path = known[path]
        elif path.startswith("docs/"):
            path = path[len("docs/"):]
        else:  # a source, which a reader may look at
            copied = stage / "files" / path
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / path, copied)
            path = f"files/{path}"
            if path.endswith(".md"):  # not a page
                path += ".txt"
                copied.rename(f"{copied}.txt")
        return f"{before}({os.path.relpath(path, os.path.dirname(page) or '.')}{place})"

    pieces = re.split(r"(^```.*?^```|^(?: {4}[^\n]*\n)+|`[^`\n]+`)", text, flags=re.M | re.S)  # code stays as it is
    return "".join(piece if i % 2 else re.sub(r"(\])\(([^)\s:#]+)(#[^)\s]*)?\)", new, piece)
                   for i, piece in enumerate(pieces))


def configure(root, stage, out):
    """mkdocs.yml; YAML holds JSON."""
    (stage / "pages" / "reference" / "cpp.md").write_text(
        "# The C++ library\n\n[cpp.md](../cpp.md) says how it is used; the headers are described "
        '<a href="cpp/files.html">file by file</a> and <a href="cpp/annotated.html">class by class</a>.\n')
    version = re.search(r"project\(flash VERSION ([0-9.]+)", (root / "CMakeLists.txt").read_text()).group(1)

    def navigation(entries):
        return [{title: navigation(what) if isinstance(what, list) else what} for title, what in entries]

    listed = json.dumps(CONTENTS)
    rest = [page for page in documents(root).values() if f'"{page}"' not in listed]
    if rest:
        raise SystemExit(f"scripts/docs: no place in the contents for {', '.join(rest)}")
    settings = {
        "site_name": f"Flash {version}", "docs_dir": str(stage / "pages"), "site_dir": str(out),
        "use_directory_urls": False,  # so that files can be opened without a server
        "nav": navigation(CONTENTS),
        "theme": {"name": "material", "font": False,
                  "features": ["navigation.sections", "navigation.top", "toc.follow"],
                  "palette": [{"media": "(prefers-color-scheme: light)", "scheme": "default", "primary": "indigo",
                               "toggle": {"icon": "material/weather-night", "name": "dark"}},
                              {"media": "(prefers-color-scheme: dark)", "scheme": "slate", "primary": "indigo",
                               "toggle": {"icon": "material/weather-sunny", "name": "light"}}]},
        "plugins": ["/search"],
        "markdown_extensions": ["tables", "fenced_code", "sane_lists", {"toc": {"permalink": True}},
                                {"codehilite": {"guess_lang": False}}],
    }
    (stage / "mkdocs.yml").write_text(json.dumps(settings))
