"""check_forms.py SCHEMA COMMAND...: whether what COMMAND writes is JSON of the schema of forms.test, whatever is drawn."""
import json
import subprocess
import sys


def check(answer):
    assert set(answer) <= {"name", "size", "tags", "parent"} and {"name", "tags", "parent"} <= set(answer)
    assert isinstance(answer["name"], str) and 1 <= len(answer["name"]) <= 8
    assert type(answer.get("size", 0)) is int
    assert 1 <= len(answer["tags"]) <= 3 and all(tag in ("red", 'green "dark"', 7) for tag in answer["tags"])
    parent = answer["parent"]
    if parent is not None:
        assert type(parent["isOpen"]) is bool and set(parent) <= {"isOpen", "weight"}
        assert type(parent.get("weight", 0)) in (int, float)


whole = 0
for seed in range(12):
    sampling = ["--temperature", str(seed % 4 * 0.5), "--seed", str(seed)]
    answer = json.loads(subprocess.check_output([*sys.argv[2:], *sampling, "--json-schema", sys.argv[1]]))
    if answer["finish_reason"] == "stop":
        check(json.loads(answer["text"]))
        whole += 1
    else:
        assert answer["text"].startswith("{")
assert whole >= 6, whole
