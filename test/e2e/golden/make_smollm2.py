#!/usr/bin/env python3
"""Write smollm2.json: what llama.cpp computes for SmolLM2-135M-Instruct in GGUF.

    settings      versions, thread count, cache type and system information of the run
    prompts       five conversations: messages, rendered text, token ids, 128 greedy tokens, and for each of them the two
                  largest logits [first, second]; `end_at` is the step at which an end-of-generation token came, or null
                  (it is then fed like any other token)
    evaluation    64 tokens of plain text and, for every position, the 64 largest logits as ids and values

The conversations go through the chat template in the GGUF metadata, rendered with jinja2 as transformers does. llama.cpp
keeps the cache in f32 and uses neither flash attention nor repacked weights, but it multiplies its 4-bit weights with
activations rounded to 8 bits. Against an f32 evaluation (make_smollm2_f32.py) that moves the logits by 0.18 (root mean
square; 0.8 at most), and changes the greedy token where the two largest are closer than about 0.3.

Usage: make_smollm2.py MODEL.gguf [OUTPUT_DIRECTORY]   (default: the directory of this script)
"""

import ctypes
import json
import pathlib
import sys

import jinja2
import jinja2.sandbox
import llama_cpp
import numpy

THREADS = 2
CONTEXT = 512
GREEDY_STEPS = 128
KEPT_LOGITS = 64

CONVERSATIONS = [
    [{"role": "user", "content": "Explain in detail how rain forms, from the sea to the cloud to the ground."}],
    [
        {"role": "system", "content": "You are a patient teacher who always explains step by step."},
        {"role": "user", "content": "How do I bake a loaf of bread? List all the ingredients and every step."},
    ],
    [{"role": "user", "content": "Write a long story about a lighthouse keeper who finds a mysterious letter."}],
    [
        {"role": "user", "content": "What is a binary search?"},
        {
            "role": "assistant",
            "content": "Binary search finds a value in a sorted list by halving the range in each step.",
        },
        {"role": "user", "content": "Show me a Python function for it and explain each line."},
    ],
    [{"role": "user", "content": "Describe the history of the bicycle in the 19th century (1817 - 1899), with dates & names."}],
]

EVALUATION_TEXT = (
    "In the autumn of 1873 a small printing house in the old town began to publish a weekly paper. It had four pages, "
    "cost two pence, and reported on ships, prices, weddings and the weather. The editor, a former teacher of "
    "mathematics, wrote most of it himself, and nobody knew where he found the time."
)
EVALUATION_TOKENS = 64


class Model:
    """A GGUF model in llama.cpp with an f32 cache, through the C interface."""

    def __init__(self, path):
        llama_cpp.llama_backend_init()
        self.quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(self.quiet, None)
        model_parameters = llama_cpp.llama_model_default_params()
        model_parameters.use_extra_bufts = False  # no repacking: plain rows of blocks
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), model_parameters)
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.size = llama_cpp.llama_vocab_n_tokens(self.vocabulary)

        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = CONTEXT
        parameters.n_batch = parameters.n_ubatch = CONTEXT
        parameters.n_threads = parameters.n_threads_batch = THREADS
        parameters.type_k = parameters.type_v = llama_cpp.GGML_TYPE_F32
        parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = llama_cpp.llama_init_from_model(self.model, parameters)
        assert self.model and self.context

    def metadata(self, key):
        buffer = ctypes.create_string_buffer(1 << 16)
        length = llama_cpp.llama_model_meta_val_str(self.model, key.encode(), buffer, len(buffer))
        assert 0 <= length < len(buffer), key
        return buffer.value.decode()

    def tokenize(self, text):
        """Ids of `text`; names of special tokens in it count as these tokens."""
        raw = text.encode()
        ids = (llama_cpp.llama_token * (len(raw) + 8))()
        count = llama_cpp.llama_tokenize(self.vocabulary, raw, len(raw), ids, len(ids), False, True)
        assert count >= 0
        return list(ids[:count])

    def text(self, tokens):
        """What `tokens` spell, special ones by their names."""
        buffer = ctypes.create_string_buffer(1 << 16)
        array = (llama_cpp.llama_token * len(tokens))(*tokens)
        size = llama_cpp.llama_detokenize(self.vocabulary, array, len(tokens), buffer, len(buffer), False, True)
        assert size >= 0
        return buffer.raw[:size].decode("utf-8", "replace")

    def is_end(self, token):
        return llama_cpp.llama_vocab_is_eog(self.vocabulary, token)

    def reset(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def run(self, tokens, start, every_position=False):
        """Logits f32 [positions, vocab] after `tokens`, which follow `start` cached ones; of the last or of all."""
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index] = token
            batch.pos[index] = start + index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = 0
            batch.logits[index] = every_position or index == len(tokens) - 1
        assert llama_cpp.llama_decode(self.context, batch) == 0
        wanted = range(len(tokens)) if every_position else [len(tokens) - 1]
        rows = [
            numpy.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self.context, index), (self.size,)).copy()
            for index in wanted
        ]
        llama_cpp.llama_batch_free(batch)
        return numpy.stack(rows)


