#!/usr/bin/env python3
"""Counts the instructions that kernels execute, and fails when one needs more than 5% more than counts.json says.

    count_instructions.py LLMC [--write]

A small Llama of zeros is compiled for x86-64-v3 in several formats and run by callgrind, which knows no later
instructions: a prompt and some single tokens on one thread. Counts do not depend on the machine or on what else it does.
--write stores what was counted; a change that makes kernels longer has to say why.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
COUNTS = os.path.join(HERE, "counts.json")
sys.path.append(os.path.join(HERE, "..", "..", "e2e", "memory"))
import sparse_llama  # noqa: E402

MOST = 1.05
LEAST = 20_000  # instructions of a kernel that is worth watching
TARGET = "x86-64-v3"
# Name, type of the matrices, options of llmc compile.
FORMATS = [
    ("q4_0", sparse_llama.TENSOR_Q4_0, []),
    ("q4_0, activations of 8 bits", sparse_llama.TENSOR_Q4_0, ["--activation-bits", "8"]),
    ("q8_0", sparse_llama.TENSOR_Q8_0, []),
    ("bf16", sparse_llama.TENSOR_Q8_0, ["--dtype", "bf16"]),
    ("f32", sparse_llama.TENSOR_Q8_0, ["--dtype", "f32"]),
]
WORK = ["--prompt-tokens", "48", "--decode-tokens", "8", "--repetitions", "1", "--threads", "1"]


def kernel_counts(path):
    """Instructions of each kernel itself, by its name, from what callgrind wrote."""
    counts, name, skip = {}, None, False
    names = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if match := re.match(r"fn=\((\d+)\)(?: (.*))?", line):
                if match.group(2):
                    names[match.group(1)] = match.group(2)
                name = names[match.group(1)]
            elif match := re.match(r"c?fn=\((\d+)\) (.*)", line):
                names[match.group(1)] = match.group(2)
            elif line.startswith("calls="):
                skip = True  # the next line is what the callee cost
            elif re.match(r"[+\-*\d]", line):
                if not skip and re.match(r"(?!llmc_step_|layer_)\w+_(prefill|decode)(_\d+)?$", name):
                    counts[name] = counts.get(name, 0) + int(line.split()[1])
                skip = False
    return {name: count for name, count in sorted(counts.items()) if count >= LEAST}


def measure(llmc, folder, kind, options):
    sparse_llama.HIDDEN, sparse_llama.FEED_FORWARD, sparse_llama.HEADS, sparse_llama.KV_HEADS = 256, 640, 4, 2
    sparse_llama.LAYERS, sparse_llama.CONTEXT, sparse_llama.VOCABULARY, sparse_llama.MATRIX = 2, 256, 512, kind
    model, artifact, program, output = (os.path.join(folder, name) for name in ("model.gguf", "model.llmc", "llmc", "callgrind.out"))
    sparse_llama.write(model)
    subprocess.run([llmc, "compile", model, "-o", artifact, "--quiet", "--target-cpu", TARGET, *options], check=True)
    # valgrind gives up on debug information that is newer than itself.
    subprocess.run(["llvm-strip-22", "--strip-debug", llmc, "-o", program], check=True)
    callgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", "-q"]
    subprocess.run([*callgrind, program, "bench", artifact, *WORK], check=True, stdout=subprocess.DEVNULL)
    return kernel_counts(output)


def compare(name, expected, found):
    """Lines about kernels that are longer than they were, or that one side does not have."""
    for kernel in sorted(expected.keys() | found.keys()):
        before, now = expected.get(kernel, 0), found.get(kernel, 0)
        print(f"{name:28} {kernel:24} {before:12} {now:12} {now / before if before else 0:6.3f}")
        if max(before, now) < 1.5 * LEAST:
            continue  # about as long as what is not stored
        if not before or not now:
            yield f"{name}: {kernel}: {'is new' if now else 'is gone'}"
        elif now > MOST * before:
            yield f"{name}: {kernel}: {now} instructions, expected at most {MOST:.2f} times {before}"


def main():
    parser = argparse.ArgumentParser(description="Counts the instructions that kernels execute.")
    parser.add_argument("llmc", help="the llmc program")
    parser.add_argument("--write", action="store_true", help=f"store the counts in {os.path.basename(COUNTS)}")
    options = parser.parse_args()
    if missing := [tool for tool in ("valgrind", "llvm-strip-22") if not shutil.which(tool)]:
        print(f"skipped: there is no {missing[0]}")
        sys.exit(77)
    found = {}
    for name, kind, flags in FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = measure(options.llmc, folder, kind, flags)
    if options.write:
        with open(COUNTS, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)
            file.write("\n")
        return
    with open(COUNTS, encoding="utf-8") as file:
        expected = json.load(file)
    print(f"{'format':28} {'kernel':24} {'stored':>12} {'counted':>12}  ratio")
    problems = [line for name in found for line in compare(name, expected.get(name, {}), found[name])]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(f"{len(problems)} kernels changed; if that is meant, run {os.path.basename(__file__)} LLMC --write and say why")


main()
