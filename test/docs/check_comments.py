#!/usr/bin/env python3
"""check_comments.py SOURCE_FOLDER: whether every class, struct and enumeration that a header declares for others has a
doc comment above it."""
import os
import re
import subprocess
import sys

# At the margin, where everything of a namespace stands; not a forward declaration.
DECLARATION = re.compile(r"(?:class|struct|enum class|enum) (\w+)(?: final)?(?: : [^;]*)? ?\{")


def uncommented(text):
    """Line number and name of each declaration without a comment."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        declared = DECLARATION.match(line)
        above = number - 2
        while above >= 0 and lines[above].startswith(("template", "[[")):
            above -= 1
        if declared and not lines[above].startswith(("///", " */")):
            yield number, declared.group(1)


def main(source):
    assert list(uncommented("\nclass A {\n};\n/// B.\ntemplate <int>\nstruct B : A {\nclass C;")) == [(2, "A")]
    # Through sudo the checkout may belong to somebody else, which git would refuse.
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", source, "ls-files", "*.h"], check=True, stdout=subprocess.PIPE, text=True
    )
    headers = [header for header in listed.stdout.split() if not header.startswith("test/")]
    assert len(headers) > 100, "the headers were not found"
    bad = 0
    for header in headers:
        with open(os.path.join(source, header), encoding="utf-8") as file:
            for number, name in uncommented(file.read()):
                print(f"{header}:{number}: {name} has no doc comment")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
