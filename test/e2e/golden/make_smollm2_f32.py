#!/usr/bin/env python3
"""Write smollm2_f32_logits.safetensors: an f32 evaluation of SmolLM2-135M-Instruct (GGUF) that shares no code with llama.cpp.

The weights are dequantized to f32 by the `gguf` package; the network below is numpy. Read smollm2.json for the tokens.

    evaluation_top_ids      i32 [64, 64]      the 64 largest logits after each of the 64 tokens of `evaluation`
    evaluation_top_logits   f32 [64, 64]
    evaluation_last_logits  f32 [vocab]       after the last token, all of them
    greedy                  i32 [5, 128]      f32 greedy continuation of each prompt
    greedy_top_logits       f32 [5, 128, 2]   two largest logits of each of these steps
    forced_top_ids          i32 [5, 128, 2]   two largest logits at each step when the tokens of llama.cpp are fed
    forced_top_logits       f32 [5, 128, 2]

`forced_*` row s is what f32 says where llama.cpp chose greedy[s], so a test can tell an error from a tie.

Usage: make_smollm2_f32.py MODEL.gguf [OUTPUT_DIRECTORY] [--check]   (default: the directory of this script)
       --check also loads the file through transformers and compares the logits of `evaluation`
"""

import json
import pathlib
import sys

import gguf
import numpy
from safetensors.numpy import save_file

GREEDY_STEPS = 128
KEPT_LOGITS = 64


