#!/usr/bin/env python3
"""Hold what `llmc convert` writes to readers that nobody here wrote.

Each golden model becomes a GGUF file and, from that, a directory again. The `gguf` package reads the file, transformers reads the
file (where it knows the architecture) and the directory; logits have to be those that transformers gave for the original model, and the
tokenizer of the directory has to give the same ids.

Usage: check.py LLMC [MODEL...]   (with a Python that has torch, transformers and gguf)
"""

import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy as np
import torch
from safetensors.numpy import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"
# What GGUF files can say, and how transformers reads such files: with what it makes of their metadata, with the original's config.json,
# since it takes defaults for fields that these models have (sizes of heads and experts, contexts), or not at all.
MODELS = {
    "llama-odd": "metadata", "llama-tied": None, "mistral-window": None, "qwen2-odd": "metadata", "qwen3-odd": "config",
    "gemma-odd": None, "phi3-odd": "config", "gpt2-odd": "config", "mixtral-odd": None, "qwen2moe-odd": "config",
    "qwen3moe-odd": "config",
}
TEXT = "Once upon a time, 1234 foxes' dens\n\n  were überall; 你好!"


def convert(llmc, source, target, *options):
    subprocess.run([llmc, "convert", "-q", str(source), "-o", str(target), *options], check=True)
    return target


def logits_of(model, tokens):
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("eager")
    with torch.no_grad():
        return model.eval()(torch.tensor([tokens]), use_cache=False).logits[0].numpy()


def check(what, found, expected, bound):
    error = np.abs(found - expected).max() / np.abs(expected).max()
    print(f"{what}: off by {error:.2g}")
    if not error < bound:
        sys.exit(f"{what} is off by {error}, more than {bound}")


def check_model(llmc, name, folder):
    golden = load_file(GOLDEN / name / "golden.safetensors")
    tokens, expected = golden["tokens"].tolist(), golden["logits"]
    file = convert(llmc, GOLDEN / name, folder / f"{name}.gguf", "--dtype", "f32")
    reader = gguf.GGUFReader(file)
    print(f"{name}: {len(reader.tensors)} tensors, {len(reader.fields)} fields")
    options = {"dtype": torch.float32, "attn_implementation": "eager"}
    if MODELS[name]:
        config = {"config": AutoConfig.from_pretrained(GOLDEN / name)} if MODELS[name] == "config" else {}
        model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file.name, **config, **options)
        check(f"{name} as GGUF", logits_of(model, tokens), expected, 1e-4)
    directory = convert(llmc, file, folder / name)
    model = AutoModelForCausalLM.from_pretrained(directory, **options)
    check(f"{name} as a directory", logits_of(model, tokens), expected, 1e-4)
    original = AutoTokenizer.from_pretrained(GOLDEN / name).encode(TEXT)
    written = AutoTokenizer.from_pretrained(directory).encode(TEXT)
    if original != written:
        sys.exit(f"{name}: tokens {written}, expected {original}")
    half = convert(llmc, GOLDEN / name, folder / f"{name}-half", "--dtype", "f16")
    model = AutoModelForCausalLM.from_pretrained(half, **options)
    check(f"{name} in f16", logits_of(model, tokens), expected, 2e-2)


def main():
    torch.set_num_threads(1)
    llmc = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[2:] or MODELS:
            check_model(llmc, name, pathlib.Path(folder))


main()
