#!/usr/bin/env python3
"""OpenVINO GenAI: openvino_decoder.py MODEL.gguf THREADS

Seconds are those that the pipeline itself reports for its steps: of a prompt its first, of decoding those that follow, but the first of them, which
is slower. Prompts differ from one request to the next, and the cache of prefixes is off.
"""
import sys
import time

import numpy
import openvino
import openvino_genai

from serve import Refused, serve, tokens_of

VOCABULARY = 49152


class OpenVino:
    def __init__(self, path, threads):
        self.path, self.threads, self.requests, self.pipeline = path, threads, 0, None
        self.settings = f"OpenVINO GenAI {openvino_genai.__version__.split('-')[0]}, paged attention"

    def load(self):
        if self.pipeline:
            return
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.enable_prefix_caching = False
        scheduler.cache_size = 2
        scheduler.max_num_batched_tokens = 8192
        self.pipeline = openvino_genai.LLMPipeline(self.path, "CPU", scheduler_config=scheduler, INFERENCE_NUM_THREADS=self.threads)

    def steps(self, prompts, count):
        """Seconds of each of `count` steps that read some prompts of these lengths and continue them."""
        self.load()
        longest = max(prompts)
        ids = numpy.zeros((len(prompts), longest), dtype=numpy.int64)
        mask = numpy.zeros_like(ids)
        for row, length in enumerate(prompts):
            self.requests += 1
            ids[row, longest - length :] = tokens_of(length + self.requests, VOCABULARY)[self.requests :]
            mask[row, longest - length :] = 1
        config = openvino_genai.GenerationConfig(max_new_tokens=count, ignore_eos=True, do_sample=False)
        inputs = openvino_genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(mask))
        metrics = self.pipeline.generate(inputs, config).perf_metrics.raw_metrics
        return [1e-6 * duration for duration in metrics.token_infer_durations]

    def prompt(self, tokens, depths):
        if any(depths):
            raise Refused("a prompt is read from its beginning")
        return self.steps([tokens], 1)[0]

    def decode(self, tokens, depths):
        return sum(self.steps([max(depth, 1) for depth in depths], tokens + 2)[2:])

    def first_token(self, tokens):
        start = time.perf_counter()
        self.steps([tokens], 1)
        return time.perf_counter() - start


if __name__ == "__main__":
    serve(OpenVino(sys.argv[1], int(sys.argv[2])))
