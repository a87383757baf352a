"""damage.py ARTIFACT RESULT weights|truncate: a copy of an artifact with one bit of its weights flipped, or its end cut off.

The manifest, a protobuf message, is not parsed: the weights of an artifact are its largest page-aligned part, and its code
ends within the first half of these small files' weights.
"""
import struct
import sys

source, result, kind = sys.argv[1:]
with open(source, "rb") as file:
    content = bytearray(file.read())
# The footer: "LLMCART1", then where the manifest begins.
magic = content.rfind(b"LLMCART1")
(manifest,) = struct.unpack_from("<Q", content, magic + 8)
if kind == "truncate":
    content = content[: len(content) * 2 // 3]
else:
    content[manifest - 64] ^= 1
with open(result, "wb") as file:
    file.write(content)
