"""Trains with what changes the loss: the first losses and all gradients are those of transformers and PyTorch, and so are losses on
the way (objectives.json, which make_objectives.py made). What is drawn at random does not depend on threads, batches and pauses.

    python3 objectives.py LLMC GOLDEN
"""

import json
import math
import pathlib
import random
import shutil
import sys
import tempfile

import gradients
import steps
from steps import RATE, run, tensors_of

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
# The same on groups of texts, with padding: how many belong together.
GROUPS = {
    "contrastive": ("bert-odd", "objective { contrastive { temperature: 0.1 } }", 2),
    "contrastive-first": ("bert-odd", "objective { contrastive {} }", 2),
    "contrastive-negatives": ("distilbert-odd", "objective { contrastive { hard_negatives: true } }", 3),
    "preference": ("llama-odd", "objective { preference { beta: 0.5 } }", 2),
}
GROUP_RATE = 3e-5 # at which they do not learn all by heart at once
GROUP_CURVES = {"contrastive-curve": GROUPS["contrastive"], "preference-curve": GROUPS["preference"]}
PROMPT = 4  # tokens of each prompt of preferences
CURVES = {
    "dropout-curve": ("gpt2-odd", "dropout { embedding: 0.1 residual: 0.3 }"),
    "distillation-curve": ("llama-odd", CASES["distillation"][1]),
}


def vocabulary_of(folder):
    return json.loads((folder / "config.json").read_text())["vocab_size"]


def walk(vocabulary):
    """One document in which a token often follows from the one before, of as many tokens as a curve takes."""
    choose, tokens = random.Random(11), [1]
    while len(tokens) < CURVE_STEPS * CURVE_BATCH[0] * CURVE_BATCH[1] + 1:
        follows = choose.random() < 0.8
        tokens.append((tokens[-1] * 7 + 3) % vocabulary if follows else choose.randrange(vocabulary))
    return tokens


def texts(vocabulary, group):
    """Documents of several lengths, four groups of them; of preferences the texts of a group begin alike."""
    choose = random.Random(group)
    documents = [[choose.randrange(6, vocabulary) for _ in range(5 + (3 * i) % 8)] for i in range(4 * group)]
    for i in range(1, len(documents)):
        if i % group:
            documents[i][:PROMPT] = documents[i - i % group][:PROMPT]
    return documents


class Workshop:
    def __init__(self, llmc, golden, folder):
        self.llmc, self.golden, self.folder = llmc, pathlib.Path(golden), pathlib.Path(folder)
        self.expected = json.loads((pathlib.Path(__file__).parent / "objectives.json").read_text())

    def recipe(self, name, model, lines, batch, settings):
        recipe = self.folder / f"{name}.recipe"
        recipe.write_text(f"""checkpoint: "{self.golden / model}"
batch {{ {batch} }}
{lines.replace("GOLDEN", str(self.golden))}
run {{ output: "{self.folder}/{name}" schedule {{ kind: CONSTANT }} {settings} }}
""")
        return recipe

    def trainer(self, name, model, lines, batch, settings):
        trainer = self.folder / f"{name}.trainer"
        run(self.llmc, "train", self.recipe(name, model, lines, batch, settings), "-q", "-o", trainer)
        return trainer

    def write_data(self, name, documents, labels=(), kind=0, names=(), group=1):
        path = self.folder / f"{name}.tokens"
        gradients.write_tokens(path, documents, max(map(max, documents)) + 1, labels, kind, names, group)
        return path

    def write_groups(self, name, model, group):
        documents, labels = texts(vocabulary_of(self.golden / model), group), ((), 0, ())
        if name.startswith("preference"):
            labels = [-1 if i < PROMPT else 0 for document in documents for i in range(len(document))], 2, ["text"]
        batch = f"sequences: {len(documents)} length: {max(map(len, documents)) + 2}"
        return self.write_data(name, documents, *labels, group), batch


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


