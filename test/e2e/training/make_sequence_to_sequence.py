"""Writes sequence_to_sequence.json: losses, gradients (gradients.py) and curves of what sequence_to_sequence.py trains, as transformers
computes them, gradients in f64. Each pair is computed alone, so that nothing is padded.

    python3 make_sequence_to_sequence.py      needs torch, transformers and safetensors
"""

import json
import pathlib

import torch
from gradients import PROJECTIONS
from make_gradients import describe
from pairs import CASES, CURVE_EVERY, CURVE_SEED, CURVE_STEPS, CURVES, batches, pairs
from torch.nn.functional import cross_entropy
from transformers import AutoModelForSeq2SeqLM

HERE = pathlib.Path(__file__).parent


def load(name, dtype):
    model = AutoModelForSeq2SeqLM.from_pretrained(HERE.parent / "golden" / name, dtype=dtype, attn_implementation="eager").eval()
    for module in model.modules(): # what Marian's targets begin with is its padding, whose embedding transformers does not train
        if isinstance(module, torch.nn.Embedding):
            module.padding_idx = None
    return model


def loss_of(model, made, smoothing=0.0):
    """The mean over all targets."""
    logits, targets = [], []
    for source, target in made:
        given = [model.config.decoder_start_token_id] + target[:-1]
        outputs = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([given]), use_cache=False)
        logits.append(outputs.logits[0])
        targets += target
    return cross_entropy(torch.cat(logits), torch.tensor(targets), label_smoothing=smoothing)


def gradients_of(folder, lines, shape):
    model = load(folder, torch.float64)
    batch = next(batches(pairs(model.config.vocab_size, 9), shape, 0))
    loss = loss_of(model, batch, 0.1 if "smoothing" in lines else 0.0)
    loss.backward()
    found = describe(model, loss)
    if model.config.model_type == "marian": # whose positions are sines and cosines, in no file
        for stack in ("encoder", "decoder"):
            found["gradients"].pop(f"model.{stack}.embed_positions.weight")
    if "final_logits_bias" in model.state_dict():
        found["gradients"]["final_logits_bias"] = {"norm": 0, "projections": [0] * PROJECTIONS}
    return found


def curve_of(folder, rate, shape):
    model = load(folder, torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), eps=1e-8, weight_decay=0)
    losses = []
    for _, batch in zip(range(CURVE_STEPS), batches(pairs(model.config.vocab_size, 41), shape, CURVE_SEED)):
        loss = loss_of(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(round(loss.item(), 6))
    return losses[::CURVE_EVERY]


def main():
    torch.set_num_threads(1)
    found = {name: gradients_of(folder, lines, shape) for name, (folder, lines, shape) in CASES.items()}
    found |= {name: curve_of(folder, rate, shape) for name, (folder, rate, shape) in CURVES.items()}
    (HERE / "sequence_to_sequence.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")


main()
