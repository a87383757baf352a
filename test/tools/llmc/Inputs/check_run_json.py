"""check_run_json.py JSON TEXT MAX_TOKENS: whether what --json printed has all fields, and agrees with the streamed text."""
import json
import sys

path, text_path, limit = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    lines = file.read().splitlines()
assert len(lines) == 1, lines
answer = json.loads(lines[0])
with open(text_path, encoding="utf-8", newline="") as file:
    assert file.read() == answer["text"] + "\n", answer["text"]
assert answer["finish_reason"] in ("length", "stop")
assert 1 <= len(answer["token_ids"]) <= int(limit)
assert (answer["finish_reason"] == "length") == (len(answer["token_ids"]) == int(limit))
assert len(answer["prompt_token_ids"]) >= 1
assert answer["peak_memory_bytes"] > 1 << 20
for field in ("load_seconds", "time_to_first_token_seconds", "prompt_tokens_per_second", "decode_tokens_per_second"):
    assert answer[field] > 0, field
