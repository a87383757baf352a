"""Makes curves.json: losses and gradient norms of AdamW, and of Adafactor, as transformers and PyTorch compute them, from the first step of
a trainer on.

    python3 make_curves.py LLMC TOKENIZER > curves.json

needs torch and transformers.
"""

import json
import struct
import sys
import tempfile

import numpy
import runs
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from transformers.optimization import Adafactor

# Of the recipes.
SHAPES = {"llama": (3, 40), "gpt2": (4, 45)}
DECAY, BETAS, EPSILON, CLIP = 0.1, (0.9, 0.95), 1e-8, 1.0


def tokens_of(path):
    raw = path.read_bytes()
    _, size, _, count, documents, _ = struct.unpack("<8sIIQQQ", raw[:40])
    assert documents == 1
    return numpy.frombuffer(raw, "<u2" if size == 2 else "<u4", count, 64).astype(numpy.int64)


def adamw(folder, model, groups, step):
    optimizer = torch.optim.AdamW(groups, lr=runs.RATES["adamw"], betas=BETAS, eps=EPSILON)
    first, second = load_file(folder / "exp_avg.safetensors"), load_file(folder / "exp_avg_sq.safetensors")
    for name, parameter in model.named_parameters():
        optimizer.state[parameter] = {"step": torch.tensor(float(step)), "exp_avg": first[name].clone(), "exp_avg_sq": second[name].clone()}
    return optimizer


def adafactor(folder, model, groups, step):
    optimizer = Adafactor(groups, lr=runs.RATES["adafactor"], scale_parameter=True, relative_step=False)
    rows, columns, elements = (load_file(folder / f"{name}.safetensors") for name in ["mean_sq_rows", "mean_sq_columns", "mean_sq"])
    for name, parameter in model.named_parameters():
        if name in rows:
            factors = [rows[name].clone(), columns[name].clone()]
            if name.split(".")[-2] in ("c_attn", "c_fc", "c_proj"):  # lie transposed
                factors.reverse()
            state = dict(zip(["exp_avg_sq_row", "exp_avg_sq_col"], factors))
        else:
            state = {"exp_avg_sq": elements[name].clone()}
        optimizer.state[parameter] = {"step": step, "RMS": 0, **state}
    return optimizer


def curve(folder, name, tokens, sequences, length, steps):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).train()
    state = json.loads((folder / "trainer.json").read_text())
    groups = [{"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": DECAY},
              {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0}]
    make = adafactor if name == "adafactor" else adamw
    optimizer = make(folder, model, groups, state["step"])
    place, points = state["token"], []
    for _ in range(state["step"], steps):
        batch = torch.tensor(tokens[place:place + sequences * length]).reshape(sequences, length)
        targets = torch.tensor(tokens[place + 1:place + 1 + sequences * length]).reshape(-1)
        place += sequences * length
        logits = model(batch).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        points.append({"loss": round(loss.item(), 6), "norm": round(norm.item(), 6)})
    return points


def main():
    torch.set_num_threads(1)
    curves = {}
    with tempfile.TemporaryDirectory() as folder:
        workshop = runs.Workshop(sys.argv[1], sys.argv[2], folder)
        for family, (sequences, length) in SHAPES.items():
            for name, steps in runs.OPTIMIZERS.items():
                key = f"{family}-{name}"
                trainer = workshop.trainer(family, key, rest=runs.optimizer(name))
                workshop.run(trainer, "-q", "--override", "steps=1", "--override", f"learning_rate={runs.RATES[name]}")
                tokens = tokens_of(workshop.folder / "data" / "train.tokens")
                curves[key] = curve(workshop.folder / key / "checkpoint-00000001", name, tokens, sequences, length, steps)
    json.dump(curves, sys.stdout, indent=0)
    print()


main()
