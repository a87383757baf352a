"""What is trained is what is deployed: the trainer's texts are those of the artifact that its checkpoint compiles to, and so is its loss on
held-out data, by the artifact's logits in f32.

    python3 deployed.py LLMC TOKENIZER LIBLLMC
"""

import ctypes
import json
import math
import pathlib
import sys
import tempfile

import gradients
import runs

# Relative. Both compute in f32, but norms, softmax and the steps of products are other kernels, which round in other places: logits differ by up
# to 4e-7 of the largest.
BOUND = 1e-6
STEPS = 300


class Artifact:
    """Logits of an artifact by the C interface."""

    def __init__(self, library, path):
        self.library = library
        self.model, self.session = ctypes.c_void_p(), ctypes.c_void_p()
        self.check(library.llmc_model_load(str(path).encode(), ctypes.byref(self.model)))
        self.check(library.llmc_session_create(self.model, 0, ctypes.byref(self.session)))

    def check(self, status):
        if status != 0:
            self.library.llmc_last_error.restype = ctypes.c_char_p
            sys.exit(self.library.llmc_last_error().decode())

    def losses(self, document, vocabulary, source=None):
        """Of each token behind the first. `source` is what the model reads before, if it reads one."""
        if source is None:
            self.library.llmc_session_reset(self.session)
        else:
            self.check(self.library.llmc_read_source(self.session, (ctypes.c_int32 * len(source))(*source), ctypes.c_size_t(len(source))))
        losses = []
        for token, target in zip(document, document[1:]):
            logits = ctypes.POINTER(ctypes.c_float)()
            self.check(self.library.llmc_feed(self.session, ctypes.byref(ctypes.c_int32(token)), ctypes.c_size_t(1), ctypes.byref(logits)))
            row = logits[:vocabulary]
            largest = max(row)
            losses.append(math.log(sum(math.exp(value - largest) for value in row)) + largest - row[target])
        return losses


def tokens_of(path):
    """The tokens of a token file (train/TokenFile.h) with ids of 2 bytes."""
    data = path.read_bytes()
    count = int.from_bytes(data[16:24], "little")
    return [int.from_bytes(data[64 + 2 * i:66 + 2 * i], "little") for i in range(count)]


def check(workshop, library, family, sequences, length):
    samples = 'samples { every: 100 prompt: "the model" tokens: 20 temperature: 0 }'
    trainer, folder = workshop.trainer(family, family, samples), workshop.folder / family
    text = tokens_of(workshop.folder / "data" / "train.tokens")
    # They fill the sequences of a batch, so that none is cut.
    sizes = [size for _ in range(sequences // 2 + 1) for size in [length - 4, 4, 11, length - 11]][:2 * sequences]
    documents = [text[500 * i:500 * i + size] for i, size in enumerate(sizes)]
    held = workshop.folder / "held.tokens"
    settings = ["--override", f"steps={STEPS}", "--override", "learning_rate=5e-3", "--override", f"validation_data={held}"]
    losses, parts = {}, {"one": [text[:2]], "all": documents}
    for name, part in parts.items():
        gradients.write_tokens(held, part, max(text) + 1)
        workshop.run(trainer, "-q", "--restart", *settings)
        log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        losses[name] = [line["validation_loss"] for line in log if "validation_loss" in line][-1]
    artifact = workshop.folder / f"{family}.llmc"
    workshop.run(workshop.llmc, "compile", folder / f"checkpoint-{STEPS:08d}", "--dtype", "f32", "-q", "-o", artifact)
    deployed = Artifact(library, artifact)
    vocabulary = json.loads((folder / f"checkpoint-{STEPS:08d}" / "config.json").read_text())["vocab_size"]
    for name, part in parts.items():
        expected = [loss for document in part for loss in deployed.losses(document, vocabulary)]
        expected = sum(expected) / len(expected)
        if abs(losses[name] / expected - 1) > BOUND:
            sys.exit(f"{family}: the loss of {name} held-out texts is {losses[name]}, by the artifact {expected}")
    told = [line["sample"] for line in log if "sample" in line]
    written = workshop.run(workshop.llmc, "run", artifact, "--raw", "--prompt", "the model", "--max-tokens", 20, "--quiet").stdout
    if len(told) != STEPS // 100 or len(set(told)) == 1 or told[-1] != "the model" + written.rstrip("\n"):
        sys.exit(f"{family}: the trainer writes {told}, the artifact {written!r}")


def main():
    library = ctypes.CDLL(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        workshop = runs.Workshop(*sys.argv[1:3], folder)
        check(workshop, library, "llama", 3, 40)
        check(workshop, library, "gpt2", 4, 45)


if __name__ == "__main__":
    main()
