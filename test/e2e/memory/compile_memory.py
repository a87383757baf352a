"""Compiles a model while the compiler may not have more memory than it is promised to need beyond the mapped weights.

    compile_memory.py LLMC FOLDER (smollm2 | llama-8b) MEGABYTES

The limit is RLIMIT_DATA, which the kernel enforces: all memory that a process can write to and that is its own, heap and
stacks of threads and private mappings, touched or not. What is mapped from a file to be read does not count. A compilation
that asks for more fails, and so does the test. The compiler has two processors, as it has a thread, with a stack, for each.

Files lie in FOLDER and are removed. Exits with 77 and a reason where the test cannot be made.
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import sparse_llama

SKIPPED = 77
MEGABYTE = 10**6


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def limit(megabytes):
    """For the child: at most so much memory, and two processors."""
    resource.setrlimit(resource.RLIMIT_DATA, (megabytes * MEGABYTE, megabytes * MEGABYTE))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])


def is_enforced():
    """Whether a process that is allowed 64 MB cannot have 128."""
    command = [sys.executable, "-c", f"bytearray({128 * MEGABYTE})"]
    return subprocess.run(command, stderr=subprocess.DEVNULL, preexec_fn=lambda: limit(64)).returncode != 0


def smollm2():
    cache = os.environ.get("LLMC_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "llmc"
    )
    folder = os.environ.get("LLMC_MODELS") or os.path.join(cache, "models")
    path = os.path.join(folder, "SmolLM2-135M-Instruct.Q4_1.gguf")
    if not os.path.exists(path):
        skip("SmolLM2-135M-Instruct.Q4_1.gguf is not there: fetch it with scripts/fetch-model.sh smollm2")
    return path


def llama_8b(folder):
    path = os.path.join(folder, "llama-8b.gguf")
    sparse_llama.write(path)
    # The artifact is as large, and not sparse.
    needed, free = os.path.getsize(path) * 5 // 4, shutil.disk_usage(folder).free
    if free < needed:
        skip(f"{folder} has {free // MEGABYTE} MB of free space, the artifact takes {needed // MEGABYTE} MB")
    return path


def data_bytes(pid):
    """What RLIMIT_DATA limits, as it is now; nothing if the process has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:")), 0)
    except OSError:
        return 0


def compile_limited(llmc, model, output, megabytes):
    """Returns the exit status, and the most memory that was seen."""
    command = [llmc, "compile", model, "-o", output, "--quiet"]
    process = subprocess.Popen(command, preexec_fn=lambda: limit(megabytes))
    most = 0
    try:
        while process.poll() is None:
            most = max(most, data_bytes(process.pid))
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    return process.returncode, most


def run(llmc, folder, name, megabytes):
    if not is_enforced():
        skip("this kernel does not enforce RLIMIT_DATA")
    model = smollm2() if name == "smollm2" else llama_8b(folder)
    output = os.path.join(folder, "model.llmc")
    status, most = compile_limited(llmc, model, output, megabytes)
    if status != 0:
        return f"with {megabytes} MB llmc compile ends with status {status}, after {most // MEGABYTE} MB were seen in use"
    # Weights keep their size: an artifact that is much smaller holds something else.
    if os.path.getsize(output) < os.path.getsize(model) // 2:
        return f"the artifact has {os.path.getsize(output)} bytes, the model {os.path.getsize(model)}"
    print(f"{name}: {most // MEGABYTE} MB in use at most, {megabytes} MB allowed")
    return None


def main():
    llmc, folder, name, megabytes = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = os.path.join(os.path.abspath(folder), name)
    shutil.rmtree(folder, ignore_errors=True)  # of a test that was killed
    os.makedirs(folder)
    try:
        return run(llmc, folder, name, int(megabytes))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
