"""Compiles models for GPUs and runs the artifacts on the host: kernels as they are shipped, but for LLVM's choice of
instructions and ptxas, under the CUDA runtime and a simulated driver. Outputs are held to those of the processor. Then
faults are planted in the kernels, each of which has to be found; and ptxas, where there is one, has to accept all kernels
without spilling registers.

    python3 simulate.py LLMC GPU_CHECK SIMULATOR GOLDEN
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import ptxas

MODELS = [("llama-odd", 40), ("llama-tied", 12), ("mistral-window", 40), ("bert-odd", 21), ("heads/bert-sequence", 21),
          ("heads/distilbert-masked", 13)]
# The kernels for all architectures, and those that use what sm_90a has.
FORMS = ["host", "host-sm_90a"]
# In which order warps run: a seed, and a warp that runs only when no other can.
SCHEDULES = ["1", "2,0", "3,3", "0,7"]
# What the kernels do without, all of its kind at once.
FAULTS = ["barrier", "copy-wait", "proxy-fence", "product-fence", "product-wait"]
BOUND = "0.015"  # of the largest output: weights and queries are rounded to bf16 in places


class Simulation:
    def __init__(self, llmc, check, simulator, golden, folder):
        self.llmc, self.check, self.simulator = llmc, check, simulator
        self.golden, self.folder = pathlib.Path(golden), pathlib.Path(folder)

    def compile(self, model, output, *options):
        command = [self.llmc, "compile", "-q", self.golden / model, "--dtype", "bf16", "-o", self.folder / output, *options]
        subprocess.run([str(part) for part in command], check=True)
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


def check_models(simulation):
    for model, tokens in MODELS:
        name = pathlib.Path(model).name
        expected = simulation.outputs(simulation.compile(model, f"{name}.llmc", "--cache-type", "bf16"), tokens)
        for form in FORMS:
            artifact = simulation.compile(model, f"{name}.{form}", "--target=cuda", f"--gpu-arch={form}")
            for schedule in ["0", *(SCHEDULES if model == "llama-tied" else [])]:
                found = simulation.outputs(artifact, tokens, schedule)
                if found is None or not simulation.agrees(found, expected):
                    sys.exit(f"{model} for {form}, schedule {schedule}: {simulation.said}")


def check_faults(simulation):
    model, tokens = "llama-tied", 12
    expected = simulation.outputs(simulation.folder / f"{model}.llmc", tokens)
    for fault in FAULTS:
        found = simulation.outputs(simulation.folder / f"{model}.host-sm_90a", tokens, omitted=fault)
        if found is not None and simulation.agrees(found, expected):
            sys.exit(f"kernels without {fault} give right outputs: the fault was not found")


def check_resources(simulation):
    if ptxas.find() is None:
        print("no ptxas: registers of kernels are not checked")
        return
    for arch in ptxas.ARCHS:
        source = simulation.compile("llama-tied", f"{arch}.ptx", "--target=cuda", f"--gpu-arch={arch}", "--emit=ptx")
        if found := ptxas.complaints(source, arch):
            sys.exit(f"{arch}: {found}")


def main():
    # All but the artifacts are given by their whole names, which processes of other folders understand.
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation(*sys.argv[1:5], folder)
        check_models(simulation)
        check_faults(simulation)
        check_resources(simulation)


main()