class Llama:
    """The Llama network over the tensors of a GGUF file, one sequence with a cache, all in f32."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.weights = {
            tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
            for tensor in reader.tensors
        }  # matrices [outputs, inputs]

        def field(name):
            return reader.get_field("llama." + name).contents()

        self.layers = field("block_count")
        self.heads = field("attention.head_count")
        self.kv_heads = field("attention.head_count_kv")
        self.epsilon = numpy.float32(field("attention.layer_norm_rms_epsilon"))
        self.head_dim = field("rope.dimension_count")
        pairs = numpy.arange(0, self.head_dim, 2, dtype=numpy.float64) / self.head_dim
        self.frequencies = field("rope.freq_base") ** -pairs  # [headDim / 2]
        self.reset()

    def reset(self):
        empty = numpy.zeros((self.kv_heads, 0, self.head_dim), numpy.float32)
        self.keys = [empty] * self.layers  # [kvHeads, tokens, headDim]
        self.values = [empty] * self.layers

    def normalize(self, x, name):
        mean = numpy.mean(x * x, axis=-1, keepdims=True, dtype=numpy.float32)
        return x / numpy.sqrt(mean + self.epsilon) * self.weights[name]

    def rotate(self, x, positions):
        """Rotary embedding of x [heads, tokens, headDim]. GGUF orders the rows of q and k of a Llama such that the
        components of a pair are neighbours: (0, 1), (2, 3), ..."""
        angles = positions[:, None] * self.frequencies  # [tokens, headDim / 2]
        cosine, sine = numpy.cos(angles).astype(numpy.float32), numpy.sin(angles).astype(numpy.float32)
        even, odd = x[..., 0::2], x[..., 1::2]
        result = numpy.empty_like(x)
        result[..., 0::2] = even * cosine - odd * sine
        result[..., 1::2] = even * sine + odd * cosine
        return result

    def attend(self, x, layer, start):
        """Causal attention of x [tokens, hidden] over the cache, to which its keys and values are added."""
        tokens = len(x)
        positions = numpy.arange(start, start + tokens)

        def project(name, heads):
            rows = x @ self.weights[f"blk.{layer}.attn_{name}.weight"].T
            return rows.reshape(tokens, heads, self.head_dim).transpose(1, 0, 2)  # [heads, tokens, headDim]

        query = self.rotate(project("q", self.heads), positions)
        key = self.rotate(project("k", self.kv_heads), positions)
        self.keys[layer] = numpy.concatenate([self.keys[layer], key], axis=1)
        self.values[layer] = numpy.concatenate([self.values[layer], project("v", self.kv_heads)], axis=1)

        group = self.heads // self.kv_heads
        keys = self.keys[layer].repeat(group, axis=0)  # [heads, start + tokens, headDim]
        values = self.values[layer].repeat(group, axis=0)
        scores = query @ keys.transpose(0, 2, 1) * numpy.float32(self.head_dim**-0.5)
        future = numpy.arange(start + tokens)[None, :] > positions[:, None]
        scores[:, future] = -numpy.inf
        scores = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        merged = (scores @ values).transpose(1, 0, 2).reshape(tokens, self.heads * self.head_dim)
        return merged @ self.weights[f"blk.{layer}.attn_output.weight"].T

    def feed_forward(self, x, layer):
        gate = x @ self.weights[f"blk.{layer}.ffn_gate.weight"].T
        up = x @ self.weights[f"blk.{layer}.ffn_up.weight"].T
        return (gate / (1 + numpy.exp(-gate)) * up) @ self.weights[f"blk.{layer}.ffn_down.weight"].T

    def run(self, tokens):
        """Logits f32 [tokens, vocab] after each of `tokens`, which follow what the cache holds."""
        start = self.keys[0].shape[1]
        x = self.weights["token_embd.weight"][tokens]
        for layer in range(self.layers):
            x = x + self.attend(self.normalize(x, f"blk.{layer}.attn_norm.weight"), layer, start)
            x = x + self.feed_forward(self.normalize(x, f"blk.{layer}.ffn_norm.weight"), layer)
        head = self.weights.get("output.weight", self.weights["token_embd.weight"])
        return self.normalize(x, "output_norm.weight") @ head.T


def largest(logits, count):
    """Ids and values of the `count` largest logits of each row, largest first."""
    ids = numpy.argsort(-logits, axis=-1, kind="stable")[..., :count]
    return ids.astype(numpy.int32), numpy.take_along_axis(logits, ids, axis=-1)


def greedy(model, prompt):
    model.reset()
    logits = model.run(prompt)[-1]
    tokens, tops = [], []
    for _ in range(GREEDY_STEPS):
        ids, values = largest(logits, 2)
        tokens.append(int(ids[0]))
        tops.append(values)
        logits = model.run([tokens[-1]])[-1]
    return tokens, tops


def forced(model, prompt, continuation):
    model.reset()
    logits = model.run(prompt + continuation[:-1])[len(prompt) - 1:]  # [GREEDY_STEPS, vocab]
    return largest(logits, 2)


def check(path, tokens, logits):
    """Compare with transformers, which has its own reader of GGUF and undoes the order of q and k."""
    import torch
    from transformers import AutoModelForCausalLM

    path = pathlib.Path(path).resolve()
    other = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    with torch.no_grad():
        theirs = other.eval()(torch.tensor([tokens])).logits[0].numpy()
    agree = int((theirs.argmax(-1) == logits.argmax(-1)).sum())
    print(f"transformers: largest difference {numpy.abs(theirs - logits).max():.2e}, {agree} of {len(tokens)} argmax equal")


def main(path, output, with_check):
    known = json.loads((output / "smollm2.json").read_text(encoding="utf-8"))
    model = Llama(path)

    evaluation = known["evaluation"]
    logits = model.run(evaluation["ids"])
    ids, values = largest(logits, KEPT_LOGITS)
    tensors = {
        "evaluation_top_ids": ids,
        "evaluation_top_logits": values,
        "evaluation_last_logits": logits[-1].copy(),
    }
    theirs = numpy.array(evaluation["top_logits"])
    ours = numpy.take_along_axis(logits, numpy.array(evaluation["top_ids"]), axis=-1)
    agree = int((ids[:, 0] == numpy.array(evaluation["top_ids"])[:, 0]).sum())
    print(
        f"llama.cpp on `evaluation`: largest difference {numpy.abs(theirs - ours).max():.3f}, "
        f"root mean square {numpy.sqrt(numpy.mean((theirs - ours) ** 2)):.4f}, {agree} of {len(ids)} argmax equal"
    )
    if with_check:
        check(path, evaluation["ids"], logits)

    results = {name: [] for name in ("greedy", "greedy_top_logits", "forced_top_ids", "forced_top_logits")}
    for prompt in known["prompts"]:
        tokens, tops = greedy(model, prompt["ids"])
        ids, values = forced(model, prompt["ids"], prompt["greedy"])
        for name, value in zip(results, (tokens, tops, ids, values)):
            results[name].append(value)
        same = [a == b for a, b in zip(tokens, prompt["greedy"])]
        differ = numpy.flatnonzero(ids[:, 0] != numpy.array(prompt["greedy"]))
        print(
            f"prompt: leaves llama.cpp's tokens at step {same.index(False) if False in same else None}; forced, "
            f"{len(differ)} of {GREEDY_STEPS} differ, margins {[round(float(values[i, 0] - values[i, 1]), 4) for i in differ]}"
        )
    for name, value in results.items():
        tensors[name] = numpy.array(value, numpy.float32 if name.endswith("logits") else numpy.int32)
    save_file(tensors, output / "smollm2_f32_logits.safetensors")
    (output / "smollm2_f32_logits.safetensors").chmod(0o644)


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    main(arguments[0], pathlib.Path(arguments[1]) if len(arguments) > 1 else here, "--check" in sys.argv)
