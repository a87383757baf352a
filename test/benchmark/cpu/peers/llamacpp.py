#!/usr/bin/env python3
"""llama.cpp: llamacpp.py MODEL.gguf THREADS [--no-repack]

Prompts are one batch, tokens of several sequences one batch a step, as llama-bench and llama-batched-bench have them. The first request
of each form is made with flash attention and without; from then on the faster one counts. --no-repack leaves weights in the file's layout,
which its AMX kernels cannot read.
"""
import ctypes
import sys
import time

import llama_cpp

from serve import Refused, serve, tokens_of

FLASH = (llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED, llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED)
MOST_ROWS = 512


class LlamaCpp:
    def __init__(self, path, threads, repack):
        self.path, self.threads, self.repack = path, threads, repack
        self.model, self.contexts = None, {}
        self.settings = f"llama-cpp-python {llama_cpp.__version__} from source, flash attention where it is faster, batches of {MOST_ROWS}"
        llama_cpp.llama_backend_init()
        self.silent = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self.silent, ctypes.c_void_p(0))
        self.batch = llama_cpp.llama_batch_init(MOST_ROWS, 0, 1)

    def load(self):
        if self.model:
            return
        parameters = llama_cpp.llama_model_default_params()
        parameters.use_extra_bufts = self.repack
        self.model = llama_cpp.llama_model_load_from_file(self.path.encode(), parameters)
        if not self.model:
            sys.exit(f"{self.path}: llama.cpp cannot load it")
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))

    def context(self, sequences, length, flash):
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = sequences * -(-length // 256) * 256
        parameters.n_seq_max = sequences
        parameters.n_batch = parameters.n_ubatch = MOST_ROWS
        parameters.n_threads = parameters.n_threads_batch = self.threads
        parameters.flash_attn_type = flash
        made = llama_cpp.llama_init_from_model(self.model, parameters)
        if not made:
            raise Refused("no memory for the context")
        return made

    def feed(self, context, rows):
        """Runs `rows`: the token, position and sequence of each, and whether its logits are wanted."""
        for first in range(0, len(rows), MOST_ROWS):
            part = rows[first : first + MOST_ROWS]
            self.batch.n_tokens = len(part)
            for index, (token, position, sequence, is_wanted) in enumerate(part):
                self.batch.token[index] = token
                self.batch.pos[index] = position
                self.batch.n_seq_id[index] = 1
                self.batch.seq_id[index][0] = sequence
                self.batch.logits[index] = is_wanted
            if llama_cpp.llama_decode(context, self.batch) != 0:
                raise Refused("llama_decode failed")
            llama_cpp.llama_synchronize(context)

    def feed_prompt(self, context, count, depth, sequence=0):
        tokens = tokens_of(count, self.vocabulary)
        self.feed(context, [(token, depth + i, sequence, i == count - 1) for i, token in enumerate(tokens)])

    def prepared(self, flash, tokens, depths):
        """A context whose sequences have `depths` tokens, warmed up."""
        context = self.context(len(depths), max(depths) + tokens, flash)
        for sequence, depth in enumerate(depths):
            self.feed_prompt(context, max(depth, 8), 0, sequence)
        return context

    def timed(self, context, depths, run):
        for sequence, depth in enumerate(depths):
            llama_cpp.llama_memory_seq_rm(llama_cpp.llama_get_memory(context), sequence, depth, -1)
        start = time.perf_counter()
        run(context)
        return time.perf_counter() - start

    def faster(self, kind, tokens, depths, run):
        """The first time with flash attention and without; from then on in the context of the faster."""
        self.load()
        key = (kind, tokens, *depths)
        if key in self.contexts:
            return self.timed(self.contexts[key], depths, run)
        made = [self.prepared(flash, tokens, depths) for flash in FLASH]
        seconds = [self.timed(context, depths, run) for context in made]
        fastest = seconds.index(min(seconds))
        llama_cpp.llama_free(made[1 - fastest])
        self.contexts[key] = made[fastest]
        return seconds[fastest]

    def prompt(self, tokens, depths):
        return self.faster("prompt", tokens, depths, lambda context: self.feed_prompt(context, tokens, depths[0]))

    def decode(self, tokens, depths):
        def run(context):
            for i, token in enumerate(tokens_of(tokens, self.vocabulary)):
                self.feed(context, [(token, depth + i, sequence, True) for sequence, depth in enumerate(depths)])

        return self.faster("decode", tokens, depths, run)

    def first_token(self, tokens):
        start = time.perf_counter()
        self.load()
        context = self.context(1, 512, FLASH[0])
        self.feed_prompt(context, tokens, 0)
        return time.perf_counter() - start


if __name__ == "__main__":
    serve(LlamaCpp(sys.argv[1], int(sys.argv[2]), repack="--no-repack" not in sys.argv))