def check_group_gradients(workshop, name):
    model, lines, group = GROUPS[name]
    data, batch = workshop.write_groups(name, model, group)
    if name == "contrastive-first":
        first = workshop.folder / "first"
        shutil.copytree(workshop.golden / model, first)
        (first / "modules.json").write_text(json.dumps([
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]))
        (first / "1_Pooling").mkdir()
        (first / "1_Pooling" / "config.json").write_text(json.dumps({
            "word_embedding_dimension": json.loads((first / "config.json").read_text())["hidden_size"], "pooling_mode_cls_token": True,
            "pooling_mode_mean_tokens": False}))
        model = first
    trainer = workshop.trainer(name, model, f"{lines} optimizer {{ sgd {{}} }}", batch,
                               f'train_data: "{data}" steps: 1 learning_rate: {RATE}')
    steps.check_first_step(name, trainer, workshop.folder / name, workshop.expected[name])
    checkpoint = workshop.folder / name / "checkpoint-00000001"
    if name == "contrastive-first" and not (checkpoint / "1_Pooling" / "config.json").exists():
        sys.exit("a checkpoint does not say how it pools")
    run(workshop.llmc, "compile", checkpoint, "-q", "-o", workshop.folder / "model.llmc")


def check_group_curve(workshop, name):
    model, lines, group = GROUP_CURVES[name]
    data, batch = workshop.write_groups(name, model, group)
    trainer = workshop.trainer(name, model, f"{lines} optimizer {{ adamw {{}} }}", batch,
                               f'train_data: "{data}" validation_data: "{data}" steps: {CURVE_STEPS} learning_rate: {GROUP_RATE}')
    run(trainer, "-q")
    compare_curve(workshop, name)
    held = json.loads((workshop.folder / name / "log.jsonl").read_text().splitlines()[-1])
    if held["accuracy"] != 1:
        sys.exit(f"{name}: evaluation of what was learned by heart tells {held}")


def losses_of(folder):
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines() if '"loss"' in line]


def check_curve(workshop, name):
    model, lines = CURVES[name]
    data = workshop.write_data(name, [walk(vocabulary_of(workshop.golden / model))])
    sequences, length = CURVE_BATCH
    trainer = workshop.trainer(name, model, f"{lines} optimizer {{ adamw {{}} }}", f"sequences: {sequences} length: {length}",
                               f'train_data: "{data}" steps: {CURVE_STEPS} learning_rate: {CURVE_RATE} seed: 5')
    run(trainer, "-q", "--threads", "2")
    compare_curve(workshop, name)


def compare_curve(workshop, name):
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


def check_reference(workshop):
    """A model that begins elsewhere is compared with what it begins with: the first loss is log(2)."""
    learned = workshop.folder / "preference-curve" / f"checkpoint-{CURVE_STEPS:08d}"
    for options, is_same in [([], True), (["--override", f"reference={workshop.golden}/{GROUPS['preference'][0]}"], False)]:
        run(workshop.folder / "preference-curve.trainer", "-q", "--restart", "--override", f"output={workshop.folder}/elsewhere", "--override",
            "steps=1", "--override", f"start_from={learned}", *options)
        loss = losses_of(workshop.folder / "elsewhere")[0]
        if (abs(loss - math.log(2)) < 1e-6) != is_same:
            sys.exit(f"preference: the first loss of what begins elsewhere is {loss} with {options}")


def check_evaluation(workshop):
    """Evaluation sees a file of two batches as it sees both of them."""
    model, _, group = GROUPS["contrastive"]
    groups = texts(vocabulary_of(workshop.golden / model), group)
    document = walk(vocabulary_of(workshop.golden / CURVES["dropout-curve"][0]))[:CURVE_BATCH[0] * CURVE_BATCH[1]]
    for name, first, size in [("contrastive-curve", groups, group), ("dropout-curve", [document], 1)]:
        second = [document[::-1] for document in first]
        losses = []
        for i, documents in enumerate([first, second, first + second]):
            held = workshop.write_data(f"held-{name}-{i}", documents, group=size)
            run(workshop.folder / f"{name}.trainer", "-q", "--restart", "--override", f"output={workshop.folder}/held", "--override", "steps=1",
                "--override", "learning_rate=1e-12", "--override", f"validation_data={held}")
            losses.append(json.loads((workshop.folder / "held" / "log.jsonl").read_text().splitlines()[-1])["validation_loss"])
        if abs(losses[0] + losses[1] - 2 * losses[2]) > 1e-5 or losses[0] == losses[2]:
            sys.exit(f"{name}: losses of two batches and of both in one file are {losses}")


