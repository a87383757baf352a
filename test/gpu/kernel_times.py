"""Where the time of a command on a GPU goes, by Nsight Compute: seconds, launches and how busy the device was, of each kernel.

    python3 kernel_times.py LAUNCHES COMMAND...       looks at the first LAUNCHES kernels
"""

import collections
import csv
import subprocess
import sys

METRICS = {
    "gpu__time_duration.sum": "microseconds",
    "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_active": "tensor %",
    "dram__bytes.sum.pct_of_peak_sustained_elapsed": "memory %",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "warps %",
}


def main():
    launches, command = sys.argv[1], sys.argv[2:]
    result = subprocess.run(["ncu", "--clock-control", "none", "--cache-control", "none", "--graph-profiling", "node", "--launch-count", launches, "--csv", "--page", "raw",
                             "--metrics", ",".join(METRICS), *command], capture_output=True, text=True)
    lines = result.stdout.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), None)
    if start is None:
        sys.exit(result.stdout[-2000:] + result.stderr[-2000:])
    rows = list(csv.DictReader(lines[start:]))
    units = rows.pop(0)
    to_microseconds = {"ns": 1e-3, "us": 1.0, "ms": 1e3, "nsecond": 1e-3, "usecond": 1.0, "msecond": 1e3}[units["gpu__time_duration.sum"]]
    kernels = collections.defaultdict(list)
    for row in rows:
        numbers = [float(row.get(metric, "").replace(",", "") or "nan") for metric in METRICS]
        numbers[0] *= to_microseconds
        kernels[row["Kernel Name"], row["Grid Size"]].append(numbers)
    total = sum(numbers[0] for launched in kernels.values() for numbers in launched)
    print(f"{len(rows)} launches, {total:.0f} us\n{'us':>9} {'%':>5} {'count':>5}  " + "  ".join(list(METRICS.values())[1:]) + "  kernel")
    for (name, grid), launched in sorted(kernels.items(), key=lambda item: -sum(numbers[0] for numbers in item[1])):
        time = sum(numbers[0] for numbers in launched)
        means = [sum(column) / len(launched) for column in list(zip(*launched))[1:]]
        print(f"{time:9.1f} {100 * time / total:5.1f} {len(launched):5}  " + "  ".join(f"{mean:8.1f}" for mean in means) + f"  {name} {grid}")


main()
