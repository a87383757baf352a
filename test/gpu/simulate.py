"""Compiles models for GPUs and runs the artifacts on the host: kernels as they are shipped, but for LLVM's choice of
instructions and ptxas, under the CUDA runtime and a simulated driver. Outputs are held to those of the processor. Then
faults are planted in the kernels, each of which has to be found; and ptxas, where there is one, has to accept all kernels
without spilling registers.

    python3 simulate.py LLMC GPU_CHECK SIMULATOR GOLDEN
"""

import array
import json
import math
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile

import ptxas

MODELS = [("llama-odd", 40), ("llama-tied", 12), ("mistral-window", 40), ("bert-odd", 21), ("heads/bert-sequence", 21),
          ("heads/distilbert-masked", 13)]
# Weights in blocks: without and with minima, of 4 and of 8 bits.
QUANTIZED = ["q4_0", "q4_1", "q8_0"]
# The kernels for all architectures, and those that use what sm_90a has.
FORMS = {"host": ["--gpu-arch=host"], "sm_90a": ["--gpu-arch=host-sm_90a"],
         "streamed": ["--gpu-arch=host-sm_90a", "--stream-weights"]}
# In which order warps run: a seed, and a warp that runs only when no other can.
SCHEDULES = ["1", "2,0", "3,3", "0,7"]
# What the kernels do without, all of its kind at once.
FAULTS = {"sm_90a": ["barrier", "copy-wait", "proxy-fence", "product-fence", "product-wait", "launch-wait"],
          "streamed": ["phase-wait", "phase-arrival", "phase-bytes", "phase-start", "launch-wait"]}
BOUND = "0.015"  # of the largest output: weights and queries are rounded to bf16 in places


class Simulation:
    def __init__(self, llmc, check, simulator, golden, folder):
        self.llmc, self.check, self.simulator = llmc, check, simulator
        self.golden, self.folder = pathlib.Path(golden), pathlib.Path(folder)

    def call(self, *command):
        subprocess.run([str(part) for part in [self.llmc, *command]], check=True)

    def compile(self, model, output, *options, dtype="bf16"):
        self.call("compile", "-q", self.golden / model, "--dtype", dtype, "-o", self.folder / output, *options)
        return self.folder / output

    def outputs(self, artifact, tokens, schedule="0", omitted=""):
        """The file with the outputs, or None if the run fails."""
        environment = {**os.environ, "LLMC_CUDA_DRIVER": self.simulator, "LLMC_SIMT_SCHEDULE": schedule, "LLMC_SIMT_OMIT": omitted}
        target = artifact.with_name(artifact.name + ".out")
        command = [self.check, "outputs", artifact, str(tokens), target]
        result = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, check=False)
        self.said = result.stderr.strip()
        return target if result.returncode == 0 else None

    def agrees(self, found, expected):
        command = [self.check, "compare", found, expected, BOUND]
        result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        self.said = (result.stdout + result.stderr).strip()
        return result.returncode == 0


def make_even_llama(golden, folder):
    """A checkpoint with random weights, all of whose rows are whole blocks."""
    width, inner, kv_width = 64, 1088, 32
    config = json.loads((golden / "llama-tied" / "config.json").read_text())
    config |= {"hidden_size": width, "intermediate_size": inner, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
               "attention_bias": False, "mlp_bias": False}
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], width), "model.norm.weight": (width,)}
    for layer in range(config["num_hidden_layers"]):
        for name, shape in {"input_layernorm": (width,), "post_attention_layernorm": (width,), "self_attn.q_proj": (width, width),
                            "self_attn.k_proj": (kv_width, width), "self_attn.v_proj": (kv_width, width), "self_attn.o_proj": (width, width),
                            "mlp.gate_proj": (inner, width), "mlp.up_proj": (inner, width), "mlp.down_proj": (width, inner)}.items():
            shapes[f"model.layers.{layer}.{name}.weight"] = shape
    header, data, numbers = {}, array.array("f"), random.Random(1)
    for name, shape in shapes.items():
        begin = 4 * len(data)
        data.extend(1 + 0.1 * numbers.gauss(0, 1) if len(shape) == 1 else numbers.gauss(0, 1) / shape[1] ** 0.5 for _ in range(math.prod(shape)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, 4 * len(data)]}
    text = json.dumps(header).encode()
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data.tobytes())
    for file in (golden / "llama-tied").glob("tokenizer*"):
        shutil.copy(file, folder)
    return folder


def check_forms(simulation, model, tokens, dtype, schedules):
    name = pathlib.Path(model).name
    expected = simulation.outputs(simulation.compile(model, f"{name}.llmc", "--cache-type", "bf16", dtype=dtype), tokens)
    for form, options in FORMS.items():
        artifact = simulation.compile(model, f"{name}.{form}", "--target=cuda", *options, dtype=dtype)
        for schedule in schedules:
            found = simulation.outputs(artifact, tokens, schedule)
            if found is None or not simulation.agrees(found, expected):
                sys.exit(f"{model}, {form}, schedule {schedule}: {simulation.said}")


def check_models(simulation):
    for model, tokens in MODELS:
        check_forms(simulation, model, tokens, "bf16", ["0", *(SCHEDULES if model == "llama-tied" else [])])
    even = make_even_llama(simulation.golden, simulation.folder / "even")
    for dtype in QUANTIZED:
        checkpoint = simulation.folder / f"even.{dtype}.gguf"
        simulation.call("convert", "-q", even, "--dtype", dtype, "-o", checkpoint)
        check_forms(simulation, checkpoint, 12, "auto", ["0"])


def check_faults(simulation):
    model, tokens = "llama-tied", 12
    expected = simulation.outputs(simulation.folder / f"{model}.llmc", tokens)
    for form, faults in FAULTS.items():
        for fault in faults:
            found = simulation.outputs(simulation.folder / f"{model}.{form}", tokens, omitted=fault)
            if found is not None and simulation.agrees(found, expected):
                sys.exit(f"kernels ({form}) without {fault} give right outputs: the fault was not found")


def check_resources(simulation):
    if ptxas.find() is None:
        print("no ptxas: registers of kernels are not checked")
        return
    # ptxas spills a few words of kernels for blocks.
    for model, dtype, spilled in [("llama-tied", "bf16", 0), (simulation.folder / "even.q4_1.gguf", "auto", 64)]:
        for arch in ptxas.ARCHS:
            for options in [[], *([["--stream-weights"]] if arch == "sm_90a" else [])]:
                source = simulation.compile(model, f"{arch}.ptx", "--target=cuda", f"--gpu-arch={arch}", "--emit=ptx", *options, dtype=dtype)
                if found := ptxas.complaints(source, arch, spilled):
                    sys.exit(f"{model}, {arch} {options}: {found}")


def main():
    # All but the artifacts are given by their whole names, which processes of other folders understand.
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation(*sys.argv[1:5], folder)
        check_models(simulation)
        check_faults(simulation)
        check_resources(simulation)


main()
