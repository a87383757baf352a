#!/usr/bin/env python3
"""Measures llmc beside llama.cpp in one run. scripts/benchmark.sh sets up both and calls this.

The two take turns, several rounds, so that whatever else the machine does meets both alike. The figures are medians of
tokens per second; the ratio is the median of the rounds' ratios.
"""
import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile

# Kind, tokens, sequences side by side.
MEASUREMENTS = [("prompt", 512, 1), ("prompt", 128, 1), ("decode", 128, 1), ("decode", 64, 8), ("decode", 64, 32)]


class LlamaCpp:
    """llama.cpp in a process of its own, loaded once.

    Virtual machines may announce AMX and yet fault on its first instruction; `note` tells when llama.cpp therefore runs
    without its AMX kernels.
    """

    def __init__(self, model, threads):
        worker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "llamacpp_worker.py")
        self.command = [sys.executable, worker, model, str(threads)]
        self.note = ""
        self.start()
        if self.ask("prompt", 8, 1) is None and self.process.wait() < 0:
            self.note = ", without its AMX kernels, which fault on this machine"
            self.command.append("--no-repack")
            self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, kind, count, sequences):
        """Seconds that the request took in the faster of its settings, or None if the process ended."""
        self.process.stdin.write(f"{kind} {count} {sequences}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        return min(map(float, answer.split())) if answer else None

    def measure(self, kind, count, sequences):
        """Tokens per second, of all sequences."""
        seconds = self.ask(kind, count, sequences)
        if seconds is None:
            sys.exit("llama.cpp ended before it answered")
        return count * sequences / seconds


class Llmc:
    """One run of `llmc bench` a measurement; its time to load is not part of the figures."""

    def __init__(self, program, artifact, threads):
        self.command = [program, "bench", artifact, "--json", "--repetitions", "1", "--threads", str(threads)]

    def measure(self, kind, count, sequences):
        counts = ["--prompt-tokens", str(count if kind == "prompt" else 0), "--decode-tokens", str(count if kind == "decode" else 0)]
        counts += ["--sequences", str(sequences)] if kind == "decode" else []
        printed = subprocess.run(self.command + counts, check=True, stdout=subprocess.PIPE, text=True).stdout
        return next(entry["tokens_per_second"] for entry in json.loads(printed)["measurements"] if entry["kind"] == kind)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"model name\s*:\s*(.*)", file.read())
    return f"{found.group(1) if found else platform.machine()}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}"


def measure_all(engines, rounds):
    """Returns {(kind, count, sequences): {engine: [tokens per second, one a round]}}; a first round warms up and does not count."""
    results = {key: {name: [] for name in engines} for key in MEASUREMENTS}
    for number in range(rounds + 1):
        for key in MEASUREMENTS:
            for name, engine in engines.items():
                speed = engine.measure(*key)
                if number > 0:
                    results[key][name].append(speed)
        print(f"round {number} of {rounds}", file=sys.stderr)
    return results


def table(results):
    rows = ["| tokens a second | llmc | llama.cpp | llmc / llama.cpp (lowest to highest round) |", "| --- | --- | --- | --- |"]
    for (kind, count, sequences), speeds in results.items():
        ratios = sorted(a / b for a, b in zip(speeds["llmc"], speeds["llama.cpp"]))
        rows.append(
            f"| {kind}, {count} tokens{f' of each of {sequences} sequences' if sequences > 1 else ''} | {statistics.median(speeds['llmc']):.1f} | {statistics.median(speeds['llama.cpp']):.1f} "
            f"| {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) |"
        )
    return "\n".join(rows)


def replace_table(page, text):
    """Puts `text` between the page's two marks."""
    with open(page, encoding="utf-8") as file:
        old = file.read()
    new, count = re.subn(r"(<!-- llama.cpp begin -->\n).*(<!-- llama.cpp end -->)", lambda m: m.group(1) + text + m.group(2), old, flags=re.S)
    if count != 1:
        sys.exit(f"{page}: has no place marked for the table of llama.cpp")
    with open(page, "w", encoding="utf-8") as file:
        file.write(new)


def main():
    parser = argparse.ArgumentParser(prog="benchmark", description="Measures llmc beside llama.cpp in one run.")
    parser.add_argument("--llmc", required=True, help="the llmc program")
    parser.add_argument("--model", required=True, help="GGUF file that both load")
    parser.add_argument("--page", required=True, help="page that --write changes")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        artifact = os.path.join(folder, "model.llmc")
        subprocess.run([options.llmc, "compile", options.model, "-o", artifact], check=True)
        peer = LlamaCpp(options.model, options.threads)
        results = measure_all({"llama.cpp": peer, "llmc": Llmc(options.llmc, artifact, options.threads)}, options.rounds)

    version = subprocess.run([options.llmc, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    text = (
        f"{os.path.basename(options.model)}, {options.threads} threads, medians of {options.rounds} rounds in which both took turns, "
        f"{datetime.date.today().isoformat()}.\n"
        f"Machine: {machine()}. Versions: {version}; llama-cpp-python {importlib.metadata.version('llama-cpp-python')}, "
        f"built from source with its default flags, in each round with or without flash attention, whichever is faster{peer.note}.\n\n" + table(results) + "\n"
    )
    print(text, end="")
    if options.write:
        replace_table(options.page, text)


main()
