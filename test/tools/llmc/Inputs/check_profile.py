"""check_profile.py BENCH EXPLAIN PAGE: compares the profiles of `llmc bench --json` with what `llmc explain --json` says of the steps."""
import collections
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    bench = json.load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    steps = {step["name"]: step for step in json.load(file)["steps"]}
for measurement in bench["measurements"]:
    profile = measurement["profile"]
    prompt = measurement["kind"] == "prompt"
    step = steps["prefill" if prompt else "decode"]
    rows = measurement["tokens"] if prompt else 1
    # What attends to positions grows with them; all else is the same in each step.
    expected = {o["operation"]: o["flops_per_row"] * rows for o in step["operations"] if not o["flops_per_position"] and "BF16" in o["operation"]}
    # The same may be computed for all rows and for those that are wanted.
    count = lambda operations: sum((collections.Counter({o["operation"]: o["regions"]}) for o in operations), collections.Counter())
    regions = {name: number * profile["steps"] for name, number in count(step["operations"]).items()}
    flops = all(
        # The head computes the wanted rows alone.
        abs(o["flops"] / o["regions"] - expected[o["operation"]] / (rows if "307" in o["operation"] else 1)) < 1
        for o in profile["operations"]
        if o["operation"] in expected
    )
    same = count(profile["operations"]) == regions
    print(f"{measurement['kind']}: {profile['steps']} steps, regions {same}, flops {flops}")
with open(sys.argv[3], encoding="utf-8") as file:
    page = file.read()
print("page", "@DATA@" not in page and "cached_attention" in page and bench["machine"]["read_bytes_per_second"] > 0)
