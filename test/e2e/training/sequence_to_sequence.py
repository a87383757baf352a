"""Trains models with an encoder and a decoder on pairs of texts: the first losses, all gradients and losses on the way are those of
transformers (sequence_to_sequence.json, which make_sequence_to_sequence.py made); a run that was interrupted ends with the same bits; and
checkpoints compile to what was trained.

    python3 sequence_to_sequence.py LLMC GOLDEN LIBLLMC
"""

import ctypes
import json
import pathlib
import sys
import tempfile

import deployed
import pairs
import steps
from pairs import CASES, CURVE_EVERY, CURVE_SEED, CURVE_STEPS, CURVES
from steps import RATE, run

CURVE_BOUND = 1e-3
DEPLOYED_BOUND = 2e-6  # relative, as deployed.py says it; cross attention adds another sum


class Workshop:
    def __init__(self, llmc, golden, folder):
        self.llmc, self.golden, self.folder = llmc, pathlib.Path(golden), pathlib.Path(folder)
        self.expected = json.loads((pathlib.Path(__file__).parent / "sequence_to_sequence.json").read_text())

    def vocabulary(self, model):
        return pairs.vocabulary_of(self.golden / model)

    def write_pairs(self, name, made):
        path = self.folder / f"{name}.tokens"
        pairs.write(path, made)
        return path

    def recipe(self, name, model, lines, shape, settings):
        sequences, length, source_length = shape
        recipe = self.folder / f"{name}.recipe"
        recipe.write_text(f"""checkpoint: "{self.golden / model}"
objective {{ sequence_to_sequence {{}} }}
batch {{ sequences: {sequences} length: {length} source_length: {source_length} }}
{lines.replace("GOLDEN", str(self.golden))}
run {{ output: "{self.folder}/{name}" schedule {{ kind: CONSTANT }} {settings} }}
""")
        return recipe

    def trainer(self, name, *arguments):
        trainer = self.folder / f"{name}.trainer"
        run(self.llmc, "train", self.recipe(name, *arguments), "-q", "-o", trainer)
        return trainer

    def model_of(self, name, step=CURVE_STEPS):
        return self.folder / name / f"checkpoint-{step:08d}"


def check_gradients(workshop, name):
    model, lines, shape = CASES[name]
    data = workshop.write_pairs(name, pairs.pairs(workshop.vocabulary(model), 9))
    trainer = workshop.trainer(name, model, f"{lines} optimizer {{ sgd {{}} }}", shape,
                               f'train_data: "{data}" steps: 1 learning_rate: {RATE}')
    steps.check_first_step(name, trainer, workshop.folder / name, workshop.expected[name])


def losses_of(folder, key="loss"):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line[key] for line in lines if key in line]


def check_curve(workshop, name, library):
    model, rate, shape = CURVES[name]
    made = pairs.pairs(workshop.vocabulary(model), 41)
    data, held = workshop.write_pairs(name, made), workshop.write_pairs(f"{name}-held", made[:7])
    settings = (f'train_data: "{data}" validation_data: "{held}" steps: {CURVE_STEPS} learning_rate: {rate} '
                f"seed: {CURVE_SEED} evaluate_every: 70")
    trainer = workshop.trainer(name, model, "optimizer { adamw {} }", shape, settings)
    run(trainer, "-q", "--threads", "2")
    for step, (found, wanted) in enumerate(zip(losses_of(workshop.folder / name)[::CURVE_EVERY], workshop.expected[name], strict=True)):
        if abs(found - wanted) > CURVE_BOUND:
            sys.exit(f"{name}, step {CURVE_EVERY * step + 1}: the loss is {found}, expected {wanted}")
    # Another run that pauses, on other threads.
    again = ["-q", "--override", f"output={workshop.folder}/again-{name}", "--threads", "1"]
    run(trainer, *again, "--override", "steps=70")
    run(trainer, *again)
    if (workshop.folder / f"again-{name}" / workshop.model_of(name).name / "model.safetensors").read_bytes() != (
            workshop.model_of(name) / "model.safetensors").read_bytes():
        sys.exit(f"{name}: a run that was interrupted, on one thread, has other bits")
    # Compiled, each target begins anew behind its source.
    artifact = workshop.folder / f"{name}.llmc"
    run(workshop.llmc, "compile", workshop.model_of(name), "--dtype", "f32", "-q", "-o", artifact)
    config = json.loads((workshop.model_of(name) / "config.json").read_text())
    compiled, start = deployed.Artifact(library, artifact), config["decoder_start_token_id"]
    losses = [loss for source, target in made[:7] for loss in compiled.losses([start, *target], config["vocab_size"], source)]
    found, expected = losses_of(workshop.folder / name, "validation_loss")[-1], sum(losses) / len(losses)
    if abs(found / expected - 1) > DEPLOYED_BOUND:
        sys.exit(f"{name}: the loss of held-out pairs is {found}, by the artifact {expected}")


def check_batches(workshop):
    """Accumulated batches of one sequence are a large one; pairs that are too long are cut, and keep their ends."""
    model, rate, shape = CURVES["bart-curve"]
    data = f'train_data: "{workshop.folder}/bart-curve.tokens" seed: {CURVE_SEED} steps: 4 learning_rate: {rate}'
    parts = workshop.trainer("parts", model, "optimizer { adamw {} }", (1, *shape[1:]), f"{data} accumulation: {shape[0]}")
    run(parts, "-q")
    whole = losses_of(workshop.folder / "bart-curve")
    for step, loss in enumerate(losses_of(workshop.folder / "parts")):
        if abs(loss - whole[step]) > 1e-5:
            sys.exit(f"step {step + 1} of accumulated batches has the loss {loss}, that of the large one {whole[step]}")
    source, target = [*range(10, 30)], [*range(40, 55), 1]
    made = {"long": [(source, target)], "cut": [(source[:6] + source[-1:], target[:4] + target[-1:])]}
    found = []
    for name, documents in made.items():
        data = workshop.write_pairs(name, documents)
        run(workshop.trainer(name, model, "optimizer { sgd {} }", (2, 5, 7), f'train_data: "{data}" steps: 1 learning_rate: 1'), "-q")
        found.append((workshop.model_of(name, 1) / "model.safetensors").read_bytes())
    if found[0] != found[1]:
        sys.exit("a pair that is too long is cut otherwise than expected")


