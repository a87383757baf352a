"""Writes gradients.json: the loss of each model of test/e2e/golden on its tokens, and its gradients, as transformers computes
them in f64: for each tensor the norm and projections (gradients.py).

    python3 make_gradients.py      needs torch, transformers and safetensors
"""

import json
import pathlib

import torch
from gradients import MODELS, project
from safetensors import safe_open
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent


def gradients_of(folder):
    with safe_open(str(folder / "golden.safetensors"), "pt") as file:
        tokens = file.get_tensor("tokens").long()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    logits = model(tokens[None, :-1]).logits[0]
    loss = torch.nn.functional.cross_entropy(logits, tokens[1:])
    loss.backward()
    tensors = {}
    for name, parameter in model.named_parameters():
        gradient = parameter.grad.flatten()
        tensors[name] = {"norm": float(f"{gradient.norm():.7g}"),
                         "projections": [float(f"{value:.7g}") for value in project(name, gradient.tolist())]}
    return {"tokens": tokens.tolist(), "loss": float(f"{loss.item():.9g}"), "gradients": tensors}


def main():
    golden = HERE.parent / "golden"
    (HERE / "gradients.json").write_text(json.dumps({name: gradients_of(golden / name) for name in MODELS}, separators=(",", ":")) + "\n")


main()
