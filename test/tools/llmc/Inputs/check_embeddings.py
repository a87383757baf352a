"""Fails unless two outputs of llmc embed --json hold the same vectors, up to rounding."""

import json
import sys

first, second = (json.load(open(path, encoding="utf-8"))["embeddings"] for path in sys.argv[1:])
assert len(first) == len(second) > 0, (len(first), len(second))
for a, b in zip(first, second):
    assert a["tokens"] == b["tokens"] and len(a["embedding"]) == len(b["embedding"]) > 0
    worst = max(abs(x - y) for x, y in zip(a["embedding"], b["embedding"]))
    assert worst < 1e-5, worst
