"""What ptxas of the CUDA toolkit says of kernels."""

import os
import re
import shutil
import subprocess

ARCHS = ["sm_80", "sm_90a", "sm_100"]
# Products of warpgroups that ptxas runs one after the other, or waits for by itself, and registers that it does not share out.
WARNINGS = ["C7504", "C7514", "C7515", "C7517", "C7519"]


def find():
    """The ptxas that llmc takes, too."""
    in_home = shutil.which("ptxas", path=os.path.join(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "bin"))
    return in_home or shutil.which("ptxas") or shutil.which("ptxas", path="/usr/local/cuda/bin")


def complaints(source, arch, spilled_bytes=0):
    """Lines about more than `spilled_bytes` of spilled registers and about products that do not run side by side, of the kernels
    in a file of PTX."""
    command = [find(), f"-arch={arch}", "-v", str(source), "-o", str(source.with_suffix(".cubin"))]
    report = subprocess.run(command, capture_output=True, text=True, check=False)
    if report.returncode != 0:
        return report.stderr.splitlines() or [f"ptxas ended with {report.returncode}"]
    kernel, found = "", []
    for line in report.stderr.splitlines():
        if "Compiling entry function" in line:
            kernel = line.split("'")[1]
        spilled = re.search(r"(\d+) bytes spill stores", line)
        if (spilled and int(spilled.group(1)) > spilled_bytes) or any(code in line for code in WARNINGS):
            found.append(f"{kernel}: {line}")
    return found
