"""Measures with PyTorch what the GPU can do: bytes a second of a large read, and bf16 products a second. Prints JSON."""

import json

import torch


def seconds(work, repetitions=20):
    for _ in range(3):
        work()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    times = []
    for _ in range(repetitions):
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return sorted(times)[len(times) // 2]


def main():
    source = torch.randn(1 << 30, device="cuda")  # 4 GiB
    target = torch.empty_like(source)
    copy = 2 * source.nbytes / seconds(lambda: target.copy_(source))
    read = source.nbytes / seconds(lambda: source.sum())
    del source, target
    size = 8192
    a = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
    b = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
    rate = 2 * size**3 / seconds(lambda: a @ b)
    print(json.dumps({"copy_gb_per_second": copy / 1e9, "read_gb_per_second": read / 1e9, "bf16_tflops": rate / 1e12}))


main()
