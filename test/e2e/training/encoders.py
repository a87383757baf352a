"""Trains heads of encoders: the first losses and all gradients are those of transformers (head_gradients.json, which make_gradients.py
made), a head that a checkpoint lacks is added to it, and what was trained compiles and predicts.

    python3 encoders.py LLMC GOLDEN
"""

import json
import pathlib
import random
import sys
import tempfile

import gradients
import steps
from steps import RATE, run, tensors_of


class Workshop:
    def __init__(self, llmc, golden, folder):
        self.llmc, self.golden, self.folder = llmc, pathlib.Path(golden), pathlib.Path(folder)
        self.expected = json.loads((pathlib.Path(__file__).parent / "head_gradients.json").read_text())

    def trainer(self, name, checkpoint, objective, batch, settings):
        recipe = self.folder / f"{name}.recipe"
        recipe.write_text(f"""checkpoint: "{checkpoint}"
objective {{ {objective} }}
batch {{ {batch} }}
optimizer {{ sgd {{}} }}
run {{
  output: "{self.folder}/{name}" schedule {{ kind: CONSTANT }} {settings}
}}
""")
        trainer = self.folder / f"{name}.trainer"
        run(self.llmc, "train", recipe, "-q", "-o", trainer)
        return trainer


def check_gradients(workshop, name, objective):
    expected = workshop.expected[name]
    documents = expected["documents"]
    data = workshop.folder / f"{name}.tokens"
    labels, kind, names = gradients.labels_of(name, documents)
    gradients.write_tokens(data, documents, max(map(max, documents)) + 1, labels, kind, names)
    trainer = workshop.trainer(name, workshop.golden / "heads" / name, objective,
                               f"sequences: 1 length: {sum(map(len, documents))}",
                               f'train_data: "{data}" steps: 1 learning_rate: {RATE}')
    steps.check_first_step(name, trainer, workshop.folder / name, expected)
    # What is saved is a model with the same head.
    checkpoint = workshop.folder / name / "checkpoint-00000001"
    config = json.loads((checkpoint / "config.json").read_text())
    if config["architectures"] != json.loads((workshop.golden / "heads" / name / "config.json").read_text())["architectures"]:
        sys.exit(f"{name}: the checkpoint is of another architecture: {config['architectures']}")
    run(workshop.llmc, "compile", checkpoint, "-q", "-o", workshop.folder / "model.llmc")


def check_new_head(workshop):
    """A classifier of an encoder that has none: sentences with `once` in them, and others."""
    lines = ["The reader reads it", "It is a sentence", "Two pieces begin", "Tokens are split", "Is it an answer"]
    rows, choose = [], random.Random(5)
    for _ in range(120):
        once = choose.random() < 0.5
        rows.append({"text": f"{choose.choice(lines)}{' at once' if once else ''}", "label": "once" if once else "other"})
    texts = workshop.folder / "once.jsonl"
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    encoder = workshop.golden / "bert-odd"
    run(workshop.llmc, "data", "pack", texts, "--label", "label", "--tokenizer", encoder, "-o", workshop.folder, "--validation", "0.25")
    trainer = workshop.trainer("once", encoder, "sequence_classification {}", "sequences: 4 length: 40",
                               f'train_data: "{workshop.folder}/train.tokens" validation_data: "{workshop.folder}/validation.tokens" '
                               "steps: 60 learning_rate: 0.1 clip_norm: 1 seed: 3")
    run(trainer, "-q")
    log = [json.loads(line) for line in (workshop.folder / "once" / "log.jsonl").read_text().splitlines()]
    accuracy = [line["accuracy"] for line in log if "accuracy" in line]
    if accuracy[-1] < 0.95:
        sys.exit(f"the classifier is right in {accuracy[-1]} of held-out texts")
    checkpoint = workshop.folder / "once" / "checkpoint-00000060"
    names = set(tensors_of(checkpoint / "model.safetensors"))
    if not {"classifier.weight", "bert.pooler.dense.weight", "bert.embeddings.word_embeddings.weight"} <= names:
        sys.exit(f"the checkpoint has the tensors {sorted(names)}")
    config = json.loads((checkpoint / "config.json").read_text())
    if (config["architectures"], config["id2label"]) != (["BertForSequenceClassification"], {"0": "once", "1": "other"}):
        sys.exit(f"config.json is {config}")
    model = workshop.folder / "once.llmc"
    run(workshop.llmc, "compile", checkpoint, "-q", "-o", model)
    found = run(workshop.llmc, "predict", model, "The reader reads it at once", "Is it an answer").stdout.split("\n")
    if [line.split("\t")[0] for line in found[:2]] != ["once", "other"]:
        sys.exit(f"llmc predict prints {found}")
    # Goes on to the bit, on any number of threads.
    again = ["-q", "--override", f"output={workshop.folder}/again"]
    run(trainer, *again, "--override", "steps=30", "--threads", "1")
    run(trainer, *again)
    if (workshop.folder / "again" / "checkpoint-00000060" / "model.safetensors").read_bytes() != (
            checkpoint / "model.safetensors").read_bytes():
        sys.exit("a classifier that was trained in two runs, on other threads, has other bits")


def check_errors(workshop):
    def expect(recipe_change, message):
        text = (workshop.folder / "bert-sequence.recipe").read_text()
        wrong = workshop.folder / "wrong.recipe"
        wrong.write_text(recipe_change(text))
        result = run(workshop.llmc, "train", wrong, "-o", workshop.folder / "wrong", check=False)
        if result.returncode == 0:
            result = run(workshop.folder / "wrong", "-q", "--restart", check=False)
        if result.returncode != 1 or message not in result.stderr or result.stderr.count("\n") != 1:
            sys.exit(f"status {result.returncode}, {result.stderr!r}, expected {message!r}")

    expect(lambda text: text.replace("bert-sequence.tokens", "bert-tokens.tokens"), "was packed for another objective, expected a label")
    expect(lambda text: text.replace("sequence_classification {}", "sequence_classification { names: \"bad\" names: \"good\" names: \"x\" }"),
           "has the label 'so-so', expected those of the trainer: bad, good, x")
    expect(lambda text: text.replace("bert-sequence.tokens", "bert-masked.tokens"), "was packed for another objective, expected a label")
    expect(lambda text: text.replace("sequence_classification {}", "sequence_classification { names: \"a\" }"), "'classifier.weight' has shape")
    expect(lambda text: text.replace("heads/bert-sequence", "llama-odd"), "LlamaForCausalLM is no encoder")
    expect(lambda text: text.replace("sequence_classification {}", ""), "predicts no next token, expected an objective")
    expect(lambda text: text + "lora {}\n", "lora and objective are both there")


def main():
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(*sys.argv[1:3], folder)
        for name, objective in gradients.HEADS.items():
            check_gradients(workshop, name, objective)
        check_new_head(workshop)
        check_errors(workshop)


main()
