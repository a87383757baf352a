"""Trains from checkpoints of every family of decoders: the first loss and all gradients are those of transformers
(gradients.json, which make_gradients.py made), and what is saved compiles like what training began with. What is frozen stays as
it is, and the gradients of low-rank matrices follow from those of the matrices that they adapt.

    python3 fine_tune.py LLMC GOLDEN
"""

import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile

import gradients
import steps
from steps import GRADIENT_BOUND, RATE, run, tensors_of, weights_around

class Workshop:
    def __init__(self, llmc, golden, folder):
        self.llmc, self.golden, self.folder = llmc, pathlib.Path(golden), pathlib.Path(folder)
        self.expected = json.loads((pathlib.Path(__file__).parent / "gradients.json").read_text())

    def write_recipe(self, model, name=None, rest=""):
        name = name or model
        tokens = self.expected[model]["tokens"]
        gradients.write_tokens(self.folder / f"{model}.tokens", [tokens], max(tokens) + 1)
        recipe = self.folder / f"{name}.recipe"
        recipe.write_text(f"""checkpoint: "{self.golden}/{model}"
batch {{ sequences: 1 length: {len(tokens) - 1} }}
optimizer {{ sgd {{}} }}
{rest}
run {{
  train_data: "{self.folder}/{model}.tokens" output: "{self.folder}/{name}"
  steps: 1 learning_rate: {RATE} schedule {{ kind: CONSTANT }}
}}
""")
        return recipe

    def trainer(self, model, name=None, rest=""):
        trainer = self.folder / f"{name or model}.trainer"
        run(self.llmc, "train", self.write_recipe(model, name, rest), "-q", "-o", trainer)
        return trainer


def check_gradients(workshop, model):
    trainer, folder = workshop.trainer(model), workshop.folder / model
    steps.check_first_step(model, trainer, folder, workshop.expected[model])
    return trainer


def check_compiles(workshop, model):
    checkpoint = workshop.folder / model / "checkpoint-00000001"
    if json.loads((checkpoint / "config.json").read_text())["architectures"] != json.loads(
        (workshop.golden / model / "config.json").read_text())["architectures"]:
        sys.exit(f"{model}: the checkpoint is of another architecture")
    run(workshop.llmc, "compile", checkpoint, "-q", "-o", workshop.folder / "model.llmc")


def check_frozen(workshop, model):
    trainer = workshop.trainer(model, "frozen", 'freeze: "*.mlp.*" freeze: "model.norm.*"')
    before, after = weights_around(trainer, workshop.folder / "frozen")
    trained = tensors_of(workshop.folder / model / "checkpoint-00000001" / "model.safetensors")
    for name in before:
        frozen = ".mlp." in name or name.startswith("model.norm.")
        if after[name] != (before[name] if frozen else trained[name]):
            sys.exit(f"{model}: {name} {'is frozen, and changed' if frozen else 'is trained otherwise beside what is frozen'}")


