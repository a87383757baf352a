"""Trains small models, and holds what trainers promise: curves as PyTorch's (curves.json, which make_curves.py made); the same
bits after kill -9, on any number of threads, and however a batch is cut; checkpoints that compile.

    python3 check.py LLMC TOKENIZER
"""

import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time

import runs

LOSS_BOUND, NORM_BOUND = 1e-3, 1e-3  # absolute, relative


def log_of(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {line["step"]: line for line in lines if "loss" in line}


def contents(folder, step=runs.STEPS):
    """Tensors and state of a checkpoint."""
    names = ["model.safetensors", "exp_avg.safetensors", "exp_avg_sq.safetensors", "trainer.json"]
    return [(folder / f"checkpoint-{step:08d}" / name).read_bytes() for name in names]


def check_curves(workshop):
    expected = json.loads((pathlib.Path(__file__).parent / "curves.json").read_text())
    for key, points in expected.items():
        family, name = key.split("-")
        for precision, loss_bound in [("F32", LOSS_BOUND), ("BF16", 0.02)]:
            if precision == "BF16" and name != "adamw":
                continue
            if precision == "BF16" and "avx512_bf16" not in pathlib.Path("/proc/cpuinfo").read_text():
                print("training in bf16 is not checked: this processor has no avx512bf16")
                continue
            run = f"{family}-{precision}" if name == "adamw" else key
            trainer = workshop.trainer(family, run, rest=f"precision: {precision} {runs.optimizer(name)}")
            workshop.run(trainer, "-q", "--override", f"steps={runs.OPTIMIZERS[name]}", "--override", f"learning_rate={runs.RATES[name]}")
            found = log_of(workshop.folder / run)
            for step, point in enumerate(points, start=2):
                if abs(found[step]["loss"] - point["loss"]) > loss_bound:
                    sys.exit(f"{key}, {precision}, step {step}: the loss is {found[step]['loss']}, expected {point['loss']}")
                if precision == "F32" and abs(found[step]["gradient_norm"] / point["norm"] - 1) > NORM_BOUND:
                    sys.exit(f"{key}, step {step}: the norm is {found[step]['gradient_norm']}, expected {point['norm']}")


def check_bits(workshop):
    straight = contents(workshop.folder / "llama-F32")
    folder = workshop.folder / "killed"
    trainer = workshop.trainer("llama", "killed", "checkpoint_every: 7")
    # Killed at several moments, some of them while a checkpoint is written.
    for delay in [0.02, 0.05, 0.08, 0.03]:
        process = subprocess.Popen([trainer, "-q", "--threads", "2"])
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    workshop.run(trainer, "-q", "--threads", "1")
    if contents(folder) != straight:
        sys.exit("a run that was killed and went on ends with other bits than one that was not")
    if any(name.startswith(".partial") for name in os.listdir(folder)):
        sys.exit("what a killed run left half written is still there")
    # SIGTERM: a checkpoint, and status 0.
    trainer = workshop.trainer("llama", "stopped", "accumulation: 64")
    process = subprocess.Popen([trainer, "-q"])
    time.sleep(0.3)
    process.terminate()
    if process.wait() != 0 or not any(name.startswith("checkpoint") for name in os.listdir(workshop.folder / "stopped")):
        sys.exit("a run that was asked to stop saved no checkpoint")


def check_restart(workshop):
    """A run that is begun anew replaces the old one, whose checkpoints are of later steps."""
    trainer, folder = workshop.folder / "killed.trainer", workshop.folder / "killed"
    workshop.run(trainer, "-q", "--restart", "--override", "steps=9")
    found = sorted(name for name in os.listdir(folder) if name.startswith("checkpoint"))
    if found != ["checkpoint-00000007", "checkpoint-00000009"]:
        sys.exit(f"a run that was begun anew has {found}")
    other = workshop.folder / "other"
    (workshop.folder / "short.txt").write_text("a model")
    workshop.run(workshop.llmc, "data", "pack", workshop.folder / "short.txt", "--tokenizer", workshop.tokenizer, "-o", other)
    result = workshop.run(trainer, "-q", "--override", f"train_data={other}/train.tokens", check=False)
    if result.returncode != 1 or "is of another place than" not in result.stderr:
        sys.exit(f"a run goes on with other data: {result.stderr!r}")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def fields_of(message):
    """Numbers and values of a protobuf message."""
    place = 0

    def varint():
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place, value, shift = place + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while place < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(key & 7) or varint()
        yield key >> 3, message[place:place + size]
        place += size


def events_of(path):
    """Events of a file as dictionaries by field number. Framing and checksums are checked."""
    data, place = path.read_bytes(), 0
    while place < len(data):
        size = struct.unpack_from("<Q", data, place)[0]
        for start, end in [(place, place + 8), (place + 12, place + 12 + size)]:
            crc = crc32c(data[start:end])
            if struct.unpack_from("<I", data, end)[0] != ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF:
                sys.exit(f"{path}: wrong checksum at {end}")
        yield dict(fields_of(data[place + 12:place + 12 + size]))
        place += size + 16


def check_events(workshop):
    """Event files have what the log has; one that goes on says from which step."""
    trainer, folder = workshop.folder / "killed.trainer", workshop.folder / "events"
    for steps in [4, 6]:
        workshop.run(trainer, "-q", "--override", "tensorboard=true", "--override", f"output={folder}", "--override", f"steps={steps}",
                     "--override", f"validation_data={workshop.folder}/data/train.tokens")
    log = log_of(folder)
    files = sorted(folder.glob("events.out.tfevents.*"))
    if len(files) != 2:
        sys.exit(f"two starts of a trainer wrote the event files {files}")
    for path, steps in zip(files, [range(1, 5), range(5, 7)]):
        version, start, *events = events_of(path)
        if version[3] != b"brain.Event:2" or start[2] != steps[0] or start[7] != b"\x08\x01":
            sys.exit(f"{path}: begins with {version}, {start}")
        found = {}
        for event in events:
            for _, value in fields_of(event[5]):
                value = dict(fields_of(value))
                found[value[1].decode(), event[2]] = struct.unpack("<f", value[2])[0]
        for step in steps:
            for name in ["loss", "learning_rate", "gradient_norm", "tokens_per_second"]:
                value, expected = found.pop((f"train/{name}", step)), log[step][name]
                if abs(value - expected) > 1e-6 * abs(expected):
                    sys.exit(f"{path}: {name} of step {step} is {value}, expected {expected}")
        if sorted(found) != [("validation/loss", steps[-1]), ("validation/perplexity", steps[-1])]:
            sys.exit(f"{path}: has {found} besides")
    workshop.run(trainer, "-q", "--restart", "--override", f"output={folder}", "--override", "steps=1")
    if any(folder.glob("events.out.tfevents.*")):
        sys.exit("event files of a run outlive its restart")


def check_accumulation(workshop):
    """Three batches of one sequence are one of three, up to rounding."""
    whole = log_of(workshop.folder / "llama-F32")
    runs.FAMILIES["narrow"] = runs.FAMILIES["llama"].replace("sequences: 3", "sequences: 1")
    workshop.run(workshop.trainer("narrow", "narrow", "accumulation: 3"), "-q")
    parts = log_of(workshop.folder / "narrow")
    for step, point in whole.items():
        if abs(parts[step]["loss"] - point["loss"]) > LOSS_BOUND:
            sys.exit(f"step {step}: accumulated batches give {parts[step]['loss']}, the large one {point['loss']}")


def check_optimizers(workshop):
    for name, text in [("lion", "lion { weight_decay: 0.1 }"), ("sgd", "sgd { momentum: 0.9 }"), ("descent", "sgd {}"), ("muon", "muon {}")]:
        rate = {"lion": "3e-4", "muon": "3e-3"}.get(name, "0.1")
        trainer = workshop.trainer("llama", name, rest=f"optimizer {{ {text} }}")
        workshop.run(trainer, "-q", "--override", f"learning_rate={rate}")
        log = log_of(workshop.folder / name)
        if log[runs.STEPS]["loss"] > log[1]["loss"] - 0.3:
            sys.exit(f"{name}: the loss goes from {log[1]['loss']} to {log[runs.STEPS]['loss']}")


def check_factors(workshop):
    """What Adafactor keeps is small, and enough to go on from."""
    trainer, folder = workshop.folder / "llama-adafactor.trainer", workshop.folder / "factors"
    for steps in [9, 200]:
        workshop.run(trainer, "-q", "--override", f"output={folder}", "--override", f"steps={steps}", "--override", "learning_rate=1e-2")
    last = "checkpoint-00000200"
    for name in ["model", "mean_sq_rows", "mean_sq_columns", "mean_sq"]:
        found = (folder / last / f"{name}.safetensors").read_bytes()
        if found != (workshop.folder / "llama-adafactor" / last / f"{name}.safetensors").read_bytes():
            sys.exit(f"Adafactor goes on to another {name}")
        if name != "model" and len(found) > 8000:
            sys.exit(f"Adafactor keeps {len(found)} bytes as {name}")


def check_errors(workshop):
    def expect(command, message, status=1):
        result = workshop.run(*command, check=False)
        if result.returncode != status or message not in result.stderr or result.stderr.count("\n") != 1:
            sys.exit(f"{command}: status {result.returncode}, {result.stderr!r}, expected {message!r}")

    trainer = workshop.folder / "killed.trainer"
    expect([trainer, "--override", "step=5"], 'has no field named "step"', 2)
    expect([trainer, "-q", "--override", "train_data=missing.tokens"], "missing.tokens: cannot open")
    damaged = workshop.folder / "damaged.tokens"
    damaged.write_bytes((workshop.folder / "data" / "train.tokens").read_bytes()[:-9])
    expect([trainer, "-q", "--override", f"train_data={damaged}"], "was cut short or is damaged")
    # A token that no model has, in a file that is sound otherwise.
    contents_of = bytearray((workshop.folder / "data" / "train.tokens").read_bytes())
    contents_of[64:66] = b"\xff\xff"
    damaged.write_bytes(contents_of)
    expect([trainer, "-q", "--restart", "--override", f"train_data={damaged}", "--override", f"output={workshop.folder}/none"],
           "has the token 65535, expected one below")
    expect([trainer, "-q", "--restart", "--override", "learning_rate=1e30", "--override", "clip_norm=0",
            "--override", f"output={workshop.folder}/exploded", "--override", "learning_rate=900"], "is not finite")
    expect([workshop.llmc, "run", trainer, "--prompt", "x"], "is a trainer: start it to train")
    expect([trainer, "-q", "--override", "steps=3"], "expected at most run.steps (3)")


def check_compiles(workshop):
    for family in ["llama", "gpt2"]:
        checkpoint = workshop.folder / f"{family}-F32" / f"checkpoint-{runs.STEPS:08d}"
        artifact = workshop.folder / f"{family}.llmc"
        workshop.run(workshop.llmc, "compile", checkpoint, "-q", "-o", artifact)
        workshop.run(workshop.llmc, "run", artifact, "--raw", "--prompt", "the model", "--max-tokens", 8, "--quiet")


def main():
    with tempfile.TemporaryDirectory() as folder:
        workshop = runs.Workshop(*sys.argv[1:3], folder)
        check_curves(workshop)
        check_bits(workshop)
        check_accumulation(workshop)
        check_optimizers(workshop)
        check_factors(workshop)
        check_errors(workshop)
        check_restart(workshop)
        check_events(workshop)
        check_compiles(workshop)


main()
