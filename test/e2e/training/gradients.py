"""What fine_tune.py, encoders.py and the script that makes their golden files, make_gradients.py, have in common."""

import random
import struct

MODELS = ["llama-odd", "llama-tied", "gpt2-odd", "qwen2-odd", "qwen2-window", "qwen3-odd", "qwen3-window", "phi3-odd", "mistral-window",
          "gemma-odd", "gemma2-odd", "gemma3-odd"]
# Encoders of test/e2e/golden/heads, and what they are trained for.
HEADS = {
    "bert-masked": "masked_tokens { part: 0.5 }",
    "bert-sequence": "sequence_classification {}",
    "bert-tokens": "token_classification {}",
    "roberta-masked": "masked_tokens { part: 0.5 }",
    "roberta-sequence": "regression {}",
    "roberta-tokens": "token_classification {}",
    "distilbert-masked": "masked_tokens { part: 0.5 }",
    "distilbert-sequence": "sequence_classification {}",
    "distilbert-tokens": "token_classification {}",
}
LABELS = {"bert-sequence": ["bad", "so-so", "good"], "distilbert-sequence": ["a", "b", "c", "d", "e"]}
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
PROJECTIONS = 8


def project(name, values):
    """Sums of `values` with random signs, which the name decides: two tensors with the same sums are the same."""
    signs = random.Random(name)
    sums = []
    for _ in range(PROJECTIONS):
        bits = f"{signs.getrandbits(len(values)):0{len(values)}b}"
        sums.append(sum(value if bit == "1" else -value for value, bit in zip(values, bits)))
    return sums


def write_tokens(path, documents, vocabulary, labels=(), kind=0, names=(), group=1):
    """A token file (train/TokenFile.h). `kind` of labels: 1 of documents, 2 of tokens, 3 numbers. Each `group` documents belong together."""
    tokens = [token for document in documents for token in document]
    data = struct.pack(f"<{len(tokens)}H", *tokens)
    data += b"\0" * (-(64 + len(data)) % 8)
    lines = "\n".join(names).encode()
    header = struct.pack("<8sIIQQQIII12x", b"LLMCTOK1", 2, vocabulary, len(tokens), len(documents), 64 + len(data), kind, len(lines), group)
    ends, end = b"", 0
    for document in documents:
        end += len(document)
        ends += struct.pack("<Q", end)
    path.write_bytes(header + data + ends + struct.pack(f"<{len(labels)}{'f' if kind == 3 else 'i'}", *labels) + lines)


def labels_of(model, documents):
    """Labels for the documents of one of HEADS: (labels, kind, names)."""
    if model.endswith("-masked"):
        return [], 0, []
    if model.endswith("-tokens"):
        count = sum(len(document) for document in documents)
        return [index % 6 - 1 for index in range(count)], 2, TAGS
    if model == "roberta-sequence":
        return [0.7, -1.2], 3, []
    return [len(LABELS[model]) - 1, 0], 1, LABELS[model]


def philox(counter, key):
    """Philox4x32-10 (Salmon et al., 2011)."""
    low = 0xFFFFFFFF
    for _ in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(b >> 32) ^ counter[1] ^ key[0], b & low, (a >> 32) ^ counter[3] ^ key[1], a & low]
        key = [(key[0] + 0x9E3779B9) & low, (key[1] + 0xBB67AE85) & low]
    return counter


def mask(documents, special, mask_id, vocabulary, part):
    """Tokens, some of them hidden, and targets, by the rules of train/Masking.h, in the first epoch of the seed 0."""
    place, tokens, targets = 0, [], []
    for document in documents:
        tokens.append([])
        targets.append([])
        for token in document:
            words = philox([place, 0, 0, 3], [0, 0])
            place += 1
            chosen = words[0] / 2**32 < part and token not in special
            targets[-1].append(token if chosen else -1)
            fraction = words[1] / 2**32
            if chosen and fraction < 0.9:
                token = mask_id if fraction < 0.8 else words[2] * vocabulary >> 32
            tokens[-1].append(token)
    return tokens, targets
