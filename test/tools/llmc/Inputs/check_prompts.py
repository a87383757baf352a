"""check_prompts.py OUTPUT LINES COMMAND...: whether OUTPUT has an answer to each of LINES, that which COMMAND gives it alone."""
import json
import subprocess
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    answers = [json.loads(line) for line in file]
with open(sys.argv[2], encoding="utf-8") as file:
    prompts = [(number, line.rstrip("\n")) for number, line in enumerate(file, 1) if line.strip()]
assert [answer["line"] for answer in answers] == [number for number, _ in prompts]
assert answers[0]["reused_prompt_tokens"] == 0
for answer, (_, prompt) in zip(answers, prompts):
    alone = json.loads(subprocess.check_output([*sys.argv[3:], "--prompt", prompt]))
    for field in ("text", "token_ids", "finish_reason", "prompt_token_ids", "seed"):
        assert answer[field] == alone[field], (field, answer[field], alone[field])
before = answers[0]["prompt_token_ids"]
for answer in answers[1:]:
    ids = answer["prompt_token_ids"]
    common = next(i for i in range(len(ids)) if ids[: i + 1] != before[: i + 1])
    assert answer["reused_prompt_tokens"] >= common > 0
    before = ids
