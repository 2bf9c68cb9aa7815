"""Links of a built site that lead nowhere."""

import os
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.targets, self.places = [], set()

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.targets.append(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


@cache
def parsed(path):
    page = Page()
    page.feed(path.read_text(errors="replace"))
    return page


def pages(site):
    return sorted(site.rglob("*.html"))


def count(site):
    return len(pages(site))


def dead(site):
    """Lines; pages of another machine are named, too, unless a person has to follow them: the site asks nobody."""
    found = []
    for path in pages(site):
        for target in parsed(path).targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            where = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
            if where.is_dir():
                where /= "index.html"
            # mkdocs writes its own page of errors for the root of a server.
            if path.name == "404.html" and parts.path.startswith("/"):
                continue
            if not where.is_file():
                found.append(f"{path.relative_to(site)}: {target} leads nowhere")
            elif parts.fragment and where.suffix == ".html" and not parts.fragment.startswith("__") \
                    and unquote(parts.fragment) not in parsed(where).places:
                found.append(f"{path.relative_to(site)}: no place {target}")
    return found
