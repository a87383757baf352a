"""check_draws.py ALL REST: whether the answers of ALL to equal prompts differ, and REST has those but the first."""
import json
import sys

answers, rest = ([json.loads(line)["token_ids"] for line in open(path, encoding="utf-8")] for path in sys.argv[1:])
assert len(answers) == 2 and answers[0] != answers[1], answers
assert rest == answers[1:], (answers, rest)
