"""Makes an adapter of PEFT with one tensor of zeros: make_adapter.py DIRECTORY CONFIG TENSOR ROWS COLUMNS"""
import json
import pathlib
import sys

folder, config, name, rows, columns = sys.argv[1:]
bytes_of = 4 * int(rows) * int(columns)
header = json.dumps({name: {"dtype": "F32", "shape": [int(rows), int(columns)], "data_offsets": [0, bytes_of]}}).encode()
path = pathlib.Path(folder)
path.mkdir()
(path / "adapter_config.json").write_text(config, encoding="utf-8")
(path / "adapter_model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(bytes_of))
