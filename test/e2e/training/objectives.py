"""Trains with what changes the loss: the first losses and all gradients are those of transformers and PyTorch, and so are losses on
the way (objectives.json, which make_objectives.py made). What is drawn at random does not depend on threads, batches and pauses.

    python3 objectives.py LLMC GOLDEN
"""

import json
import pathlib
import random
import sys
import tempfile

import gradients
import steps
from steps import RATE, run

CURVE_STEPS, CURVE_EVERY, CURVE_RATE, CURVE_BOUND = 200, 10, 1e-3, 1e-3
# The curves' batches: sequences, and tokens of each.
CURVE_BATCH = (2, 24)
# What is trained (a folder of test/e2e/golden), on whose documents, and the lines of its recipe.
CASES = {
    "dropout-gpt2": ("gpt2-odd", "dropout { embedding: 0.1 residual: 0.3 }"),
    "dropout-bert": ("heads/bert-sequence", "objective { sequence_classification {} } dropout { embedding: 0.2 residual: 0.1 }"),
    "smoothing": ("llama-odd", "label_smoothing: 0.1"),
    "distillation": ("llama-odd", 'distillation { teacher: "GOLDEN/qwen3-odd" temperature: 2 weight: 0.7 }'),
    "distillation-bert": ("heads/distilbert-masked",
                          'objective { masked_tokens { part: 0.5 } } distillation { teacher: "GOLDEN/heads/bert-masked" weight: 1 }'),
}
CURVES = {
    "dropout-curve": ("gpt2-odd", "dropout { embedding: 0.1 residual: 0.3 }"),
    "distillation-curve": ("llama-odd", CASES["distillation"][1]),
}


def walk(vocabulary):
    """One document in which a token often follows from the one before, of as many tokens as a curve takes."""
    choose, tokens = random.Random(11), [1]
    while len(tokens) < CURVE_STEPS * CURVE_BATCH[0] * CURVE_BATCH[1] + 1:
        follows = choose.random() < 0.8
        tokens.append((tokens[-1] * 7 + 3) % vocabulary if follows else choose.randrange(vocabulary))
    return tokens


class Workshop:
    def __init__(self, llmc, golden, folder):
        self.llmc, self.golden, self.folder = llmc, pathlib.Path(golden), pathlib.Path(folder)
        self.expected = json.loads((pathlib.Path(__file__).parent / "objectives.json").read_text())

    def recipe(self, name, model, lines, batch, settings):
        recipe = self.folder / f"{name}.recipe"
        recipe.write_text(f"""checkpoint: "{self.golden}/{model}"
batch {{ {batch} }}
{lines.replace("GOLDEN", str(self.golden))}
run {{ output: "{self.folder}/{name}" schedule {{ kind: CONSTANT }} {settings} }}
""")
        return recipe

    def trainer(self, name, model, lines, batch, settings):
        trainer = self.folder / f"{name}.trainer"
        run(self.llmc, "train", self.recipe(name, model, lines, batch, settings), "-q", "-o", trainer)
        return trainer

    def write_data(self, name, documents, labels=(), kind=0, names=()):
        path = self.folder / f"{name}.tokens"
        gradients.write_tokens(path, documents, max(map(max, documents)) + 1, labels, kind, names)
        return path


def check_gradients(workshop, name):
    model, lines = CASES[name]
    expected = workshop.expected[name]
    documents = expected["documents"]
    head = pathlib.Path(model).name
    labels, kind, names = gradients.labels_of(head, documents) if head in gradients.HEADS else ((), 0, ())
    data = workshop.write_data(name, documents, labels[:len(documents)] if kind == 1 else labels, kind, names)
    rows = sum(map(len, documents)) - (0 if head in gradients.HEADS else 1)
    trainer = workshop.trainer(name, model, f"{lines} optimizer {{ sgd {{}} }}", f"sequences: 1 length: {rows}",
                               f'train_data: "{data}" steps: 1 learning_rate: {RATE}')
    steps.check_first_step(name, trainer, workshop.folder / name, expected)


def losses_of(folder):
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines() if '"loss"' in line]


def check_curve(workshop, name):
    model, lines = CURVES[name]
    vocabulary = json.loads((workshop.golden / model / "config.json").read_text())["vocab_size"]
    data = workshop.write_data(name, [walk(vocabulary)])
    sequences, length = CURVE_BATCH
    trainer = workshop.trainer(name, model, f"{lines} optimizer {{ adamw {{}} }}", f"sequences: {sequences} length: {length}",
                               f'train_data: "{data}" steps: {CURVE_STEPS} learning_rate: {CURVE_RATE} seed: 5')
    run(trainer, "-q", "--threads", "2")
    losses = losses_of(workshop.folder / name)
    for step, (found, wanted) in enumerate(zip(losses[::CURVE_EVERY], workshop.expected[name], strict=True)):
        if abs(found - wanted) > CURVE_BOUND:
            sys.exit(f"{name}, step {CURVE_EVERY * step + 1}: the loss is {found}, expected {wanted}")


