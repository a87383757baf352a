"""Writes the golden files of this folder with the reference of the formats (the Python packages gguf and numpy).

    python make_goldens.py

FORMAT.blocks   random blocks: every bit random, except that the scales are finite halves, and exponents such that
                the values are normal numbers
FORMAT.f32      their values, f32
values.f32      input of quantization: random values of several magnitudes, zeros and ties
FORMAT.rounded  values.f32 in the format
"""

import pathlib

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import quants

folder = pathlib.Path(__file__).parent
random = np.random.default_rng(20260101)

# Byte offsets of the halves in a block.
half_offsets = {
    "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "Q2_K": [80, 82], "Q3_K": [108], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [],
}
later_formats = ["Q2_K", "Q3_K", "IQ4_NL", "IQ4_XS", "MXFP4"]  # so that the numbers of the others stay


def random_blocks(name, elements=1024):
    size, width = quants.GGML_QUANT_SIZES[Type[name]]
    blocks = random.integers(0, 256, (elements // size, width), dtype=np.uint8)
    for offset in half_offsets[name]:
        halves = np.float16(random.standard_normal(len(blocks)) * 10.0 ** random.integers(-6, 3, len(blocks)))
        blocks[:, offset:offset + 2] = halves.view(np.uint8).reshape(-1, 2)
    if name == "MXFP4":
        blocks[:, 0] = random.integers(0, 252, len(blocks))
        blocks[:2, 0] = [0, 1]
    return blocks


def write_blocks(name):
    blocks = random_blocks(name)
    (folder / f"{name}.blocks").write_bytes(blocks.tobytes())
    (folder / f"{name}.f32").write_bytes(quants.dequantize(blocks, Type[name]).astype("<f4").tobytes())


for name in half_offsets:
    if name not in later_formats:
        write_blocks(name)

values = np.float32(random.standard_normal(1024) * np.repeat(10.0 ** random.integers(-6, 4, 32), 32))
values[32:64] = 0
values[64:96] = np.float32(3.25)
values[96:128] = np.arange(-16, 16, dtype=np.float32) / 2
values[128] = 0
(folder / "values.f32").write_bytes(values.astype("<f4").tobytes())
for name in ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"]:
    (folder / f"{name}.rounded").write_bytes(quants.quantize(values, Type[name]).tobytes())

for name in later_formats:
    write_blocks(name)
