"""What goes wrong while a model is trained: full disks and damaged checkpoints give one line and lose nothing.

    python3 robustness.py LLMC TOKENIZER
"""

import json
import math
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import runs

TENSORS = ["model.safetensors", "exp_avg.safetensors", "exp_avg_sq.safetensors"]


def checkpoint(folder, step):
    return folder / f"checkpoint-{step:08d}"


def contents(folder, step):
    return [(checkpoint(folder, step) / name).read_bytes() for name in [*TENSORS, "trainer.json"]]


def expect(result, *parts):
    if result.returncode != 1 or result.stderr.count("\n") != 1 or not all(part in result.stderr for part in parts):
        sys.exit(f"status {result.returncode}, {result.stderr!r}, expected one line with {parts}")


def check_full_disk(workshop):
    """A disk that is full when a checkpoint is written, or the log."""
    trainer, folder = workshop.trainer("llama", "full", "checkpoint_every: 4 keep_checkpoints: 9"), workshop.folder / "full"
    workshop.run(trainer, "-q", "--override", "steps=12")
    straight = contents(folder, 12)
    shutil.rmtree(folder)
    workshop.run(trainer, "-q", "--override", "steps=4")
    saved, log = contents(folder, 4), (folder / "log.jsonl").read_bytes()

    def check_saved():
        if contents(folder, 4) != saved or not (folder / "log.jsonl").read_bytes().startswith(log):
            sys.exit("a full disk changes what was saved")
        if sorted(os.listdir(folder)) != ["checkpoint-00000004", "log.jsonl"]:
            sys.exit(f"a full disk leaves {os.listdir(folder)}")

    limit = len(saved[0]) - 100  # less than the model's file has, and more than the steps' code, which is loaded through a file in memory
    full = subprocess.run([trainer, "-q", "--override", "steps=12"], capture_output=True, text=True, check=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    expect(full, "model.safetensors: cannot write")
    check_saved()
    process = subprocess.Popen([trainer, "-q", "--override", "steps=100000", "--override", "checkpoint_every=0"], stderr=subprocess.PIPE, text=True)
    while (folder / "log.jsonl").stat().st_size < len(log) + 1000:
        time.sleep(0.01)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (len(log) + 500,) * 2)
    _, errors = process.communicate()
    expect(subprocess.CompletedProcess([], process.returncode, "", errors), "log.jsonl: cannot be written")
    check_saved()
    workshop.run(trainer, "-q", "--override", "steps=12")
    if contents(folder, 12) != straight:
        sys.exit("a run that found a full disk goes on to other bits")


def check_damage(workshop):
    """Each file of a checkpoint, cut short and with one bit changed; then the one before takes its place."""
    trainer, folder = workshop.folder / "full.trainer", workshop.folder / "full"
    straight, last, before = contents(folder, 12), checkpoint(folder, 12), checkpoint(folder, 8)
    for name in [*TENSORS, "trainer.json"]:
        path = last / name
        sound = path.read_bytes()
        place = len(sound) * 2 // 3
        for damaged in [sound[:place], sound[:place] + bytes([sound[place] ^ 4]) + sound[place + 1:], b""]:
            path.write_bytes(damaged)
            expect(workshop.run(trainer, "-q", "--override", "steps=16", check=False), str(path), f"remove that folder to go on from {before}")
        path.unlink()
        expect(workshop.run(trainer, "-q", "--override", "steps=16", check=False), str(path), f"remove that folder to go on from {before}")
        path.write_bytes(sound)
    # One of an earlier version is no damaged one.
    state = json.loads(sound)
    del state["checksum"]
    path.write_text(json.dumps(state), encoding="utf-8")
    earlier = workshop.run(trainer, "-q", "--override", "steps=16", check=False)
    expect(earlier, f"{path}: has no checksum, as those that an earlier llmc wrote, expected one of this version")
    if "remove" in earlier.stderr:
        sys.exit("a checkpoint of an earlier version is to be removed")
    path.write_bytes(sound)
    (last / "exp_avg.safetensors").write_bytes(b"")
    shutil.rmtree(last)
    workshop.run(trainer, "-q", "--override", "steps=12")
    if contents(folder, 12) != straight:
        sys.exit("the checkpoint before a damaged one leads to other bits")


def write_tensors(path, tensors):
    """A safetensors file of F32 tensors: {name: (shape, bytes)}."""
    header, end = {}, 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + len(data)]}
        end += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, data in tensors.values()))


def check_numerics(workshop):
    """A weight that is no number is found by the first operation that reads it, and a sound run is as without checks."""
    trainer, folder = workshop.trainer("llama", "checked", options=["--debug-numerics"]), workshop.folder / "checked"
    workshop.run(trainer, "-q", "--override", "steps=12")
    model = (checkpoint(folder, 12) / "model.safetensors").read_bytes()
    if model != contents(workshop.folder / "full", 12)[0]:
        sys.exit("checks change what is trained")
    size = int.from_bytes(model[:8], "little")
    header = json.loads(model[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, tensor in header.items():
        begin, end = tensor["data_offsets"]
        tensors[name] = (tensor["shape"], model[8 + size + begin:8 + size + end])
    for name, operation in [("model.layers.1.mlp.up_proj.weight", "linear of"), ("model.layers.0.self_attn.k_proj.weight", "linear of"),
                            ("model.norm.weight", "rms_norm of")]:
        for value in [math.nan, math.inf]:
            shape, data = tensors[name]
            data = data[:400 % len(data)] + struct.pack("<f", value) + data[400 % len(data) + 4:]
            write_tensors(workshop.folder / "poisoned.safetensors", {**tensors, name: (shape, data)})
            poisoned = ["-q", "--restart", "--override", f"start_from={workshop.folder}/poisoned.safetensors", "--override", f"output={folder}2"]
            expect(workshop.run(trainer, *poisoned, check=False), "step 1: ", f"first not finite was {operation} {name}")
            expect(workshop.run(workshop.folder / "full.trainer", *poisoned, check=False), "llmc train --debug-numerics tells the tensor")


def main():
    with tempfile.TemporaryDirectory() as folder:
        workshop = runs.Workshop(*sys.argv[1:3], folder)
        check_full_disk(workshop)
        check_damage(workshop)
        check_numerics(workshop)


main()
