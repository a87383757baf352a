#!/usr/bin/env python3
"""check_links.py SOURCE_FOLDER: whether every relative link of the checkout's Markdown pages leads to a file, and its
fragment to a heading."""
import os
import re
import subprocess
import sys


def fragments(page):
    """The names that headings of a page can be linked by."""
    with open(page, encoding="utf-8") as file:
        text = re.sub(r"```.*?```", "", file.read(), flags=re.S)
    headings = re.findall(r"^#+ +(.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(source, page):
    with open(os.path.join(source, page), encoding="utf-8") as file:
        text = re.sub(r"```.*?```|`[^`\n]*`", "", file.read(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = os.path.normpath(os.path.join(source, os.path.dirname(page), path)) if path else os.path.join(source, page)
        if not os.path.exists(file):
            yield f"{page}: links to {target}, which is not there"
        elif fragment and file.endswith(".md") and fragment not in fragments(file):
            yield f"{page}: links to {target}, but that page has no such heading"


def main():
    source = sys.argv[1]
    # Through sudo the checkout may belong to somebody else, which git would refuse.
    pages = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", source, "ls-files", "-z", "*.md"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split("\0")
    broken = [problem for page in pages if page for problem in broken_links(source, page)]
    print("\n".join(broken) if broken else f"all links of {len(pages) - 1} pages lead somewhere")
    return 1 if broken else 0


sys.exit(main())