def check_draws(workshop):
    """What dropout draws depends on the seed, the step and the place in it only."""
    trainer, final = workshop.folder / "dropout-curve.trainer", f"checkpoint-{CURVE_STEPS:08d}/model.safetensors"
    straight = (workshop.folder / "dropout-curve" / final).read_bytes()
    again = ["-q", "--override", f"output={workshop.folder}/again", "--threads", "1"]
    run(trainer, *again, "--override", "steps=70")
    run(trainer, *again)
    if (workshop.folder / "again" / final).read_bytes() != straight:
        sys.exit("a run with dropout that was interrupted, on one thread, has other bits")
    # The batches of a step are numbered on.
    model, lines = CURVES["dropout-curve"]
    settings = f'train_data: "{workshop.folder}/dropout-curve.tokens" steps: 5 learning_rate: {CURVE_RATE} seed: 5 accumulation: 2'
    parts = workshop.trainer("parts", model, f"{lines} optimizer {{ adamw {{}} }}", f"sequences: 1 length: {CURVE_BATCH[1]}", settings)
    run(parts, "-q")
    whole = losses_of(workshop.folder / "dropout-curve")
    for step, loss in enumerate(losses_of(workshop.folder / "parts")):
        if abs(loss - whole[step]) > 1e-5:
            sys.exit(f"dropout: step {step + 1} of accumulated batches has the loss {loss}, that of the large one {whole[step]}")
    # Another seed draws otherwise, and evaluation drops nothing.
    data = f"{workshop.folder}/dropout-curve.tokens"
    other = ["-q", "--restart", "--override", f"output={workshop.folder}/other", "--override", "steps=1", "--override", "learning_rate=1e-12",
             "--override", f"validation_data={data}", "--override", "evaluation_batches=1"]
    found = set()
    for seed in [1, 2]:
        run(trainer, *other, "--override", f"seed={seed}")
        first, held = map(json.loads, (workshop.folder / "other" / "log.jsonl").read_text().splitlines())
        found.add((first["loss"], held["validation_loss"]))
    (first, held), (second, same) = found
    if first == second or held != same or held in (first, second):
        sys.exit(f"losses with two seeds, and of evaluations: {found}")


def check_errors(workshop):
    def expect(lines, message, model="llama-odd"):
        recipe = workshop.recipe("wrong", model, lines, "sequences: 1 length: 16", 'train_data: "x" steps: 1 learning_rate: 1')
        result = run(workshop.llmc, "train", recipe, "-o", workshop.folder / "wrong", check=False)
        if result.returncode != 1 or message not in result.stderr or result.stderr.count("\n") != 1:
            sys.exit(f"{lines}: status {result.returncode}, {result.stderr!r}, expected {message!r}")

    expect("dropout { residual: 1 }", "dropout.residual is 1, expected 0 to 0.999")
    expect("dropout { lora: 0.1 }", "dropout.lora is for adapters, expected lora")
    expect("label_smoothing: -0.5", "label_smoothing is -0.5, expected 0 to 0.999")
    expect("distillation {}", "distillation.teacher is missing")
    expect('distillation { teacher: "GOLDEN/gemma-odd" }', "gemma-odd tells 353 tokens or labels apart, expected 197")
    expect('distillation { teacher: "GOLDEN/bert-odd" }', "predicts no next token")
    expect('objective { regression {} } distillation { teacher: "GOLDEN/bert-odd" }', "which objective.regression has not", "bert-odd")
    run(workshop.folder / "distillation.trainer", "-q", "--restart", "--override", "learning_rate=1e-12")
    for folder, message in [("none", "none"), (f"{workshop.golden}/gpt2-odd", "has no tensor 'model.embed_tokens.weight'")]:
        result = run(workshop.folder / "distillation.trainer", "-q", "--override", f"reference={folder}", check=False)
        if result.returncode != 1 or message not in result.stderr:
            sys.exit(f"reference={folder}: status {result.returncode}, {result.stderr!r}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(*sys.argv[1:3], folder)
        for name in CASES:
            check_gradients(workshop, name)
        for name in CURVES:
            check_curve(workshop, name)
        check_draws(workshop)
        check_errors(workshop)


if __name__ == "__main__":
    main()
