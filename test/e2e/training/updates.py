"""Checks what a step of an optimizer changes against its definition: groups of parameters, averages, and Muon.

    python3 updates.py LLMC TOKENIZER
"""

import json
import math
import operator
import sys
import tempfile

import runs
from steps import tensors_of

BOUND = 2e-6  # of the largest number of a tensor


def weights(folder, step, part="model.safetensors"):
    return tensors_of(folder / f"checkpoint-{step:08d}" / part)


def compare(what, found, expected):
    bound = BOUND * max(max(map(abs, expected)), 1e-3)
    error = max(abs(x - y) for x, y in zip(found, expected, strict=True))
    if error > bound:
        sys.exit(f"{what} is off by {error}")


def check_groups(workshop):
    """Descent with groups moves each parameter as far as descent without, times what its group says, and decays it."""
    descent = "optimizer { sgd { weight_decay: 0.25 } }"
    groups = """groups { parameters: "*.layers.0.*norm*" weight_decay: 0.5 }
groups { parameters: "*.layers.0.*" learning_rate: 3 }
groups { parameters: "*.up_proj.*" learning_rate: 0 weight_decay: 2 }"""
    once = "checkpoint_every: 1"
    for name, lines in [("plain", descent), ("grouped", f"{descent}\n{groups}")]:
        trainer = workshop.trainer("llama", name, once, lines)
        workshop.run(trainer, "-q", "--override", "steps=1", "--override", "learning_rate=1e-12", "--override", f"output={workshop.folder}/start")
        workshop.run(trainer, "-q", "--override", "steps=1", "--override", "learning_rate=0.5", "--override", "clip_norm=0")
    start, plain, grouped = (weights(workshop.folder / name, 1) for name in ["start", "plain", "grouped"])
    for name, before in start.items():
        is_norm = "norm" in name
        rate, decay, usual = 0.5, 0 if is_norm else 0.25, 0 if is_norm else 0.25
        if ".layers.0." in name and is_norm:
            decay = 0.5
        elif ".layers.0." in name:
            rate = 1.5
        elif ".up_proj." in name:
            rate = 0
        gradient = [(w - p) / 0.5 - usual * w for w, p in zip(before, plain[name])]
        compare(f"groups: {name}", grouped[name], [w - rate * (g + decay * w) for w, g in zip(before, gradient)])


def check_averages(workshop):
    trainer = workshop.trainer("llama", "averaged", "checkpoint_every: 1 keep_checkpoints: 9", 'average: 0.75 freeze: "model.norm.*"')
    folder = workshop.folder / "averaged"
    held = ["--override", f"validation_data={workshop.folder}/data/train.tokens", "--override", "evaluation_batches=2"]
    workshop.run(trainer, "-q", "--override", "steps=1", "--override", "learning_rate=1e-12", "--override", f"output={workshop.folder}/begun")
    workshop.run(trainer, "-q", "--override", "steps=2", *held)
    workshop.run(trainer, "-q", "--override", "steps=4", *held)  # goes on from a checkpoint
    average = weights(workshop.folder / "begun", 1)
    for step in range(1, 5):
        model, found = weights(folder, step), weights(folder, step, "average/model.safetensors")
        if set(model) != set(found):
            sys.exit(f"averages lack {set(model) ^ set(found)}")
        average = {name: [0.75 * a + 0.25 * w for a, w in zip(average[name], values)] for name, values in model.items()}
        for name in average:
            compare(f"step {step}: the average of {name}", found[name], average[name])
    # Evaluation of averages tells the loss that a trainer of them begins with.
    averaged = "--override", "evaluate_average=true"
    workshop.run(trainer, "-q", "--restart", "--override", "steps=4", *held, *averaged)
    told = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])["validation_loss"]
    restarted = ["-q", "--restart", "--override", "steps=1", "--override", "learning_rate=1e-12", "--override", f"output={workshop.folder}/after",
                 "--override", f"start_from={folder}/checkpoint-00000004/average"]
    workshop.run(trainer, *restarted, *held)
    expected = json.loads((workshop.folder / "after" / "log.jsonl").read_text().splitlines()[-1])["validation_loss"]
    if abs(told - expected) > 1e-6 or weights(folder, 4)["model.embed_tokens.weight"] == weights(folder, 4, "average/model.safetensors")[
            "model.embed_tokens.weight"]:
        sys.exit(f"evaluation of averages tells {told}, expected {expected}")
    workshop.run(workshop.llmc, "compile", folder / "checkpoint-00000004" / "average", "-q", "-o", workshop.folder / "average.llmc")


