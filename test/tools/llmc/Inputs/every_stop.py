"""every_stop.py CHECKPOINT FOLDER [OPTION...]: stops llmc compile after each of its passes, goes on from what was written, and
compares the object with the one that is made without a stop; and so the artifact, from a stop of each stage.
"""
import concurrent.futures
import os
import re
import subprocess
import sys

checkpoint, folder, *options = sys.argv[1:]
os.makedirs(folder, exist_ok=True)


def compile_model(*arguments):
    command = ["llmc", "compile", checkpoint, "--quiet", *options, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def make(name, *arguments):
    path = os.path.join(folder, name)
    result = compile_model("-o", path, *arguments)
    if result.returncode != 0:
        sys.exit(f"{name}: {result.stderr}")
    with open(path, "rb") as file:
        return file.read()


def check(names):
    """Whether what is made on the way through stops after each of `names` is what is made without."""
    for name, emit in names:
        stop = os.path.join(folder, f"{name}.mlir")
        make(f"{name}.mlir", "--stop-after", name)
        again = make(f"{name}.{emit}", "--start-from", stop, "--emit", emit)
        if again != direct[emit]:
            sys.exit(f"the {emit} that is made by going on after {name} is another one than without the stop")


# All passes, from the message that lists them.
passes = compile_model("--stop-after", "?").stderr.split("expected one of ")[1].strip().split(", ")
if len(passes) < 30 or not {"canonicalize:1", "nn-fuse", "plan-arena", "step-entry"} <= set(passes):
    sys.exit(f"these can not be all passes: {passes}")
direct = {emit: make(f"direct.{emit}", "--emit", emit) for emit in ("obj", "artifact")}
whole = {"nn-add-kv-cache", "nn-fuse", "lower-to-cpu", "convert-vector-to-llvm", "step-entry"}
work = [(name, "artifact" if name in whole else "obj") for name in passes]
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    list(pool.map(check, (work[i::2] for i in range(2))))
print(len(passes), "stops")