def check_lora(workshop, model):
    rank, alpha = 3, 5
    trainer = workshop.trainer(model, "lora", f'lora {{ rank: {rank} alpha: {alpha} targets: "q_proj" targets: "mlp.down_proj" }}')
    folder = workshop.folder / "lora"
    before, after = weights_around(trainer, folder, "adapter_model.safetensors")
    whole = tensors_of(workshop.folder / model / "checkpoint-00000001" / "model.safetensors")
    run(workshop.folder / f"{model}.trainer", "-q", "--restart", "--override", "learning_rate=1e-12")
    start = tensors_of(workshop.folder / model / "checkpoint-00000001" / "model.safetensors")
    layers = [name[: -len(".weight")] for name in start if name.endswith(("q_proj.weight", "down_proj.weight"))]
    if set(before) != {f"base_model.model.{layer}.lora_{part}.weight" for layer in layers for part in "AB"}:
        sys.exit(f"{model}: the adapter has the tensors {sorted(before)}")
    for layer in layers:
        a = before[f"base_model.model.{layer}.lora_A.weight"]
        up = f"base_model.model.{layer}.lora_B.weight"
        if max(abs(x) for x in before[up]) > 1e-9:
            sys.exit(f"{model}: {up} does not begin with zeros")
        gradient = [(x - y) / RATE for x, y in zip(start[f"{layer}.weight"], whole[f"{layer}.weight"])]
        width = len(a) // rank
        # The gradient of B is alpha / rank * dW A^T.
        wanted = [alpha / rank * sum(gradient[row * width + i] * a[r * width + i] for i in range(width))
                  for row in range(len(gradient) // width) for r in range(rank)]
        found = [-x / RATE for x in after[up]]
        norm = math.sqrt(sum(x * x for x in wanted))
        error = math.sqrt(sum((x - y) ** 2 for x, y in zip(found, wanted)))
        if error > GRADIENT_BOUND * norm:
            sys.exit(f"{model}: the gradient of {up} is off by {error / norm:.2g} of its norm")
    config = json.loads((folder / "checkpoint-00000001" / "adapter_config.json").read_text())
    if (config["r"], config["lora_alpha"], config["target_modules"]) != (rank, alpha, ["mlp.down_proj", "q_proj"]):
        sys.exit(f"{model}: adapter_config.json is {config}")
    # Goes on to the bit.
    gently = ["-q", "--override", "learning_rate=0.1"]
    run(trainer, *gently, "--restart", "--override", "steps=4")
    straight = (folder / "checkpoint-00000004" / "adapter_model.safetensors").read_bytes()
    run(trainer, *gently, "--restart", "--override", "steps=2")
    run(trainer, *gently, "--override", "steps=4")
    if (folder / "checkpoint-00000004" / "adapter_model.safetensors").read_bytes() != straight:
        sys.exit(f"{model}: an adapter that was trained in two runs has other bits")


def check_errors(workshop, trainer):
    def expect(command, message):
        result = run(*command, check=False)
        if result.returncode != 1 or message not in result.stderr or result.stderr.count("\n") != 1:
            sys.exit(f"{command}: status {result.returncode}, {result.stderr!r}, expected {message!r}")

    train = [workshop.llmc, "train", workshop.folder / "wrong.recipe", "-o", workshop.folder / "wrong"]

    def expect_recipe(change, message):
        text = workshop.write_recipe("llama-odd").read_text()
        (workshop.folder / "wrong.recipe").write_text(change(text))
        expect(train, message)

    expect_recipe(lambda text: text + 'preset: "gpt2-124m"\n', "preset and checkpoint are both there, expected one of them")
    expect_recipe(lambda text: text.replace("llama-odd\"\nbatch", "none\"\nbatch"), "none")
    expect_recipe(lambda text: text.replace("llama-odd\"\nbatch", "bert-odd\"\nbatch"), "predicts no next token")
    expect_recipe(lambda text: text.replace("length: ", "length: 9"), "expected at most the model's context")
    expect_recipe(lambda text: text + 'freeze: "*.mpl.*"\n', "freeze: '*.mpl.*' matches no parameter of the model")
    expect_recipe(lambda text: text + 'freeze: "*"\n', "all parameters are frozen")
    expect_recipe(lambda text: text + 'lora { targets: "q_prj" }\n', "lora.targets: 'q_prj' is the end of no linear layer's name")
    expect_recipe(lambda text: text.replace("checkpoint:", "lora {} preset: \"llama-tiny\" #"), "lora adapts a model that is there already")
    fresh = ["--restart", "-q", "--override", f"output={workshop.folder}/fresh"]
    expect([trainer, *fresh, "--override", "start_from="], "run.start_from is empty")
    expect([trainer, *fresh, "--override", f"start_from={workshop.folder}/none"], f"{workshop.folder}/none")
    expect([trainer, *fresh, "--override", f"start_from={workshop.golden}/gpt2-odd"], "has no tensor 'model.embed_tokens.weight'")
    expect([trainer, *fresh, "--override", f"start_from={workshop.golden}/qwen2-odd"], "'model.embed_tokens.weight' has shape [")
    cut = workshop.folder / "cut"
    shutil.copytree(workshop.golden / "llama-odd", cut)
    (cut / "model.safetensors").write_bytes((workshop.golden / "llama-odd" / "model.safetensors").read_bytes()[:-100])
    expect([trainer, *fresh, "--override", f"start_from={cut}"], f"{cut}/model.safetensors")


def main():
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(*sys.argv[1:3], folder)
        trainers = {}
        for model in gradients.MODELS:
            trainers[model] = check_gradients(workshop, model)
            check_compiles(workshop, model)
        check_frozen(workshop, "llama-odd")
        check_lora(workshop, "llama-odd")
        check_errors(workshop, trainers["llama-odd"])


main()
