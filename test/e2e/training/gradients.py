"""What fine_tune.py and the script that makes its golden file, make_gradients.py, have in common."""

import random
import struct

MODELS = ["llama-odd", "llama-tied", "gpt2-odd", "qwen2-odd", "qwen2-window", "qwen3-odd", "qwen3-window", "phi3-odd", "mistral-window",
          "gemma-odd", "gemma2-odd", "gemma3-odd"]
PROJECTIONS = 8


def project(name, values):
    """Sums of `values` with random signs, which the name decides: two tensors with the same sums are the same."""
    signs = random.Random(name)
    sums = []
    for _ in range(PROJECTIONS):
        bits = f"{signs.getrandbits(len(values)):0{len(values)}b}"
        sums.append(sum(value if bit == "1" else -value for value, bit in zip(values, bits)))
    return sums


def write_tokens(path, tokens, vocabulary):
    """A token file with one document (train/TokenFile.h)."""
    data = struct.pack(f"<{len(tokens)}H", *tokens)
    data += b"\0" * (-(64 + len(data)) % 8)
    header = struct.pack("<8sIIQQQ24x", b"LLMCTOK1", 2, vocabulary, len(tokens), 1, 64 + len(data))
    path.write_bytes(header + data + struct.pack("<Q", len(tokens)))
