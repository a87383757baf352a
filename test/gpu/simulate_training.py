"""Trains small models on a simulated GPU. Each parameter's gradient is held to what the processor computes (after one step
AdamW's first moment is a tenth of it), and so are the losses of some steps. Then faults are planted, each of which has to be
found; and ptxas, where there is one, has to accept all kernels without spilling registers.

    python3 simulate_training.py LLMC TOKENIZER SIMULATOR
"""

import array
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e" / "training"))
import ptxas  # noqa: E402
import runs  # noqa: E402

STEPS = 3
TIMEOUT = 60  # seconds: kernels with a fault may loop for ever
# What the kernels do without, all of its kind at once.
FAULTS = ["barrier", "copy-wait", "product-fence", "product-wait", "phase-wait", "phase-arrival", "phase-bytes", "phase-start",
          "launch-wait"]
SCHEDULES = ["1", "2,0"]
# Tiles of products by warpgroups, and blocks that share one, that small models would not get by cost.
TILES = ["256,1", "128,3", "256,2"]
# Of the largest number of a gradient: sums in another order, and operands of products rounded to bf16.
BOUNDS = {"F32": 2e-4, "BF16": 0.05}
# Products of bf16 have a form of their own for sm_90a.
ARCHS = {"F32": ["host"], "BF16": ["host", "host-sm_90a"]}
# More rows than a block has, and sizes that no tile or vector divides.
FAMILIES = {
    "llama": runs.FAMILIES["llama"].replace("40", "80").replace("sequences: 3", "sequences: 2"),
    "gpt2": runs.FAMILIES["gpt2"].replace("context: 48", "context: 96").replace("sequences: 4 length: 45", "sequences: 1 length: 70")
    + "\ndropout { embedding: 0.1 residual: 0.2 } label_smoothing: 0.1 average: 0.9",
}


def tensors(path):
    """The tensors of a safetensors file, by name."""
    contents = path.read_bytes()
    size = int.from_bytes(contents[:8], "little")
    header = json.loads(contents[8 : 8 + size])
    header.pop("__metadata__", None)
    result = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        result[name] = array.array("f", contents[begin:end])
    return result


class Simulation(runs.Workshop):
    def __init__(self, llmc, tokenizer, simulator, folder):
        super().__init__(llmc, tokenizer, folder)
        self.simulator = simulator

    def make(self, family, name, precision, *options):
        return self.trainer(family, name, "checkpoint_every: 1 keep_checkpoints: 9", f"precision: {precision}", options)

    def run_steps(self, trainer, output, schedule="0", omitted="", steps=STEPS):
        """First moments after one step and the losses of all steps, or None if the run fails."""
        environment = {**os.environ, "LLMC_CUDA_DRIVER": self.simulator, "LLMC_SIMT_SCHEDULE": schedule, "LLMC_SIMT_OMIT": omitted}
        folder = self.folder / output
        command = [trainer, "-q", "--restart", "--override", f"steps={steps}", "--override", f"output={folder}"]
        try:
            result = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, check=False,
                                    timeout=TIMEOUT if omitted else None)
        except subprocess.TimeoutExpired:
            self.said = f"no end after {TIMEOUT} s"
            return None
        self.said = result.stderr.strip()
        if result.returncode != 0:
            return None
        losses = [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]
        return tensors(folder / "checkpoint-00000001" / "exp_avg.safetensors"), losses


def disagreement(found, expected, bound):
    """Where two runs differ by more than `bound`, or nothing."""
    for name, values in expected[0].items():
        largest = max(map(abs, values))
        error = max(abs(x - y) for x, y in zip(values, found[0][name]))
        if not error <= bound * largest:
            return f"the gradient of {name} is off by {error / largest} of its largest number"
    for step, (x, y) in enumerate(zip(found[1], expected[1]), start=1):  # of the shorter run
        if not abs(x - y) <= bound:
            return f"step {step}: the loss is {x}, expected {y}"
    return ""


def check_faults(simulation, trainer, expected, bound):
    for fault in FAULTS:
        found = simulation.run_steps(trainer, "wrong", omitted=fault, steps=1)
        if found is not None and not disagreement(found, expected, bound):
            sys.exit(f"kernels without {fault} give right gradients: the fault was not found")


def check_profile(simulation, trainer):
    """A profile lists kernels, and leaves the folder of the run alone."""
    folder = simulation.folder / "profiled"
    folder.mkdir()
    (folder / "log.jsonl").write_text("kept")
    environment = {**os.environ, "LLMC_CUDA_DRIVER": simulation.simulator}
    command = [str(trainer), "-q", "--restart", "--override", f"output={folder}", "--profile", "1"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0 or "product_loss" not in result.stdout:
        sys.exit(f"--profile: {result.stdout}{result.stderr}")
    if [path.name for path in folder.iterdir()] != ["log.jsonl"] or (folder / "log.jsonl").read_text() != "kept":
        sys.exit("--profile changes the folder of a run")


def check_resources(simulation, family):
    if ptxas.find() is None:
        print("no ptxas: registers of kernels are not checked")
        return
    for arch in ptxas.ARCHS:
        for tiles in ["0,0", *(TILES if arch == "sm_90a" else [])]:
            options = ["--target=cuda", f"--gpu-arch={arch}", "--emit=ptx", f"--product-tiles={tiles}"]
            if found := ptxas.complaints(simulation.make(family, f"{family}-{arch}", "BF16", *options), arch):
                sys.exit(f"{arch}, tiles {tiles}: {found}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        runs.FAMILIES.update(FAMILIES)
        simulation = Simulation(*sys.argv[1:4], folder)
        for family in FAMILIES:
            expected = simulation.run_steps(simulation.make(family, f"{family}-cpu", "F32"), f"{family}-cpu")
            for precision, bound in BOUNDS.items():
                for arch in ARCHS[precision]:
                    trainer = simulation.make(family, f"{family}-{precision}", precision, "--target=cuda", f"--gpu-arch={arch}")
                    for schedule in ["0", *(SCHEDULES if family == "llama" and arch == ARCHS[precision][-1] else [])]:
                        found = simulation.run_steps(trainer, f"{family}-{precision}", schedule)
                        problem = simulation.said if found is None else disagreement(found, expected, bound)
                        if problem:
                            sys.exit(f"{family}, {precision}, {arch}, schedule {schedule}: {problem}")
            for tiles in TILES if family == "gpt2" else TILES[-1:]:
                options = ["--target=cuda", "--gpu-arch=host-sm_90a", f"--product-tiles={tiles}"]
                found = simulation.run_steps(simulation.make(family, f"{family}-{tiles}", "BF16", *options), f"{family}-{tiles}")
                problem = simulation.said if found is None else disagreement(found, expected, bound)
                if problem:
                    sys.exit(f"{family}, tiles {tiles}: {problem}")
            if family == "gpt2":
                check_faults(simulation, trainer, expected, bound)
                check_profile(simulation, trainer)
            check_resources(simulation, family)


main()
