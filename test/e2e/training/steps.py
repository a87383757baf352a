"""One step of training, looked at closely: what fine_tune.py and encoders.py have in common."""

import array
import json
import math
import subprocess
import sys

import gradients

LOSS_BOUND, GRADIENT_BOUND = 1e-5, 1e-4  # relative
RATE = 1000  # large, so that what a step changes has all bits of a gradient


def run(*command, check=True):
    return subprocess.run([str(part) for part in command], check=check, capture_output=True, text=True)


def tensors_of(path):
    """Tensors of a safetensors file of F32."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, tensor in header.items():
        begin, end = tensor["data_offsets"]
        tensors[name] = array.array("f", data[8 + size + begin : 8 + size + end])
    return tensors


def weights_around(trainer, folder, file="model.safetensors"):
    """What is trained before and after one step."""
    # A step of rate (almost) zero saves weights as they are.
    run(trainer, "-q", "--override", "learning_rate=1e-12")
    before = tensors_of(folder / "checkpoint-00000001" / file)
    run(trainer, "-q", "--restart")
    return before, tensors_of(folder / "checkpoint-00000001" / file)


def check_first_step(model, trainer, folder, expected):
    """Exits unless loss and gradients of the first step are as expected: by norm and projections (gradients.py)."""
    before, after = weights_around(trainer, folder)
    loss = json.loads((folder / "log.jsonl").read_text().splitlines()[0])["loss"]
    if abs(loss / expected["loss"] - 1) > LOSS_BOUND:
        sys.exit(f"{model}: the first loss is {loss}, expected {expected['loss']}")
    if set(before) != set(expected["gradients"]):
        sys.exit(f"{model}: the checkpoint has other tensors than transformers: {set(before) ^ set(expected['gradients'])}")
    largest = max(wanted["norm"] for wanted in expected["gradients"].values())
    for name, wanted in expected["gradients"].items():
        gradient = [(x - y) / RATE for x, y in zip(before[name], after[name])]
        norm = math.sqrt(sum(value * value for value in gradient))
        found = gradients.project(name, gradient)
        # Random signs make sums as large as the norm. Of what should have no gradient, as biases of keys, rounding remains.
        bound = max(wanted["norm"], largest / 100)
        error = max(abs(x - y) for x, y in zip([norm, *found], [wanted["norm"], *wanted["projections"]]))
        if error > GRADIENT_BOUND * bound:
            sys.exit(f"{model}: the gradient of {name} is off by {error / bound:.2g} of its norm")
