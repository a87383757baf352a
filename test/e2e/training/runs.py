"""What the tests of training, and the script that makes their golden files, have in common: texts and recipes."""

import pathlib
import subprocess

STEPS = 60
# Whose curves are compared with those of other libraries, and over how many steps.
OPTIMIZERS = {"adamw": STEPS, "adafactor": 200}
RATES = {"adamw": 1e-3, "adafactor": 1e-2}
FAMILIES = {
    # Sizes that are no multiples of vectors, and more heads than key heads.
    "llama": """model {
  family: LLAMA context: 40 width: 36 layers: 2
  attention { heads: 6 kv_heads: 2 head_size: 10 } mlp { kind: GATED_SILU inner: 50 }
  norm { kind: RMS } positions { kind: ROTARY } tied: true
}
batch { sequences: 3 length: 40 }""",
    "gpt2": """model {
  family: GPT2 context: 48 width: 44 layers: 2
  attention { heads: 4 bias: true } mlp { kind: GELU_TANH inner: 70 bias: true }
  norm { kind: LAYER } positions { kind: LEARNED } tied: true
}
batch { sequences: 4 length: 45 }""",
}


def optimizer(name):
    """How a recipe asks for one of OPTIMIZERS."""
    return f"optimizer {{ {name} {{ weight_decay: 0.1 }} }}"


def text(length):
    """One document of made-up words, the same on every machine."""
    words = ["the", "a", "model", "learns", "words", "and", "how", "they", "follow", "each", "other", "in", "text"]
    state, made = 1, []
    while sum(len(word) + 1 for word in made) < length:
        state = (state * 1103515245 + 12345) % 2**31
        made.append(words[(state >> 16) % len(words)])
    return " ".join(made)


class Workshop:
    """A folder with packed data, recipes and trainers."""

    def __init__(self, llmc, tokenizer, folder):
        self.llmc, self.tokenizer, self.folder = llmc, tokenizer, pathlib.Path(folder)
        (self.folder / "text.txt").write_text(text(64000))
        self.run(llmc, "data", "pack", self.folder / "text.txt", "--tokenizer", tokenizer, "-o", self.folder / "data", "--validation", 0)

    @staticmethod
    def run(*command, check=True):
        return subprocess.run([str(part) for part in command], check=check, capture_output=True, text=True)

    def trainer(self, family, name, settings="", rest="", options=()):
        """A trainer of `family` whose runs go to the folder `name`. `options` are those of llmc train."""
        recipe = self.folder / f"{name}.recipe"
        recipe.write_text(f"""{FAMILIES[family]}
{rest}
run {{
  train_data: "{self.folder}/data/train.tokens" output: "{self.folder}/{name}"
  steps: {STEPS} learning_rate: 1e-3 clip_norm: 1 schedule {{ kind: CONSTANT }} seed: 7 {settings}
}}
""")
        trainer = self.folder / f"{name}.trainer"
        self.run(self.llmc, "train", recipe, "--tokenizer", self.tokenizer, "-q", "-o", trainer, *options)
        return trainer
