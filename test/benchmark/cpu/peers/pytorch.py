#!/usr/bin/env python3
"""PyTorch: pytorch.py DIRECTORY THREADS eager|compiled TYPE, the model of transformers as it is, or through torch.compile with a static cache."""
import sys
import time

import torch
import transformers

from serve import serve, tokens_of


class PyTorch:
    def __init__(self, path, threads, mode, dtype):
        torch.set_num_threads(threads)
        self.path, self.mode, self.dtype, self.model = path, mode, getattr(torch, dtype), None
        self.config = transformers.AutoConfig.from_pretrained(path)
        self.settings = f"PyTorch {torch.__version__}, transformers {transformers.__version__}, {mode}, {dtype}"
        self.warm = set()

    def load(self):
        if self.model:
            return
        is_decoder = self.config.architectures[0].endswith("CausalLM")
        kind = transformers.AutoModelForCausalLM if is_decoder else transformers.AutoModel
        self.model = kind.from_pretrained(self.path, dtype=self.dtype).eval()
        self.forward = self.model if self.mode == "eager" else torch.compile(self.model)

    def cache(self, length):
        if self.mode == "eager":
            return transformers.DynamicCache(config=self.config)
        return transformers.StaticCache(config=self.config, max_cache_len=-(-length // 256) * 256)

    def feed(self, ids, cache, position):
        positions = torch.arange(position, position + ids.shape[1])
        return self.forward(input_ids=ids, past_key_values=cache, cache_position=positions, use_cache=True, logits_to_keep=1)

    @torch.no_grad()
    def timed(self, key, run):
        """Twice the first time, which compiles."""
        self.load()
        if key not in self.warm:
            run()
            self.warm.add(key)
        return run()

    def prompt(self, tokens, depths):
        def run():
            cache = self.cache(depths[0] + tokens)
            if depths[0]:
                self.feed(torch.tensor([tokens_of(depths[0], self.config.vocab_size)]), cache, 0)
            ids = torch.tensor([tokens_of(tokens, self.config.vocab_size)])
            start = time.perf_counter()
            self.feed(ids, cache, depths[0])
            return time.perf_counter() - start

        return self.timed(("prompt", tokens, *depths), run)

    def decode(self, tokens, depths):
        # Sequences of several lengths are padded to the longest, whose keys are read for all.
        depth = max(max(depths), 1)

        def run():
            cache = self.cache(depth + tokens)
            self.feed(torch.tensor([tokens_of(depth, self.config.vocab_size)] * len(depths)), cache, 0)
            start = time.perf_counter()
            for i, token in enumerate(tokens_of(tokens, self.config.vocab_size)):
                self.feed(torch.tensor([[token]] * len(depths)), cache, depth + i)
            return time.perf_counter() - start

        return self.timed(("decode", tokens, *depths), run)

    def embed(self, tokens, texts):
        def run():
            ids = torch.tensor([tokens_of(tokens, self.config.vocab_size)] * texts)
            start = time.perf_counter()
            self.forward(input_ids=ids)
            return time.perf_counter() - start

        return self.timed(("embed", tokens, texts), run)


if __name__ == "__main__":
    serve(PyTorch(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]))
