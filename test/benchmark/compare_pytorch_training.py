"""Training steps of llmc beside PyTorch, eager and compiled, in turns and in one run; prints a table, and with --write puts it into
docs/performance.md.

    python3 compare_pytorch_training.py LLMC [--rounds N] [--write]

needs torch and transformers in the Python that runs it. Both sides take all cores, clip gradients to a norm of 1 and make a step of AdamW;
losses are of made-up tokens, and there is no dropout.
"""

import argparse
import json
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROWS = [("GPT-2 124M, B=4 T=512", 4, 512, "bf16"), ("GPT-2 124M, B=4 T=512", 4, 512, "f32"),
        ("GPT-2 124M, B=8 T=128", 8, 128, "bf16"), ("GPT-2 124M, B=8 T=128", 8, 128, "f32")]
BEGIN, END = "<!-- training: begin -->", "<!-- training: end -->"
STEPS = 4  # of a turn; the first one is not counted

WORKER = """
import sys, time, torch
from transformers import GPT2Config, GPT2LMHeadModel
batch, length, dtype, compiled, steps = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4] == "compiled", int(sys.argv[5])
model = GPT2LMHeadModel(GPT2Config(attn_pdrop=0, embd_pdrop=0, resid_pdrop=0)).train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
tokens = torch.randint(0, 50257, (batch, length))
forward = torch.compile(model) if compiled else model
for _ in range(steps):
    start = time.time()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16"):
        loss = forward(tokens, labels=tokens).loss
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    loss.item()
    print(time.time() - start, flush=True)
"""


def write_tokens(path, count):
    """A token file with one document of random tokens (train/TokenFile.h)."""
    generator = random.Random(1)
    tokens = b"".join(struct.pack("<H", generator.randrange(50257)) for _ in range(count))
    tokens += b"\0" * (-(64 + len(tokens)) % 8)
    header = struct.pack("<8sIIQQQ24x", b"LLMCTOK1", 2, 50257, count, 1, 64 + len(tokens))
    path.write_bytes(header + tokens + struct.pack("<Q", count))


def make_trainer(llmc, folder, batch, length, dtype):
    name = f"{batch}x{length}.{dtype}"
    (folder / f"{name}.recipe").write_text(f"""preset: "gpt2-124m"
batch {{ sequences: {batch} length: {length} }}
precision: {dtype.upper()}
run {{ train_data: "{folder}/tokens" output: "{folder}/out" steps: {STEPS} learning_rate: 1e-4 clip_norm: 1 schedule {{ kind: CONSTANT }} }}
""")
    trainer = folder / f"{name}.trainer"
    subprocess.run([llmc, "train", folder / f"{name}.recipe", "-q", "-o", trainer], check=True)
    return trainer


def time_llmc(trainer, folder):
    subprocess.run([trainer, "-q", "--restart"], check=True)
    return [json.loads(line)["seconds"] for line in (folder / "out" / "log.jsonl").read_text().splitlines()][1:]


def time_pytorch(batch, length, dtype, kind):
    result = subprocess.run([sys.executable, "-c", WORKER, str(batch), str(length), dtype, kind, str(STEPS)], check=True,
                            capture_output=True, text=True)
    return [float(line) for line in result.stdout.split()][1:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("llmc")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    lines = ["| step | llmc, ms | PyTorch eager, ms | torch.compile, ms | times as fast as the better |", "| --- | --- | --- | --- | --- |"]
    # Checkpoints go to memory, so that writing them disturbs nobody.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = pathlib.Path(name)
        write_tokens(folder / "tokens", 200000)
        for title, batch, length, dtype in ROWS:
            if arguments.only not in title:
                continue
            trainer = make_trainer(arguments.llmc, folder, batch, length, dtype)
            times = {"llmc": [], "eager": [], "compiled": []}
            for _ in range(arguments.rounds):
                times["llmc"] += time_llmc(trainer, folder)
                for kind in ["eager", "compiled"]:
                    times[kind] += time_pytorch(batch, length, dtype, kind)
            median = {who: statistics.median(values) for who, values in times.items()}
            spread = {who: f"{1000 * median[who]:.0f} ({1000 * min(values):.0f}-{1000 * max(values):.0f})" for who, values in times.items()}
            ratio = min(median["eager"], median["compiled"]) / median["llmc"]
            lines.append(f"| {title}, {dtype} | {spread['llmc']} | {spread['eager']} | {spread['compiled']} | {ratio:.2f} |")
            print(lines[-1], flush=True)
    import torch

    table = "\n".join(lines) + f"\n\nMeasured {time.strftime('%Y-%m-%d')} beside PyTorch {torch.__version__}; medians, and the range.\n"
    print(table)
    if arguments.write:
        page = pathlib.Path(__file__).parents[2] / "docs" / "performance.md"
        text = page.read_text()
        begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
        page.write_text(text[:begin] + "\n" + table + text[end:])


main()
