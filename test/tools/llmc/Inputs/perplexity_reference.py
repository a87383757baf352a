"""perplexity_reference.py DIRECTORY TEXT WINDOW STRIDE [PREFIX]: prints what transformers thinks of a text, cut as `llmc perplexity` cuts it. Made the figure
in perplexity.test; runs in a Python that has torch and transformers."""
import math
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

directory, path, window, stride, *prefix = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    text = file.read()
tokens = AutoTokenizer.from_pretrained(directory)(text, add_special_tokens=False).input_ids
prefix = list(map(int, prefix))
model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
most, total, count, scored = int(window) - len(prefix), 0.0, 0, 0
for begin in range(0, len(tokens), int(stride)):
    end = min(begin + most, len(tokens))
    ids = prefix + tokens[begin:end]
    with torch.no_grad():
        logs = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)
    for place in range(max(1, len(prefix) + scored - begin), len(ids)):
        total -= logs[place - 1, ids[place]].item()
        count += 1
    scored = end
    if end == len(tokens):
        break
print(f"tokens {count}, mean {total / count:.7f}, perplexity {math.exp(total / count):.5f}")
