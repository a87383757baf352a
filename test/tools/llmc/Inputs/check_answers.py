"""check_answers.py GOLDEN.json COMMAND...: whether COMMAND answers as llama.cpp did (test/e2e/golden/make_smollm2.py): the same
ids of the prompt, the same tokens up to where the two most likely ones were a near tie."""
import json
import subprocess
import sys

# llama.cpp rounds activations to 8 bits: closer than this its choice is not better than another (golden/README.md).
TIE = 0.5


def run(*options):
    return json.loads(subprocess.run(sys.argv[2:] + ["--json", *options], check=True, stdout=subprocess.PIPE).stdout)


with open(sys.argv[1], encoding="utf-8") as file:
    prompts = json.load(file)["prompts"]

for golden in prompts:
    messages = golden["messages"]
    roles = [message["role"] for message in messages]
    if roles == ["user"]:
        options = ["--prompt", messages[0]["content"]]
    elif roles == ["system", "user"]:
        options = ["--system", messages[0]["content"], "--prompt", messages[1]["content"]]
    else:
        # What was said before cannot be given on the command line; the prompt as the template makes it can.
        options = ["--raw", "--prompt", golden["text"]]
    answer = run(*options, "--max-tokens", str(len(golden["greedy"])))
    assert answer["prompt_token_ids"] == golden["ids"], golden["text"]
    expected = golden["greedy"][: golden["end_at"]]
    for step, (token, wanted) in enumerate(zip(answer["token_ids"], expected)):
        if token != wanted:
            first, second = golden["top2"][step]
            assert first - second < TIE, f"token {step} is {token}, expected {wanted}: {golden['text']}"
            print(f"token {step} differs where the two most likely were {first - second:.3f} apart")
            break
    else:
        assert len(answer["token_ids"]) >= len(expected)
        print(f"all {len(expected)} tokens agree")
