#!/usr/bin/env python3
"""Makes the documentation site from the pages of this repository, with mdBook: `make site`, then target/site/book/index.html.

    site.py [--out target/site]

The pages keep their places, so that a link that works at the forge works here. What a link leads to that is no page (a source file, a golden
trace) is linked at the forge. Afterwards every link of every page that was made is followed: one that leads nowhere ends this with 1.

Needs cargo, which installs mdBook into target/tools the first time (some minutes), and writes nothing outside of target.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[1]
MDBOOK = "0.5.4"
FORGE = "https://github.com/modstore/modstore/blob/main/"

# The order in which a reader meets them. A page that is not named here, stands at the end of its part: no page can be forgotten.
PARTS = [
    ("Begin", ["README.md", "docs/tutorial.md", "docs/import.md", "docs/comparison.md"]),
    ("Use it", ["docs/reference.md", "docs/python.md", "docs/projects.md", "docs/git.md", "docs/fleet.md"]),
    ("For hosts", ["docs/hosts.md", "docs/hosts/*.md", "docs/json.md"]),
    ("When something fails", ["docs/troubleshooting.md", "docs/doctor.md", "docs/verify.md", "docs/failures.md"]),
    ("What holds, and how fast", ["docs/security.md", "docs/reliability.md", "docs/performance.md", "benches/README.md"]),
    ("How it is made", ["docs/architecture.md", "docs/concurrency.md", "docs/format.md", "docs/*.md", "cli/packaging/README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]),
    ("Why it is so", ["docs/decisions/*.md"]),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "target" / "site")
    out = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    parts = [(title, list(pages)) for title, pages in chosen()]
    pages = [page for _, part in parts for page in part]
    for page in pages:
        copy(page, out / "src", set(pages))
    (out / "src" / "SUMMARY.md").write_text(summary(parts))
    (out / "book.toml").write_text(BOOK)
    subprocess.run([mdbook(), "build", str(out)], check=True)
    faults = dangling(out / "book")
    for fault in faults:
        print("site: " + fault, file=sys.stderr)
    print("site: %d pages, %d links lead nowhere: %s" % (len(pages), len(faults), out / "book" / "index.html"))
    return 1 if faults else 0


def chosen():
    """(title, paths) of each part, each page once."""
    seen = set()
    for title, patterns in PARTS:
        found = [str(path.relative_to(ROOT)) for pattern in patterns for path in sorted(ROOT.glob(pattern))]
        yield title, [page for page in found if not (page in seen or seen.add(page))]


def summary(parts):
    lines = ["# Summary", ""]
    for title, pages in parts:
        lines += ["# " + title, ""]
        lines += ["- [%s](%s)" % (heading(page), renamed(page)) for page in pages]
        lines.append("")
    return "\n".join(lines)


def heading(page):
    first = next(line for line in (ROOT / page).read_text().splitlines() if line.startswith("# "))
    return first[2:].replace("[", "").replace("]", "").replace("`", "")


def renamed(path):
    """mdBook serves a directory's index from index.md."""
    return re.sub(r"(^|/)README\.md$", r"\1index.md", path)


def copy(page, to, pages):
    """The page, its links, and the pictures that it shows."""
    there = Path(page).parent

    def link(match):
        target, anchor = (match.group(2).split("#", 1) + [""])[:2]
        if "://" in target or target.startswith("mailto:") or not target:
            return match.group(0)
        path = os.path.normpath(str(there / unquote(target)))
        if path in pages:
            target = renamed(target)
        elif (ROOT / path).suffix in (".svg", ".json"):
            (to / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(ROOT / path), str(to / path))
        else:
            target = FORGE + path
        return match.group(1) + target + ("#" + anchor if anchor else "") + ")"

    parts = re.split(r"(^```.*?^```$)", (ROOT / page).read_text(), flags=re.M | re.S)
    text = "".join(part if part.startswith("```") else re.sub(r"(\]\()([^)\s]+)\)", link, part) for part in parts)
    # A block that a test compiles is shown, and never sent to a playground.
    text = text.replace("```rust,no_run", "```rust,noplayground")
    target = to / renamed(page)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


class Page(HTMLParser):
    """The ids and the links of a page that was made."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        if tag in ("a", "img") and not "header" == attributes.get("class"):
            self.links.append(attributes.get("href") or attributes.get("src"))


def dangling(book):
    """What each page links to that is not there."""
    pages = {path.resolve(): Page(path.read_text()) for path in book.rglob("*.html")}
    assert len(pages) > 60, "the pages were made somewhere else"
    faults = []
    for path, page in pages.items():
        # Both show other pages as if they lay elsewhere.
        if path.name in ("print.html", "404.html", "toc.html"):
            continue
        for link in filter(None, page.links):
            if "://" in link or link.startswith("mailto:"):
                continue
            target, anchor = (unquote(link).split("#", 1) + [""])[:2]
            there = (path.parent / target).resolve() if target else path
            if not there.exists() or (anchor and there in pages and anchor not in pages[there].ids):
                faults.append("%s: %s" % (path.relative_to(book.resolve()), link))
    return faults


def mdbook():
    """The program; installed once for each choice of version."""
    place = ROOT / "target" / "tools" / "mdbook"
    complete = place / MDBOOK
    if not complete.exists():
        arguments = ["cargo", "install", "mdbook", "--version", MDBOOK, "--locked", "--no-default-features", "--features", "search", "--root", str(place)]
        subprocess.run(arguments, check=True)
        complete.touch()
    return str(place / "bin" / "mdbook")


BOOK = """[book]
title = "modstore"
description = "A transactional, content-addressed store for modules from git"
language = "en"

[output.html]
git-repository-url = "https://github.com/modstore/modstore"
smart-punctuation = false

[output.html.print]
enable = false
"""

if __name__ == "__main__":
    sys.exit(main())
