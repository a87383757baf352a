"""check_stop.py COMMAND...: whether --stop ends the text that COMMAND writes before a string that spans tokens."""
import json
import subprocess
import sys


def run(*options):
    return json.loads(subprocess.run(sys.argv[1:] + list(options), check=True, stdout=subprocess.PIPE).stdout)


full = run()
text = full["text"]
assert len(text) >= 6, text
for begin in range(1, 4):
    stop = text[begin : begin + 3]
    answer = run("--stop", stop)
    assert answer["text"] == text[: text.index(stop)], (stop, answer["text"], text)
    assert answer["finish_reason"] == "stop", answer
    assert answer["token_ids"] == full["token_ids"][: len(answer["token_ids"])]
assert run("--stop", "never written by anyone")["text"] == text