def check_teacher(workshop):
    """A model that is its own teacher has nothing to learn from it."""
    model, lines, shape = CASES["bart"]
    lines = f'distillation {{ teacher: "GOLDEN/{model}" weight: 1 }} optimizer {{ sgd {{}} }}'
    trainer = workshop.trainer("taught", model, lines, shape, f'train_data: "{workshop.folder}/bart.tokens" steps: 1 learning_rate: 1')
    run(trainer, "-q")
    if losses_of(workshop.folder / "taught")[0] > 1e-6:
        sys.exit(f"a model beside itself has the loss {losses_of(workshop.folder / 'taught')}")


def check_packing(workshop):
    """Texts become pairs, of which a model learns, with dropout, and what it learned it writes."""
    rows, words = workshop.folder / "texts.tsv", ["matrix", "query", "mean", "answer", "small", "columns"]
    rows.write_text("question\tanswer\n" + "".join(f"the {word} reads\t{word}\n" for word in words))
    out = workshop.folder / "packed"
    run(workshop.llmc, "data", "pack", rows, "--texts", "question,answer", "--tokenizer", workshop.golden / "t5-odd", "-o", out, "--validation", 0)
    lines = "dropout { embedding: 0.01 residual: 0.05 } optimizer { adamw {} }"
    settings = f'train_data: "{out}/train.tokens" validation_data: "{out}/train.tokens" steps: 300 learning_rate: 1e-2'
    trainer = workshop.trainer("learned", "t5-odd", lines, (4, 24, 32), settings)
    run(trainer, "-q")
    again = ["-q", "--override", f"output={workshop.folder}/again", "--threads", "1", "--override", "steps=20"]
    run(trainer, *again, "--override", "steps=9")
    run(trainer, *again)
    run(trainer, "-q", "--override", f"output={workshop.folder}/straight", "--override", "steps=20")
    found = [(workshop.folder / name / "checkpoint-00000020" / "model.safetensors").read_bytes() for name in ("again", "straight")]
    if found[0] != found[1]:
        sys.exit("a run with dropout that was interrupted has other bits")
    artifact = workshop.folder / "learned.llmc"
    run(workshop.llmc, "compile", workshop.model_of("learned", 300), "--dtype", "f32", "-q", "-o", artifact)
    for word in words:
        text = run(workshop.llmc, "run", artifact, "--prompt", f"the {word} reads", "--temperature", 0, "--max-tokens", 20, "--quiet").stdout
        if text.strip() != word:
            sys.exit(f"the model that learned writes {text!r}, expected {word!r}")


def check_errors(workshop):
    def expect(lines, message, model="t5-odd", shape=(2, 8, 8), objective=True):
        recipe = workshop.recipe("wrong", model, lines, shape, f'train_data: "{workshop.folder}/t5.tokens" steps: 1 learning_rate: 1')
        if not objective:
            recipe.write_text(recipe.read_text().replace("objective { sequence_to_sequence {} }", ""))
        result = run(workshop.llmc, "train", recipe, "-o", workshop.folder / "wrong.trainer", check=False)
        if result.returncode != 1 or message not in result.stderr or result.stderr.count("\n") != 1:
            sys.exit(f"{lines}: status {result.returncode}, {result.stderr!r}, expected {message!r}")

    expect("", "has an encoder and a decoder, expected objective.sequence_to_sequence", objective=False, shape=(2, 8, 0))
    expect("", "batch.source_length is 8, expected nothing without objective.sequence_to_sequence", objective=False)
    expect("", "batch.source_length is 97, expected at most the model's context (96)", shape=(2, 8, 97))
    expect("", "LlamaForCausalLM reads no source, expected a model with an encoder and a decoder", model="llama-odd")
    expect("lora {}", "lora and objective are both there")
    expect('distillation { teacher: "GOLDEN/bart-odd" }', "has positions that begin with 2, expected 0 as in the model that learns")
    expect('distillation { teacher: "GOLDEN/marian-odd" }', "has targets that begin with the token 130, expected 0")
    expect('distillation { teacher: "GOLDEN/t5-gated" }', "has a context of 80, expected at least batch.source_length (90)", shape=(2, 8, 90))
    single = workshop.folder / "single.tokens"
    pairs.gradients.write_tokens(single, [[5, 6, 7]], 8)
    result = run(workshop.folder / "t5.trainer", "-q", "--restart", "--override", f"train_data={single}", check=False)
    if result.returncode != 1 or "has documents in groups of 1, expected 2: sources with their targets" not in result.stderr:
        sys.exit(f"documents that are no pairs: status {result.returncode}, {result.stderr!r}")


def main():
    library = ctypes.CDLL(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(*sys.argv[1:3], folder)
        for name in CASES:
            check_gradients(workshop, name)
        for name in CURVES:
            check_curve(workshop, name, library)
        check_batches(workshop)
        check_teacher(workshop)
        check_packing(workshop)
        check_errors(workshop)


main()
