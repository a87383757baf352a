#!/usr/bin/env python3
"""check_options.py BIN_FOLDER PAGE_FOLDER: whether the page of each subcommand of llmc names every option of its --help."""
import os
import re
import subprocess
import sys


def help_of(llmc, *command):
    return subprocess.run([llmc, *command, "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout


def entries(text, heading):
    """The lines behind `heading` that begin an entry: they are indented by two spaces."""
    section = re.search(rf"^{heading}:\n((?:  .*\n)+)", text, flags=re.M)
    return re.findall(r"^  (\S+)", section.group(1), flags=re.M) if section else []


def options(text):
    lines = re.findall(r"^  (-\S.*)$", text, flags=re.M)
    return {option for line in lines for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", line.split("   ")[0])} - {"--help"}


def missing(llmc, pages, *command):
    page = os.path.join(pages, command[0] + ".md")
    with open(page, encoding="utf-8") as file:
        text = file.read()
    shown = help_of(llmc, *command)
    for option in sorted(options(shown)):
        if not re.search(rf"(?<![\w-]){option}(?![\w-])", text):
            yield f"{page} does not name {option}, an option of llmc {' '.join(command)}"
    for subcommand in entries(shown, "Subcommands"):
        yield from missing(llmc, pages, *command, subcommand)


def main():
    binaries, pages = sys.argv[1:]
    llmc = os.path.join(binaries, "llmc")
    commands = entries(help_of(llmc), "Subcommands")
    problems = [problem for command in commands for problem in missing(llmc, pages, command)]
    if not commands:
        problems = ["llmc --help lists no subcommands"]
    print("\n".join(problems) if problems else f"the pages of {' '.join(commands)} name all options")
    return 1 if problems else 0


sys.exit(main())
