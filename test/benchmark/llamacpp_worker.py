#!/usr/bin/env python3
"""Measures llama.cpp: llamacpp_worker.py MODEL.gguf THREADS [--no-repack]

Reads one request a line, "prompt N S" or "decode N S", and answers each with the seconds it took with flash attention and without: N
tokens in one batch into an empty context, or N tokens one after the other from an empty context, as llama-bench does; by each of S sequences,
of which a batch has one token each, as llama-batched-bench does. Which of the two is faster differs by request. --no-repack leaves the weights in the layout of the file, which its AMX kernels cannot read.
"""
import ctypes
import sys
import time

import llama_cpp

FLASH = (llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED, llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED)


class Engine:
    """A model, and for each number of sequences a context with flash attention and one without."""

    def __init__(self, path, threads, repack):
        self.threads, self.contexts = threads, {}
        self.model, self.silent = open_model(path, repack)

    def contexts_for(self, sequences):
        if sequences not in self.contexts:
            self.contexts[sequences] = [self.context(sequences, flash) for flash in FLASH]
        return self.contexts[sequences]

    def context(self, sequences, flash):
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = 1024 if sequences == 1 else 256 * sequences
        parameters.n_seq_max = sequences
        parameters.n_batch = parameters.n_ubatch = 512
        parameters.n_threads = parameters.n_threads_batch = self.threads
        parameters.flash_attn_type = flash
        made = llama_cpp.llama_init_from_model(self.model, parameters)
        if not made:
            sys.exit("llama.cpp has no memory for its contexts")
        return made


def open_model(path, repack):
    llama_cpp.llama_backend_init()
    silent = llama_cpp.llama_log_callback(lambda *_: None)
    llama_cpp.llama_log_set(silent, ctypes.c_void_p(0))
    parameters = llama_cpp.llama_model_default_params()
    parameters.use_extra_bufts = repack
    model = llama_cpp.llama_model_load_from_file(path.encode(), parameters)
    if not model:
        sys.exit(f"{path}: llama.cpp cannot load it")
    return model, silent


def decode(context, batch, rows):
    """Runs `rows`: the token, position and sequence of each, and whether its logits are wanted."""
    batch.n_tokens = len(rows)
    for index, (token, position, sequence, is_wanted) in enumerate(rows):
        batch.token[index] = token
        batch.pos[index] = position
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = sequence
        batch.logits[index] = is_wanted
    if llama_cpp.llama_decode(context, batch) != 0:
        sys.exit("llama.cpp failed to decode")
    llama_cpp.llama_synchronize(context)


def seconds(context, batch, kind, tokens, sequences):
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    start = time.perf_counter()
    if kind == "prompt":
        decode(context, batch, [(token, position, 0, position == len(tokens) - 1) for position, token in enumerate(tokens)])
    else:
        for position, token in enumerate(tokens):
            decode(context, batch, [(token, position, sequence, True) for sequence in range(sequences)])
    return time.perf_counter() - start


def main():
    engine = Engine(sys.argv[1], int(sys.argv[2]), repack="--no-repack" not in sys.argv)
    vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(engine.model))
    batch = llama_cpp.llama_batch_init(512, 0, 1)
    for request in sys.stdin:
        kind, count, sequences = request.split()
        tokens = [1000 + 37 * i % (vocabulary - 1000) for i in range(int(count))]
        contexts = engine.contexts_for(int(sequences))
        print(*(seconds(context, batch, kind, tokens, int(sequences)) for context in contexts), flush=True)


main()
