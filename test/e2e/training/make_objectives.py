"""Writes objectives.json: first losses, gradients (gradients.py) and curves of what objectives.py trains, as transformers and PyTorch
compute them, gradients in f64.

    python3 make_objectives.py      needs torch, transformers and safetensors
"""

import json
import pathlib

import gradients
import numpy
import torch
from make_gradients import describe
from objectives import (
    CASES,
    CURVE_BATCH,
    CURVE_EVERY,
    CURVE_RATE,
    CURVE_STEPS,
    CURVES,
    GROUP_CURVES,
    GROUP_RATE,
    GROUPS,
    PROMPT,
    texts,
    walk,
)
from safetensors import safe_open
from torch.nn.functional import (
    cross_entropy,
    kl_div,
    log_softmax,
    logsigmoid,
    normalize,
)
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
)

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE.parent / "golden"
KINDS = {"masked": AutoModelForMaskedLM, "sequence": AutoModelForSequenceClassification}


def load(name, dtype=torch.float64):
    kind = KINDS[name.split("-")[1]] if name.startswith("heads/") else AutoModelForCausalLM
    return kind.from_pretrained(GOLDEN / name, dtype=dtype, attn_implementation="eager").eval()


def documents_of(name):
    with safe_open(str(GOLDEN / name / "golden.safetensors"), "pt") as file:
        tokens = file.get_tensor("tokens")
        if not name.startswith("heads/"):
            return [tokens.tolist()]
        lengths = file.get_tensor("attention_mask").sum(dim=1)
    return [row[:length].tolist() for row, length in zip(tokens, lengths)]


class Dropout(torch.nn.Module):
    """Drops as nn.dropout does: by Philox4x32-10 of (column, row, step, stream). `row` is the first one's, and counts on."""

    def __init__(self, rate, stream, place):
        super().__init__()
        self.rate, self.stream, self.place = rate, stream, place

    def forward(self, x):
        flat = x.reshape(-1, x.shape[-1])
        row, column = numpy.meshgrid(self.place["row"] + numpy.arange(flat.shape[0]), numpy.arange(flat.shape[1]), indexing="ij")
        word = philox([column, row, numpy.full_like(row, self.place["step"]), numpy.full_like(row, self.stream)], self.place["seed"])
        kept = torch.from_numpy(word >= round(self.rate * 2**32))
        return torch.where(kept, flat / (1 - self.rate), 0).reshape(x.shape)


def philox(counter, seed):
    """The first words for arrays of counters."""
    low, key = 0xFFFFFFFF, [seed & 0xFFFFFFFF, seed >> 32]
    counter = [part.astype(numpy.uint64) for part in counter]
    for _ in range(10):
        a, b = counter[0] * numpy.uint64(0xD2511F53), counter[2] * numpy.uint64(0xCD9E8D57)
        counter = [(b >> numpy.uint64(32)) ^ counter[1] ^ numpy.uint64(key[0]), b & numpy.uint64(low),
                   (a >> numpy.uint64(32)) ^ counter[3] ^ numpy.uint64(key[1]), a & numpy.uint64(low)]
        key = [(key[0] + 0x9E3779B9) & low, (key[1] + 0xBB67AE85) & low]
    return counter[0]


def drop(model, embedding, residual, place):
    """Replaces the dropout of a GPT-2 or BERT."""
    streams = iter(range(16, 1000))
    if hasattr(model, "transformer"):
        model.transformer.drop = Dropout(embedding, next(streams), place)
        for layer in model.transformer.h:
            layer.attn.resid_dropout = Dropout(residual, next(streams), place)
            layer.mlp.dropout = Dropout(residual, next(streams), place)
    else:
        model.bert.embeddings.dropout = Dropout(embedding, next(streams), place)
        for layer in model.bert.encoder.layer:
            layer.attention.output.dropout = Dropout(residual, next(streams), place)
            layer.output.dropout = Dropout(residual, next(streams), place)


def distill(logits, teacher, targets, temperature, weight):
    seen = targets >= 0
    divergence = kl_div(log_softmax(logits / temperature, -1), log_softmax(teacher / temperature, -1), log_target=True,
                        reduction="none").sum(-1)[seen].mean()
    return (1 - weight) * cross_entropy(logits, targets, ignore_index=-1) + weight * temperature**2 * divergence