def orthogonal(matrix):
    """What Muon makes of a matrix, a list of rows (frontend/recipe/Muon.h)."""
    def multiply(x, y):
        columns = list(zip(*y))
        return [[sum(map(operator.mul, row, column)) for column in columns] for row in x]

    norm = math.sqrt(sum(x * x for row in matrix for x in row)) + 1e-7
    is_tall = len(matrix) > len(matrix[0])
    x = [[value / norm for value in row] for row in (zip(*matrix) if is_tall else matrix)]
    for _ in range(5):
        squares = multiply(x, list(zip(*x)))
        fourths = multiply(squares, squares)
        inner = [[-4.775 * s + 2.0315 * f for s, f in zip(*rows)] for rows in zip(squares, fourths)]
        x = [[3.4445 * v + o for v, o in zip(*rows)] for rows in zip(x, multiply(inner, x))]
    return [list(row) for row in zip(*x)] if is_tall else x


def check_muon(workshop):
    """Two steps: matrices between embeddings and logits move by their momentum, all else as by AdamW."""
    def run(name, optimizer, steps, *options):
        trainer = workshop.trainer("llama", name, "checkpoint_every: 1 keep_checkpoints: 9", f"optimizer {{ {optimizer} }} {average}")
        workshop.run(trainer, "-q", "--override", f"steps={steps}", "--override", "clip_norm=0", *options)
        return workshop.folder / name

    rate, decay, momentum, average = 1e-3, 0.25, 0.9, "average: 0.5"
    shapes = {"q_proj": 60, "k_proj": 20, "v_proj": 20, "o_proj": 36, "gate_proj": 50, "up_proj": 50, "down_proj": 36}
    muon = run("muon", f"muon {{ momentum: {momentum} weight_decay: {decay} }}", 2)
    adamw = run("muon-adamw", f"adamw {{ weight_decay: {decay} }}", 1)
    start = weights(run("muon-start", "sgd {}", 1, "--override", "learning_rate=1e-12"), 1)
    after, other = [start, weights(muon, 1), weights(muon, 2)], weights(adamw, 1)
    first = weights(adamw, 1, "exp_avg.safetensors")  # a tenth of the gradient
    moments = [{name: [0] * len(values) for name, values in start.items()},
               *(weights(muon, step, "exp_avg.safetensors") for step in [1, 2])]
    for name in start:
        kind = name.split(".")[-2]
        if kind not in shapes:
            compare(f"muon: {name}", after[1][name], other[name])
            continue
        compare(f"muon: the momentum of {name}", moments[1][name], [(1 - momentum) * 10 * g for g in first[name]])
        if ".layers.1." in name or kind in ("v_proj", "up_proj"):
            continue  # shapes that were seen
        rows = shapes[kind]
        columns = len(start[name]) // rows
        for step in [1, 2]:
            before, now, then = after[step - 1][name], moments[step][name], moments[step - 1][name]
            gradient = [(m - momentum * p) / (1 - momentum) for m, p in zip(now, then)]
            update = [(1 - momentum) * g + momentum * m for g, m in zip(gradient, now)]
            direction = orthogonal([update[i * columns:(i + 1) * columns] for i in range(rows)])
            length = 0.2 * math.sqrt(max(rows, columns))
            expected = [w - rate * (length * d + decay * w) for w, d in zip(before, (d for row in direction for d in row))]
            compare(f"muon, step {step}: {name}", after[step][name], expected)
    compare("muon: an average", weights(muon, 1, "average/model.safetensors")["model.layers.0.mlp.up_proj.weight"],
            [(x + y) / 2 for x, y in zip(*(part["model.layers.0.mlp.up_proj.weight"] for part in after[:2]))])


def check_errors(workshop):
    for lines, message in [('groups { parameters: "*.mpl.*" }', "groups: '*.mpl.*' matches no parameter that is trained"),
                           ("groups { learning_rate: 2 }", "groups[0].parameters is missing"),
                           ('groups { parameters: "*" weight_decay: -1 }', "groups[0].weight_decay is -1, expected 0 to 1000"),
                           ("average: 1", "average is 1, expected 0 to")]:
        recipe = workshop.folder / "wrong.recipe"
        recipe.write_text((workshop.folder / "plain.recipe").read_text() + lines)
        result = workshop.run(workshop.llmc, "train", recipe, "--tokenizer", workshop.tokenizer, "-o", workshop.folder / "wrong", check=False)
        if result.returncode != 1 or message not in result.stderr or result.stderr.count("\n") != 1:
            sys.exit(f"{lines}: status {result.returncode}, {result.stderr!r}")
    result = workshop.run(workshop.folder / "plain.trainer", "-q", "--override", "evaluate_average=true", check=False)
    if result.returncode != 1 or "expected a recipe with `average`" not in result.stderr:
        sys.exit(f"evaluate_average: status {result.returncode}, {result.stderr!r}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        workshop = runs.Workshop(*sys.argv[1:3], folder)
        check_groups(workshop)
        check_averages(workshop)
        check_muon(workshop)
        check_errors(workshop)


main()
