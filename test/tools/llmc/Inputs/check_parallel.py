"""Checks that two files of answers have the same texts, tokens and prompts in the same order: check_parallel.py FILE FILE"""
import json
import sys


def answers(path):
    """What does not depend on how long an answer took, or on what was computed before it."""
    with open(path, encoding="utf-8") as file:
        objects = [json.loads(line) for line in file]
    return [(o["line"], o["text"], o["token_ids"], o["finish_reason"], o["prompt_token_ids"]) for o in objects]


first, second = (answers(path) for path in sys.argv[1:])
assert first == second, f"{first}\n{second}"
assert len(first) > 2 and any(tokens for _, _, tokens, _, _ in first)