def check_muon(workshop):
    """Heads move as by AdamW, whatever the loss: of what Muon moves the mean of squares stays zero."""
    for head, by_adamw, by_muon in [("roberta-sequence", "classifier.out_proj.weight", "classifier.dense.weight"),
                                    ("bert-sequence", "classifier.weight", "bert.pooler.dense.weight")]:
        documents = [[5, 6, 7, 8], [9, 10, 11]]
        labels, kind, names = gradients.labels_of(head, documents)
        data = workshop.write_data(f"muon-{head}", documents, labels, kind, names)
        trainer = workshop.trainer(f"muon-{head}", f"heads/{head}", f"objective {{ {gradients.HEADS[head]} }} optimizer {{ muon {{}} }}",
                                   "sequences: 2 length: 8", f'train_data: "{data}" steps: 1 learning_rate: 1e-3')
        run(trainer, "-q")
        checkpoint = workshop.folder / f"muon-{head}" / "checkpoint-00000001"
        moved = {name for name, squares in tensors_of(checkpoint / "exp_avg_sq.safetensors").items() if any(squares)}
        if by_adamw not in moved or by_muon in moved:
            sys.exit(f"muon, {head}: AdamW moves {sorted(moved)}")


def check_packing(workshop):
    """Texts become groups, and adapters learn from them."""
    rows = workshop.folder / "pairs.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"the {i}", "chosen": "good text", "rejected": "a bad one"}) + "\n" for i in range(8)))
    for model, option, lines in [
            ("bert-odd", "--texts", "objective { contrastive { hard_negatives: true } }"),
            ("llama-tied", "--preference", 'objective { preference {} } lora { targets: "q_proj" }')]:
        out = workshop.folder / f"packed{option}"
        run(workshop.llmc, "data", "pack", rows, option, "prompt,chosen,rejected", "--tokenizer", workshop.golden / model, "-o", out,
            "--validation", "0.25")
        sequences = 6 if option == "--texts" else 4
        trainer = workshop.trainer(f"packed{option}", model, f"{lines} dropout {{ residual: 0.1 }}", f"sequences: {sequences} length: 32",
                                   f'train_data: "{out}/train.tokens" validation_data: "{out}/validation.tokens" steps: 30 learning_rate: 2e-3')
        run(trainer, "-q")
        log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        if not log[-2]["loss"] < log[0]["loss"] or log[-1]["accuracy"] < 0.5:
            sys.exit(f"{option}: the log begins with {log[0]} and ends with {log[-2:]}")
        other = run(trainer, "-q", "--restart", "--override", f"train_data={workshop.folder}/distillation.tokens", check=False)
        if other.returncode != 1 or "has documents in groups of 1, expected" not in other.stderr:
            sys.exit(f"{option}: status {other.returncode}, {other.stderr!r}")


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
    expect('objective { regression {} } distillation { teacher: "GOLDEN/bert-odd" }', "which this objective does not ask for", "bert-odd")
    expect("objective { contrastive { hard_negatives: true } }", "batch.sequences is 1, expected a multiple of 3", "bert-odd")
    expect("objective { contrastive {} } batch { sequences: 2 }", "batch.sequences is 2, expected at least two groups", "bert-odd")
    expect("objective { contrastive {} } batch { sequences: 4 }", "LlamaForCausalLM has no embeddings of texts")
    expect("objective { preference { beta: -1 } }", "objective.preference.beta is -1")
    expect("objective { contrastive {} } lora {}", "lora and objective are both there", "bert-odd")
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
        for name in GROUPS:
            check_group_gradients(workshop, name)
        for name in GROUP_CURVES:
            check_group_curve(workshop, name)
        check_draws(workshop)
        check_reference(workshop)
        check_evaluation(workshop)
        check_muon(workshop)
        check_packing(workshop)
        check_errors(workshop)


if __name__ == "__main__":
    main()