def largest(row, count):
    """Ids of the `count` largest values, largest first; of equal values the smaller id first."""
    return numpy.argsort(-row, kind="stable")[:count]


def greedy(model, prompt):
    model.reset()
    logits = model.run(prompt, 0)[0]
    tokens, tops, end_at = [], [], None
    for step in range(GREEDY_STEPS):
        first, second = largest(logits, 2)
        tokens.append(int(first))
        tops.append([round(float(logits[first]), 5), round(float(logits[second]), 5)])
        if end_at is None and model.is_end(int(first)):
            end_at = step
        logits = model.run([int(first)], len(prompt) + step)[0]
    return tokens, tops, end_at


def main(path, output):
    model = Model(path)
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(model.metadata("tokenizer.chat_template"))

    prompts = []
    for messages in CONVERSATIONS:
        text = template.render(messages=messages, add_generation_prompt=True)
        ids = model.tokenize(text)
        tokens, tops, end_at = greedy(model, ids)
        answer = model.text(tokens)
        prompts.append(
            {
                "messages": messages,
                "text": text,
                "ids": ids,
                "greedy": tokens,
                "answer": answer,
                "top2": tops,
                "end_at": end_at,
            }
        )
        closest = min(first - second for first, second in tops)
        print(f"{len(ids)} tokens, end at {end_at}, least margin {closest:.4f}: {answer[:90]!r}")

    ids = model.tokenize(EVALUATION_TEXT)[:EVALUATION_TOKENS]
    assert len(ids) == EVALUATION_TOKENS
    model.reset()
    logits = model.run(ids, 0, every_position=True)
    kept = [largest(row, KEPT_LOGITS) for row in logits]
    evaluation = {
        "text": model.text(ids),
        "ids": ids,
        "top_ids": [row.tolist() for row in kept],
        "top_logits": [[round(float(logits[i, j]), 5) for j in row] for i, row in enumerate(kept)],
    }
    settings = {
        "llama_cpp_python": llama_cpp.__version__,
        "system": llama_cpp.llama_print_system_info().decode().strip(),
        "threads": THREADS,
        "cache": "f32",
        "flash_attention": False,
        "repacked_weights": False,
        "batch": "the whole prompt, then single tokens",
        "model": pathlib.Path(path).resolve().name,
    }
    (output / "smollm2.json").write_text(dump({"settings": settings, "prompts": prompts, "evaluation": evaluation}))


def dump(value, indent=0):
    """JSON with a line for each entry of an object and each list of plain values."""
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        body = ",\n".join(f"{pad}{json.dumps(key)}: {dump(entry, indent + 1)}" for key, entry in value.items())
        return "{\n" + body + "\n" + " " * indent + "}" + ("\n" if indent == 0 else "")
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(pad + dump(entry, indent + 1) for entry in value) + "\n" + " " * indent + "]"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent
    main(sys.argv[1], pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else here)
