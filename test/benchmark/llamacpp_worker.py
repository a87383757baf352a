#!/usr/bin/env python3
"""Measures llama.cpp: llamacpp_worker.py MODEL.gguf THREADS [--no-repack]

Reads one request a line, "prompt N" or "decode N", and answers each with the seconds it took with flash attention and without: N
tokens in one batch into an empty context, or N tokens one after the other from an empty context, as llama-bench does. Which of the two is
faster differs by request. --no-repack leaves the weights in the layout of the file, which its AMX kernels cannot read.
"""
import ctypes
import sys
import time

import llama_cpp


def open_model(path, threads, repack):
    llama_cpp.llama_backend_init()
    silent = llama_cpp.llama_log_callback(lambda *_: None)
    llama_cpp.llama_log_set(silent, ctypes.c_void_p(0))
    parameters = llama_cpp.llama_model_default_params()
    parameters.use_extra_bufts = repack
    model = llama_cpp.llama_model_load_from_file(path.encode(), parameters)
    contexts = []
    for flash in (llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED, llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED):
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = 1024
        parameters.n_batch = parameters.n_ubatch = 512
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.flash_attn_type = flash
        contexts.append(llama_cpp.llama_init_from_model(model, parameters))
    if not model or not all(contexts):
        sys.exit(f"{path}: llama.cpp cannot load it")
    return model, contexts, silent


def decode(context, batch, start, tokens):
    """Runs `tokens` behind the `start` that are in the context; the logits of the last are computed."""
    batch.n_tokens = len(tokens)
    for index, token in enumerate(tokens):
        batch.token[index] = token
        batch.pos[index] = start + index
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = 0
        batch.logits[index] = index == len(tokens) - 1
    if llama_cpp.llama_decode(context, batch) != 0:
        sys.exit("llama.cpp failed to decode")
    llama_cpp.llama_synchronize(context)


def seconds(context, batch, kind, tokens):
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    start = time.perf_counter()
    if kind == "prompt":
        decode(context, batch, 0, tokens)
    else:
        for position, token in enumerate(tokens):
            decode(context, batch, position, [token])
    return time.perf_counter() - start


def main():
    model, contexts, _ = open_model(sys.argv[1], int(sys.argv[2]), repack="--no-repack" not in sys.argv)
    vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    batch = llama_cpp.llama_batch_init(512, 0, 1)
    for request in sys.stdin:
        kind, count = request.split()
        tokens = [1000 + 37 * i % (vocabulary - 1000) for i in range(int(count))]
        print(*(seconds(context, batch, kind, tokens) for context in contexts), flush=True)


main()
