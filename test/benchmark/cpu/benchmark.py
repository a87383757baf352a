#!/usr/bin/env python3
"""Measures llmc beside its peers on CPUs, all in one run. scripts/benchmark.sh sets up what it needs and calls this.

The contestants of a row take turns, some rounds long, so that whatever else the machine does meets all alike; what each measures once, to warm
up, does not count. Figures are medians; a ratio is the median of the rounds' ratios to the peer that is the fastest of this row.
"""
import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from engines import LlamaCpp, Llmc, Peer, Refused
from models import DECODERS, ENCODERS, GGUF_TYPES, Models
from report import machine, plot, replace_part, table, units

# Of each model's sequences side by side, which take these depths in turn.
DEPTHS = {"smollm2-135m": [16, 32, 64, 128], "llama-1.1b": [4, 8, 16, 32]}
LONG = 8192


class Row:
    """One measurement of all that can do it."""

    def __init__(self, model, dtype, title, request, contestants, target):
        self.model, self.dtype, self.title, self.request = model, dtype, title, request
        self.contestants, self.target = contestants, target
        self.seconds = {contestant.name: [] for contestant in contestants}
        self.refused, self.limit = {}, None

    @property
    def tokens(self):
        return self.request["tokens"] * max(len(self.request.get("depths", [])), self.request.get("texts", 1))

    def measure(self, keep):
        for contestant in self.contestants:
            if contestant.name in self.refused:
                continue
            try:
                seconds = contestant.first_token(self.request["tokens"]) if self.request["kind"] == "first-token" else contestant.measure(self.request)
            except Refused as reason:
                self.refused[contestant.name] = str(reason)
                continue
            if keep:
                self.seconds[contestant.name].append(seconds)

    def to_json(self):
        return {
            "model": self.model,
            "type": self.dtype,
            "work": self.title,
            "request": self.request,
            "tokens": self.tokens,
            "target": self.target,
            "seconds": {name: values for name, values in self.seconds.items() if values},
            "refused": self.refused,
            "part_of_limit": self.limit,
        }


def torch_type(dtype):
    """What PyTorch computes models of this type in at its best: without instructions for bf16 it is many times slower than in f32."""
    return "bfloat16" if dtype == "bf16" and "avx512_bf16" in units() else "float32"


def decoder_rows(models, model, dtype, options):
    threads = options.threads
    gguf = models.gguf(model, dtype)
    contestants = [Llmc("llmc", options.llmc, models.artifact(model, dtype), threads)]
    if dtype != "bf16":
        contestants.append(Llmc("llmc, 8-bit activations", options.llmc, models.artifact(model, dtype, 8), threads))
    contestants.append(LlamaCpp(gguf, threads))
    if dtype == "bf16":
        contestants.append(Peer("PyTorch", "pytorch.py", models.directory(model), threads, "eager", torch_type(dtype)))
        if model == "smollm2-135m":
            contestants.append(Peer("torch.compile", "pytorch.py", models.directory(model), threads, "compiled", torch_type(dtype)))
    else:
        contestants.append(Peer("OpenVINO", "openvino_decoder.py", gguf, threads))
    if dtype == "q4_0":
        contestants.append(Peer("ONNX Runtime", "onnxruntime_decoder.py", models.onnx_decoder(model, threads), threads))

    def row(title, kind, tokens, depths, target):
        return Row(model, dtype, title, {"kind": kind, "tokens": tokens, "depths": depths}, contestants, target)

    small = model == "smollm2-135m"
    depths = DEPTHS[model]
    rows = [
        row("prompt of 512", "prompt", 512, [0], 2 if small or dtype != "bf16" else 1.3),
        row("decode", "decode", 48 if small else 12, [0], 1.3),
        row("decode, 8 sequences", "decode", 24 if small else 6, depths * 2, 2),
        row("decode, 32 sequences", "decode", 12 if small else 3, depths * 8, 2),
    ]
    if small and dtype == "q4_0" and not options.short:
        rows.append(row(f"prompt of {LONG}", "prompt", LONG, [0], 1.5))
        rows.append(row(f"decode at depth {LONG - 12}", "decode", 12, [LONG - 12], 1.5))
    return rows


def encoder_rows(models, model, dtype, options):
    threads = options.threads
    contestants = []
    if dtype != "int8":
        contestants.append(Llmc("llmc", options.llmc, models.artifact(model, dtype), threads))
    if dtype == "f32":
        contestants.append(Peer("ONNX Runtime", "encoder_onnx.py", models.onnx_fused(model), threads, "onnxruntime"))
        contestants.append(Peer("IREE", "encoder_onnx.py", models.onnx(model), threads, "iree"))
    if dtype == "int8":
        contestants.append(Peer("ONNX Runtime", "encoder_onnx.py", models.onnx_int8(model), threads, "onnxruntime"))
    else:
        contestants.append(Peer("OpenVINO", "encoder_onnx.py", models.onnx(model), threads, "openvino", dtype))
        for name, mode in (("PyTorch", "eager"), ("torch.compile", "compiled")):
            contestants.append(Peer(name, "pytorch.py", models.directory(model), threads, mode, torch_type(dtype)))
    return [
        Row(model, dtype, f"{texts} x 128 tokens", {"kind": "embed", "tokens": 128, "texts": texts}, contestants, 1.5)
        for texts in (1, 32 if model == "minilm" else 8)
    ]


