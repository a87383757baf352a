#!/usr/bin/env python3
"""Runs the examples of documentation pages, so that what they show is what happens.

    run_examples.py BIN_FOLDER SOURCE_FOLDER PAGE.md...

Blocks that open with ```console are sessions: lines that begin with "$ " are commands (a line that ends in a backslash goes
on in the next one, a here-document goes on to its END), the lines below them what they print on both streams. "..." in an expected line stands for any text
within the line; a line that is only "..." for any number of lines. A command that shows no output must succeed. Blocks that open with ```console norun are not run.
The commands of one page run in one bash, in order, in an empty folder, with BIN_FOLDER first on PATH, so that a page can
be read from top to bottom. A page that needs a model has a line <!-- needs: smollm2 --> (or minilm) and is skipped where
the model is missing; the block finds it as $SMOLLM2 (or $MINILM). $SOURCE is the checkout.
"""
import os
import re
import subprocess
import sys
import tempfile

SKIPPED = 77
MARK = "--llmc-end-of-command--"


def models():
    """The real models that are on this machine, by name."""
    cache = os.environ.get("LLMC_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "llmc"
    )
    folder = os.environ.get("LLMC_MODELS") or os.path.join(cache, "models")
    known = {"smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf", "minilm": "all-MiniLM-L6-v2"}
    return {name: os.path.join(folder, file) for name, file in known.items() if os.path.exists(os.path.join(folder, file))}


def examples(page):
    """Yields (line number, command, expected output lines) for each command of the page's sessions."""
    with open(page, encoding="utf-8") as file:
        lines = file.read().split("\n")
    inside, command, expected, start = False, None, [], 0
    for number, line in enumerate(lines, 1):
        if not inside:
            inside = line.strip() == "```console"
            continue
        closes = line.strip() == "```"
        if command is not None and command.endswith("\\"):
            command = command[:-1] + line.strip()
        elif command is not None and "<< 'END'\n" in command + "\n" and not command.endswith("\nEND"):
            command += "\n" + line
        elif line.startswith("$ ") or closes:
            if command is not None:
                yield start, command, expected
            command, expected, start = (None if closes else line[2:]), [], number
        else:
            expected.append(line)
        inside = not closes


def matches(expected, printed):
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += r"[^\n]*".join(re.escape(part) for part in line.rstrip().split("...")) + r"[ ]*\n"
    return re.fullmatch(pattern, printed) is not None


class Shell:
    """One bash that runs commands in order and hands back what each printed."""

    def __init__(self, folder, environment):
        self.process = subprocess.Popen(
            ["bash"], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
        )

    def run(self, command):
        """Returns (exit status, what the command printed)."""
        self.process.stdin.write(f"{{ {command}\n}} 2>&1 < /dev/null; status=$?\necho; echo {MARK} $status\n")
        self.process.stdin.flush()
        printed, status = "", 1
        for line in self.process.stdout:
            if line.startswith(MARK):
                status = int(line.split()[1])
                break
            printed += line
        # The echo before the mark ends a last line without a newline; where there was one it adds an empty line.
        return status, printed[:-1] if printed.endswith("\n\n") or printed == "\n" else printed


def run_page(page, bin_folder, source_folder):
    """Returns the number of commands whose output was not as expected, or None where a model is missing."""
    available = models()
    with open(page, encoding="utf-8") as file:
        needed = re.findall(r"<!-- needs: (\w+) -->", file.read())
    missing = [name for name in needed if name not in available]
    if missing:
        print(f"skipped {page}: it needs {', '.join(missing)}, which scripts/fetch-model.sh could not fetch")
        return None
    environment = dict(os.environ, PATH=bin_folder + os.pathsep + os.environ["PATH"], SOURCE=source_folder, LC_ALL="C.UTF-8")
    environment.update({name.upper(): path for name, path in available.items()})
    failures = count = 0
    with tempfile.TemporaryDirectory() as folder:
        shell = Shell(folder, environment)
        for number, command, expected in examples(page):
            count += 1
            status, printed = shell.run(command)
            if not matches(expected, printed) if expected else status != 0:
                failures += 1
                print(f"{page}:{number}: $ {command}\nexpected:\n  " + "\n  ".join(expected))
                print("printed:\n  " + "\n  ".join(printed.split("\n")))
        shell.process.stdin.close()
        shell.process.wait()
    print(f"{page}: {count} commands, {failures} of them did something else")
    return failures


def main():
    bin_folder, source_folder, *pages = sys.argv[1:]
    results = [run_page(page, os.path.abspath(bin_folder), os.path.abspath(source_folder)) for page in pages]
    if any(results):
        return 1
    return SKIPPED if all(result is None for result in results) else 0


sys.exit(main())