def gradients_of(name):
    folder, _ = CASES[name]
    documents = documents_of(folder)
    if name == "dropout-bert": # rows have numbers, and documents are shuffled
        documents = documents[:1]
    model = load(folder)
    head = folder.removeprefix("heads/")
    labels = gradients.labels_of(head, documents)[0] if head in gradients.HEADS else documents[0][1:]
    if head == "bert-sequence":
        labels = labels[:len(documents)]
    inputs = documents if head in gradients.HEADS else [documents[0][:-1]]
    place = {"seed": 0, "step": 0, "row": 0}
    if name == "dropout-gpt2":
        drop(model, 0.1, 0.3, place)
    if name == "dropout-bert":
        drop(model, 0.2, 0.1, place)
    if head.endswith("-masked"):
        tokenizer = json.loads((GOLDEN / folder / "tokenizer.json").read_text())
        special = {token["id"]: token["content"] for token in tokenizer["added_tokens"] if token["special"]}
        (mask_id,) = (key for key, content in special.items() if content == "[MASK]")
        inputs, targets = gradients.mask(documents, special, mask_id, model.config.vocab_size, 0.5)
        labels = [target for row in targets for target in row]

    def logits_of(model):
        place["row"], rows = 0, []
        for document in inputs:
            rows.append(model(torch.tensor([document])).logits[0])
            place["row"] += len(document)
        return torch.stack(rows) if head.endswith("-sequence") else torch.cat(rows)

    logits, targets = logits_of(model), torch.tensor(labels)
    if name == "distillation":
        loss = distill(logits, logits_of(load("qwen3-odd")).detach(), targets, 2, 0.7)
    elif name == "distillation-bert":
        loss = distill(logits, logits_of(load("heads/bert-masked")).detach(), targets, 1, 1)
    else:
        loss = cross_entropy(logits, targets, ignore_index=-1, label_smoothing=0.1 if name == "smoothing" else 0)
    loss.backward()
    return {"documents": documents, **describe(model, loss)}


def curve_of(name):
    folder, _ = CURVES[name]
    model = load(folder, torch.float32)
    place = {"seed": 5, "step": 0, "row": 0}
    if name == "dropout-curve":
        drop(model, 0.1, 0.3, place)
    teacher = load("qwen3-odd", torch.float32) if name == "distillation-curve" else None
    optimizer = torch.optim.AdamW(model.parameters(), lr=CURVE_RATE, betas=(0.9, 0.95), eps=1e-8, weight_decay=0)
    tokens, (sequences, length) = torch.tensor(walk(model.config.vocab_size)), CURVE_BATCH
    losses = []
    for step in range(CURVE_STEPS):
        place["step"] = step
        begin, size = step * sequences * length, sequences * length
        batch, targets = tokens[begin:begin + size].reshape(sequences, length), tokens[begin + 1:begin + size + 1]
        logits = model(batch).logits.flatten(0, 1)
        if teacher:
            loss = distill(logits, teacher(batch).logits.flatten(0, 1).detach(), targets, 2, 0.7)
        else:
            loss = cross_entropy(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(round(loss.item(), 6))
    return losses[::CURVE_EVERY]


def contrast(model, documents, group, temperature, first):
    states = [model(torch.tensor([document])).last_hidden_state[0] for document in documents]
    rows = normalize(torch.stack([state[0] if first else state.mean(0) for state in states]), dim=-1)
    members = rows.reshape(-1, group, rows.shape[-1])
    candidates = members[:, 1:].transpose(0, 1).flatten(0, 1)
    logits = members[:, 0] @ candidates.T / temperature
    return cross_entropy(logits, torch.arange(len(logits)))


def prefer(model, reference, documents, beta):
    def likelihood(model, document):
        logarithms = log_softmax(model(torch.tensor([document])).logits[0, :-1], -1)
        return logarithms.gather(-1, torch.tensor(document[1:])[:, None])[PROMPT - 1:].sum()

    with torch.no_grad():
        expected = torch.stack([likelihood(reference, document) for document in documents])
    ratios = (torch.stack([likelihood(model, document) for document in documents]) - expected).reshape(-1, 2)
    return -logsigmoid(beta * (ratios[:, 0] - ratios[:, 1])).mean()


def group_loss(name, folder, group, dtype):
    """A model, and the function that computes its loss."""
    if name.startswith("preference"):
        model, reference = load(folder, dtype), load(folder, dtype)
        documents = texts(model.config.vocab_size, group)
        return model, lambda: prefer(model, reference, documents, 0.5)
    model = AutoModel.from_pretrained(GOLDEN / folder, dtype=dtype, attn_implementation="eager",
                                      **({} if folder.startswith("distil") else {"add_pooling_layer": False})).eval()
    documents = texts(model.config.vocab_size, group)
    temperature = 0.1 if name in ("contrastive", "contrastive-curve") else 0.05
    return model, lambda: contrast(model, documents, group, temperature, name == "contrastive-first")


def group_gradients_of(name):
    folder, _, group = GROUPS[name]
    model, loss_of = group_loss(name, folder, group, torch.float64)
    loss = loss_of()
    loss.backward()
    return describe(model, loss)


def group_curve_of(name):
    folder, _, group = GROUP_CURVES[name]
    model, loss_of = group_loss(name, folder, group, torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=GROUP_RATE, betas=(0.9, 0.95), eps=1e-8, weight_decay=0)
    losses = []
    for _ in range(CURVE_STEPS):
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(round(loss.item(), 6))
    return losses[::CURVE_EVERY]


def main():
    torch.set_num_threads(1)
    found = {name: gradients_of(name) for name in CASES} | {name: curve_of(name) for name in CURVES}
    found |= {name: group_gradients_of(name) for name in GROUPS} | {name: group_curve_of(name) for name in GROUP_CURVES}
    (HERE / "objectives.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")


main()
