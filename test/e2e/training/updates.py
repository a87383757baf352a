"""Checks what a step of an optimizer changes against its definition: groups of parameters, and averages.

    python3 updates.py LLMC TOKENIZER
"""

import json
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
        check_errors(workshop)


main()