def first_token_row(models, options):
    model, dtype = "smollm2-135m", "q4_0"
    contestants = [
        Llmc("llmc", options.llmc, models.artifact(model, dtype), options.threads),
        LlamaCpp(models.gguf(model, dtype), options.threads),
        Peer("OpenVINO", "openvino_decoder.py", models.gguf(model, dtype), options.threads),
        Peer("ONNX Runtime", "onnxruntime_decoder.py", models.onnx_decoder(model, options.threads), options.threads),
    ]
    return Row(model, dtype, "first token of a cold process, prompt of 16", {"kind": "first-token", "tokens": 16}, contestants, 2)


def measure_rows(rows, rounds, settings):
    """Rows that share contestants, whose processes end afterwards."""
    contestants = rows[0].contestants
    try:
        for number in range(rounds + 1):
            for row in rows:
                if number > rounds - (1 if row.request["tokens"] >= LONG else 0):
                    continue  # one round less of what takes longest
                row.measure(keep=number > 0)
        for row in rows:
            if row.request["kind"] != "first-token" and "llmc" in row.seconds:
                row.limit = contestants[0].limit(row.request)
    finally:
        for contestant in contestants:
            contestant.close()
    settings.update({contestant.name: contestant.settings for contestant in contestants if contestant.settings})


def measure_all(models, options):
    """Rows, and settings of contestants by name."""
    chosen, types = options.models.split(","), options.types.split(",")
    groups = []
    for model in DECODERS:
        groups += [(decoder_rows, model, dtype) for dtype in GGUF_TYPES]
    for model in ENCODERS:
        groups += [(encoder_rows, model, dtype) for dtype in ("f32", "bf16", "int8")]
    groups = [group for group in groups if group[1] in chosen and group[2] in types]
    made = [make(models, model, dtype, options) for make, model, dtype in groups]
    if "smollm2-135m" in chosen:
        made.append([first_token_row(models, options)])

    settings = {}
    rows = []
    for group in made:
        begin = time.monotonic()
        measure_rows(group, options.rounds, settings)
        print(f"{group[0].model} {group[0].dtype}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
        for row in group:
            for name, reason in row.refused.items():
                print(f"{row.model} {row.dtype} {row.title}: {name}: {reason}", file=sys.stderr)
        rows += group
    return rows, settings


def report(models, rows, settings, options):
    version = subprocess.run([options.llmc, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    head = (
        f"{machine()}, {options.threads} threads, medians of {options.rounds} rounds, {datetime.date.today().isoformat()}. "
        f"Models: {options.models}; types: {options.types}{'; no long contexts' if options.short else ''}.\n\n"
        + "".join(f"- {name}: {text}\n" for name, text in {"llmc": version, **settings}.items())
    )
    compiled = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in models.compile_seconds.items())
    text = f"{head}\n{table(rows)}\n\nTo compile: {compiled}.\n"
    print(text, end="")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "threads": options.threads, "settings": settings, "compile_seconds": models.compile_seconds, "rows": [row.to_json() for row in rows]}, file, indent=1)
    if options.write:
        picture = os.path.splitext(options.page)[0] + "-cpu.svg"
        plot(rows, picture)
        replace_part(options.page, "cpu", f"{text}\n![How many times as fast as the best peer llmc is, row by row]({os.path.basename(picture)})\n")


def main():
    parser = argparse.ArgumentParser(prog="benchmark", description="Measures llmc beside its peers on CPUs in one run.")
    parser.add_argument("--llmc", required=True, help="the llmc program")
    parser.add_argument("--smollm2", required=True, help="GGUF file of SmolLM2-135M")
    parser.add_argument("--minilm", required=True, help="directory of all-MiniLM-L6-v2")
    parser.add_argument("--cache", required=True, help="folder for the models that are made")
    parser.add_argument("--page", required=True, help="page that --write changes")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", default=",".join(DECODERS + ENCODERS), help="only these, separated by commas")
    parser.add_argument("--types", default="bf16,q8_0,q4_0,f32,int8", help="only these, separated by commas")
    parser.add_argument("--short", action="store_true", help="leave long contexts out")
    parser.add_argument("--json", metavar="FILE", help="write all measurements to this file")
    parser.add_argument("--write", action="store_true", help="put the tables and the plot into the page")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as artifacts:
        models = Models(options.cache, artifacts, options.llmc, options.smollm2, options.minilm)
        report(models, *measure_all(models, options), options)


if __name__ == "__main__":
    main()
