"""Writes gradients.json: the loss of each model of test/e2e/golden on its tokens, and its gradients, as transformers computes
them in f64: for each tensor the norm and projections (gradients.py). And head_gradients.json: the same of encoders with heads, on two
documents with labels.

    python3 make_gradients.py      needs torch, transformers and safetensors
"""

import json
import pathlib

import torch
from gradients import HEADS, MODELS, labels_of, mask, project
from safetensors import safe_open
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

HERE = pathlib.Path(__file__).parent


def gradients_of(folder):
    with safe_open(str(folder / "golden.safetensors"), "pt") as file:
        tokens = file.get_tensor("tokens").long()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    logits = model(tokens[None, :-1]).logits[0]
    loss = torch.nn.functional.cross_entropy(logits, tokens[1:])
    loss.backward()
    return {"tokens": tokens.tolist(), **describe(model, loss)}


def describe(model, loss):
    tensors = {}
    for name, parameter in model.named_parameters():
        gradient = (torch.zeros_like(parameter) if parameter.grad is None else parameter.grad).flatten()
        tensors[name] = {"norm": float(f"{gradient.norm():.7g}"),
                         "projections": [float(f"{value:.7g}") for value in project(name, gradient.tolist())]}
    return {"loss": float(f"{loss.item():.9g}"), "gradients": tensors}


def head_gradients_of(folder):
    with safe_open(str(folder / "golden.safetensors"), "pt") as file:
        tokens, lengths = file.get_tensor("tokens"), file.get_tensor("attention_mask").sum(dim=1)
    documents = [row[:length].tolist() for row, length in zip(tokens, lengths)]
    name = folder.name
    kind = {"masked": AutoModelForMaskedLM, "sequence": AutoModelForSequenceClassification, "tokens": AutoModelForTokenClassification}
    # In training all tokens are of the first segment, and nothing is dropped.
    model = kind[name.split("-")[1]].from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
    labels = labels_of(name, documents)[0]
    inputs = documents
    if name.endswith("-masked"):
        tokenizer = json.loads((folder / "tokenizer.json").read_text())
        special = {token["id"]: token["content"] for token in tokenizer["added_tokens"] if token["special"]}
        (mask_id,) = (key for key, content in special.items() if content in ("[MASK]", "<mask>"))
        inputs, targets = mask(documents, special, mask_id, model.config.vocab_size, 0.5)
        labels = [target for row in targets for target in row]
    logits = [model(input_ids=torch.tensor([document])).logits[0] for document in inputs]
    if name == "roberta-sequence":
        loss = ((torch.cat(logits) - torch.tensor(labels, dtype=torch.float64)) ** 2).mean()
    else:
        rows = torch.stack(logits) if name.endswith("-sequence") else torch.cat(logits)
        loss = torch.nn.functional.cross_entropy(rows, torch.tensor(labels), ignore_index=-1)
    loss.backward()
    return {"documents": documents, **describe(model, loss)}


def main():
    golden = HERE.parent / "golden"
    heads = {name: head_gradients_of(golden / "heads" / name) for name in HEADS}
    (HERE / "head_gradients.json").write_text(json.dumps(heads, separators=(",", ":")) + "\n")
    (HERE / "gradients.json").write_text(json.dumps({name: gradients_of(golden / name) for name in MODELS}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
