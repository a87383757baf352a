#!/usr/bin/env python3
"""ONNX Runtime GenAI: onnxruntime_decoder.py DIRECTORY THREADS, a directory that its model builder made, which has the number of threads."""
import sys
import time

import onnxruntime_genai

from serve import Refused, serve, tokens_of

VOCABULARY = 49152


class OnnxRuntime:
    def __init__(self, path):
        self.path, self.model = path, None
        self.settings = f"ONNX Runtime GenAI {onnxruntime_genai.__version__}, 4-bit weights in blocks of 32, products of 8-bit activations (accuracy level 4)"

    def generator(self, length, sequences):
        if not self.model:
            self.model = onnxruntime_genai.Model(self.path)
        parameters = onnxruntime_genai.GeneratorParams(self.model)
        parameters.set_search_options(max_length=length, do_sample=False, batch_size=sequences)
        return onnxruntime_genai.Generator(self.model, parameters)

    def prompt(self, tokens, depths):
        generator = self.generator(depths[0] + tokens + 1, 1)
        if depths[0]:
            generator.append_tokens(tokens_of(depths[0], VOCABULARY))
        ids = tokens_of(tokens, VOCABULARY)
        start = time.perf_counter()
        generator.append_tokens(ids)
        return time.perf_counter() - start

    def decode(self, tokens, depths):
        if len(set(depths)) > 1:
            raise Refused("sequences of one batch have one length")
        length = max(depths[0], 1)
        generator = self.generator(length + tokens + 1, len(depths))
        generator.append_tokens([tokens_of(length, VOCABULARY)] * len(depths) if len(depths) > 1 else tokens_of(length, VOCABULARY))
        start = time.perf_counter()
        for _ in range(tokens):
            generator.generate_next_token()
        return time.perf_counter() - start

    def first_token(self, tokens):
        start = time.perf_counter()
        generator = self.generator(512, 1)
        generator.append_tokens(tokens_of(tokens, VOCABULARY))
        generator.generate_next_token()
        return time.perf_counter() - start


if __name__ == "__main__":
    serve(OnnxRuntime(sys.argv[1]))
