"""Fails unless two outputs of llmc predict --json have the same answers, up to rounding."""

import json
import sys

first, second = (json.load(open(path, encoding="utf-8"))["predictions"] for path in sys.argv[1:])
assert len(first) == len(second) > 0
for a, b in zip(first, second):
    assert len(a["answers"]) == len(b["answers"]) > 0
    assert abs(a["no_answer_score"] - b["no_answer_score"]) < 1e-5
    for found, other in zip(a["answers"], b["answers"]):
        assert (found["start"], found["end"], found["text"]) == (other["start"], other["end"], other["text"]), (found, other)
        assert abs(found["score"] - other["score"]) < 1e-5, (found, other)
