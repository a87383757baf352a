"""Writes the seeds of the GGUF and safetensors fuzzers with the formats' own Python packages.

    python make_corpus.py        (needs gguf, numpy, safetensors)
"""

import pathlib

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter, quants
from safetensors.numpy import save_file

folder = pathlib.Path(__file__).parent
random = np.random.default_rng(1)

writer = GGUFWriter(folder / "gguf/corpus/small.gguf", "llama")
writer.add_uint32("llama.block_count", 2)
writer.add_float32("f", 1.5)
writer.add_bool("b", True)
writer.add_array("tokens", ["a", "bc", ""])
writer.add_array("types", [1, 2, 3])
writer.add_uint64("u", 2**63)
writer.add_array("n", [0.5, 1.5])
writer.add_tensor("norm", np.ones(4, np.float32))
writer.add_tensor("half", np.ones((2, 4), np.float16))
for name in ["Q8_0", "Q4_1", "BF16"]:
    row = random.standard_normal((1, 256)).astype(np.float32)
    writer.add_tensor(name, quants.quantize(row, Type[name]), raw_dtype=Type[name])
writer.add_tensor("Q6_K", random.integers(0, 256, (1, 210), dtype=np.uint8), raw_dtype=Type.Q6_K)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

save_file(
    {
        "a": np.ones((2, 3), np.float32),
        "b": np.zeros((4,), np.float16),
        "ids": np.arange(3),
        "e": np.zeros((0, 2), np.float32),
    },
    folder / "safetensors/corpus/small.safetensors",
    metadata={"format": "pt"},
)
