"""Trains a model of each family from its definition: losses fall, and what is saved is the model that was defined.

    python3 definitions.py LLMC GOLDEN [KEEP]

A folder KEEP gets the checkpoints, for check_definitions.py.
"""

import json
import math
import pathlib
import subprocess
import sys
import tempfile

STEPS = 12
DECODER = "context: 32 width: 36 layers: 2"
GATED = "mlp { kind: GATED_SILU inner: 50 } norm { kind: RMS epsilon: 1e-6 }"
GEMMA = "mlp { kind: GATED_GELU_TANH inner: 50 } embedding { scaled: true } tied: true"
PLAIN = "mlp { kind: GELU inner: 50 bias: true } norm { kind: LAYER } positions { kind: LEARNED } tied: true"
MODELS = {
    "llama": f"family: LLAMA {DECODER} attention {{ heads: 6 kv_heads: 2 head_size: 10 }} {GATED} positions {{ kind: ROTARY scaling {{ llama3 {{ "
             "factor: 4 low_freq_factor: 1 high_freq_factor: 4 trained_context: 16 } } } tied: true",
    "mistral": f"family: MISTRAL {DECODER} attention {{ heads: 6 kv_heads: 2 window: 5 }} {GATED} positions {{ kind: ROTARY scaling {{ yarn {{ "
               "factor: 4 trained_context: 16 } } }",
    "qwen2": f"family: QWEN2 {DECODER} attention {{ heads: 6 kv_heads: 2 bias: true window: 7 pattern: [FULL, WINDOWED] }} {GATED} "
             "positions { kind: ROTARY }",
    "qwen3": f"family: QWEN3 {DECODER} attention {{ heads: 6 kv_heads: 2 head_norm: true head_size: 8 }} {GATED} "
             "positions { kind: ROTARY scaling { linear { factor: 2 } } } tied: true",
    "gemma": f"family: GEMMA {DECODER} attention {{ heads: 6 kv_heads: 1 }} {GEMMA} norm {{ kind: RMS }} positions {{ kind: ROTARY }}",
    "gemma2": f"family: GEMMA2 {DECODER} attention {{ heads: 6 kv_heads: 2 softcap: 20 scale: 0.5 window: 5 pattern: [WINDOWED, FULL] }} {GEMMA} "
              "norm { kind: RMS } positions { kind: ROTARY } head { softcap: 10 }",
    "gemma3": f"family: GEMMA3 {DECODER} attention {{ heads: 6 kv_heads: 2 head_norm: true window: 5 pattern: [WINDOWED, FULL] }} {GEMMA} "
              "norm { kind: RMS } positions { kind: ROTARY theta: 1e6 windowed { theta: 10000 } }",
    "gemma3 without windows": f"family: GEMMA3 {DECODER} attention {{ heads: 6 kv_heads: 2 head_norm: true }} {GEMMA} "
                              "norm { kind: RMS } positions { kind: ROTARY theta: 1e6 windowed { theta: 10000 } }",
    "phi3": f"family: PHI3 {DECODER} attention {{ heads: 3 window: 9 }} {GATED} positions {{ kind: ROTARY rotated: 6 scaling {{ factors {{ "
            "divisors: [1, 1.5, 2] attention_factor: 1.1 } } }",
    "gpt2": f"family: GPT2 {DECODER} attention {{ heads: 4 bias: true }} {PLAIN}",
    "bert": f"family: BERT {DECODER} attention {{ heads: 4 bias: true }} {PLAIN}",
    "roberta": f"family: ROBERTA {DECODER} attention {{ heads: 4 bias: true }} {PLAIN}",
    "xlm-roberta": f"family: XLM_ROBERTA {DECODER} attention {{ heads: 4 bias: true }} {PLAIN} positions {{ first: 4 }}",
    "distilbert": f"family: DISTILBERT {DECODER} attention {{ heads: 4 bias: true }} {PLAIN}",
}
ENCODERS = ["bert", "roberta", "xlm-roberta", "distilbert"]


def run(*command, check=True):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if check and result.returncode != 0:
        sys.exit(f"{command} ends with {result.returncode}: {result.stderr}")
    return result


def check(llmc, golden, folder, name):
    # One that has a token for gaps.
    tokenizer = golden / "bert-odd"
    vocabulary = len(json.loads((tokenizer / "tokenizer.json").read_text())["model"]["vocab"])
    definition = folder / f"{name}.textproto"
    definition.write_text(f"vocabulary: {vocabulary} {MODELS[name]}\n")
    objective = "objective { masked_tokens { part: 0.3 } }" if name in ENCODERS else ""
    recipe = folder / f"{name}.recipe"
    recipe.write_text(f"""model {{ {definition.read_text()} }} {objective}
batch {{ sequences: 4 length: 32 }}
run {{
  train_data: "{folder}/data/train.tokens" output: "{folder}/{name}" steps: {STEPS} learning_rate: 1e-2 seed: 7
}}
""")
    run(llmc, "train", recipe, "--tokenizer", tokenizer, "-q", "-o", folder / "trainer")
    run(folder / "trainer", "-q", "--restart")
    losses = [json.loads(line)["loss"] for line in (folder / name / "log.jsonl").read_text().splitlines() if "loss" in json.loads(line)]
    # A new model finds all tokens about as likely. (Larger scales of embeddings make large logits.)
    if abs(losses[0] - math.log(vocabulary)) > (2 if name.startswith("gemma") else 0.3) or not losses[-1] < losses[0] - 0.2:
        sys.exit(f"{name}: losses are {losses}, expected them to begin near {math.log(vocabulary)} and to fall")
    checkpoint = folder / name / f"checkpoint-{STEPS:08}"
    defined, saved = [run(llmc, "inspect", model, "--definition").stdout for model in (definition, checkpoint)]
    if defined != saved:
        sys.exit(f"{name}: the checkpoint is\n{saved}\nexpected\n{defined}")
    run(llmc, "compile", checkpoint, "-q", "-o", folder / "model.llmc")


def main():
    llmc, golden = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else pathlib.Path(temporary)
        (folder / "text.txt").write_text("The reader reads it at once. Two pieces begin, and tokens are split.\n" * 200)
        run(llmc, "data", "pack", folder / "text.txt", "--tokenizer", golden / "bert-odd", "-o", folder / "data", "--validation", 0)
        for name in MODELS:
            check(llmc, golden, folder, name)


main()
