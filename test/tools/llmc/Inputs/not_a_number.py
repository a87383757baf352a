"""not_a_number.py CHECKPOINT RESULT: a copy of a directory whose model.safetensors has NaN as all elements of its first tensor."""
import json
import shutil
import struct
import sys

source, result = sys.argv[1:]
shutil.copytree(source, result)
with open(result + "/model.safetensors", "r+b") as file:
    (length,) = struct.unpack("<Q", file.read(8))
    header = json.loads(file.read(length))
    begin, end = next(tensor["data_offsets"] for name, tensor in header.items() if name != "__metadata__")
    file.seek(8 + length + begin)
    file.write(b"\xff" * (end - begin))  # NaN in each floating-point type
