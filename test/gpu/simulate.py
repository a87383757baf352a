"""Compiles models for GPUs and runs the artifacts on the host: kernels as they are shipped, but for LLVM's choice of
instructions and ptxas, under the CUDA runtime and a simulated driver. Outputs are held to those of the processor. Then
faults are planted in the kernels, each of which has to be found; and ptxas, where there is one, has to accept all kernels
without spilling registers.

    python3 simulate.py LLMC GPU_CHECK SIMULATOR GOLDEN
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

MODELS = [("llama-odd", 40), ("llama-tied", 12), ("mistral-window", 40), ("bert-odd", 21), ("heads/bert-sequence", 21),
          ("heads/distilbert-masked", 13)]
# The kernels for all architectures, and those that use what sm_90a has.
FORMS = ["host", "host-sm_90a"]
# In which order warps run: a seed, and a warp that runs only when no other can.
SCHEDULES = ["1", "2,0", "3,3", "0,7"]
# What is taken out of the kernels, all of its kind at once.
FAULTS = ["nvvm.barrier0", "nvvm.cp.async.wait.group", "nvvm.fence.proxy", "nvvm.wgmma.fence.aligned", "nvvm.wgmma.wait"]
BOUND = "0.015"  # of the largest output: weights and queries are rounded to bf16 in places


class Simulation:
    def __init__(self, llmc, check, simulator, golden, folder):
        self.llmc, self.check, self.simulator = llmc, check, simulator
        self.golden, self.folder = pathlib.Path(golden), pathlib.Path(folder)

    def compile(self, model, output, *options):
        command = [self.llmc, "compile", "-q", self.golden / model, "--dtype", "bf16", "-o", self.folder / output, *options]
        subprocess.run([str(part) for part in command], check=True)
        return self.folder / output

    def outputs(self, artifact, tokens, schedule="0"):
        """The file with the outputs, or None if the run fails."""
        environment = {**os.environ, "LLMC_CUDA_DRIVER": self.simulator, "LLMC_SIMT_SCHEDULE": schedule}
        target = artifact.with_suffix(".out")
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
    expected = simulation.folder / f"{model}.out"
    simulation.compile(model, "program.mlir", "--target=cuda", "--gpu-arch=host-sm_90a", "--emit=llvm")
    lines = (simulation.folder / "program.mlir").read_text().splitlines(keepends=True)
    for fault in FAULTS:
        kept = [line for line in lines if fault not in line]
        if len(kept) == len(lines):
            sys.exit(f"no kernel has {fault}")
        (simulation.folder / "wrong.mlir").write_text("".join(kept))
        options = ["--target=cuda", "--gpu-arch=host-sm_90a", "--start-from", simulation.folder / "wrong.mlir"]
        command = [simulation.llmc, "compile", "-q", simulation.golden / model, *options, "-o", simulation.folder / "wrong.llmc"]
        subprocess.run([str(part) for part in command], check=True)
        found = simulation.outputs(simulation.folder / "wrong.llmc", tokens)
        if found is not None and simulation.agrees(found, expected):
            sys.exit(f"kernels without {fault} give right outputs: the fault was not found")


def check_resources(simulation):
    ptxas = shutil.which("ptxas") or shutil.which("ptxas", path="/usr/local/cuda/bin")
    if ptxas is None:
        print("no ptxas: registers of kernels are not checked")
        return
    for arch in ["sm_80", "sm_90a", "sm_100"]:
        source = simulation.compile("llama-tied", f"{arch}.ptx", "--target=cuda", f"--gpu-arch={arch}", "--emit=ptx")
        command = [ptxas, f"-arch={arch}", "-v", str(source), "-o", str(source.with_suffix(".cubin"))]
        report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        for line in report.splitlines():
            spills = "bytes spill stores" in line and " 0 bytes spill stores" not in line
            # Products of warpgroups that ptxas runs one after the other, or waits for by itself.
            if spills or any(code in line for code in ["C7504", "C7514", "C7517", "C7519"]):
                sys.exit(f"{arch}: {line}")


def main():
    # All but the artifacts are given by their whole names, which processes of other folders understand.
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation(*sys.argv[1:5], folder)
        check_models(simulation)
        check_faults(simulation)
        check_resources(simulation)


main()
