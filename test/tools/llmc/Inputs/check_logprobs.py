"""check_logprobs.py JSON N: whether the log probabilities of an answer are sound, and of N alternatives each."""
import json
import math
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    answer = json.load(file)
count = int(sys.argv[2])
assert len(answer["logprobs"]) == len(answer["token_ids"]) > 0
for token, scored in zip(answer["token_ids"], answer["logprobs"]):
    assert scored["token_id"] == token
    best = scored["top_logprobs"]
    values = [other["logprob"] for other in best]
    assert len(best) == count and values == sorted(values, reverse=True)
    assert scored["logprob"] <= values[0] < 0
    own = [other for other in best if other["token_id"] == token]
    assert all(other["logprob"] == scored["logprob"] and other["token"] == scored["token"] for other in own)
    total = sum(map(math.exp, values))
    assert total < 1 + 1e-9 and (count < 307 or total > 1 - 1e-9), total
