"""Writes a GGUF file with the shape of Llama 3 8B and a tokenizer as large as its own. All weights are Q4_0 and zero, and
nothing but the header takes room on the disk: the rest of the file is a hole. Programs that import this may set another
shape and format first.

    python3 sparse_llama.py FILE
"""

import struct
import sys

HIDDEN, FEED_FORWARD, HEADS, KV_HEADS, LAYERS, CONTEXT, VOCABULARY = 4096, 14336, 32, 8, 32, 8192, 128256
ALIGNMENT = 32

# Numbers of the GGUF v3 specification.
U32, F32, STRING, ARRAY = 4, 6, 8, 9
TENSOR_F32, TENSOR_Q4_0, TENSOR_Q8_0 = 0, 2, 8
BLOCK_BYTES = {TENSOR_Q4_0: 18, TENSOR_Q8_0: 34}  # of 32 elements
MATRIX = TENSOR_Q4_0


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    """A metadata entry; the value of an array is a list of strings or of integers."""
    head = string(key) + struct.pack("<I", kind)
    if kind == U32:
        return head + struct.pack("<I", value)
    if kind == F32:
        return head + struct.pack("<f", value)
    if kind == STRING:
        return head + string(value)
    if isinstance(value[0], str):
        return head + struct.pack("<IQ", STRING, len(value)) + b"".join(map(string, value))
    return head + struct.pack(f"<IQ{len(value)}I", U32, len(value), *value)


def byte_alphabet():
    """The characters that byte-level BPE writes the 256 bytes with."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (chr(256 + i) for i in range(256 - len(printable)))
    return [chr(byte) if byte in printable else next(others) for byte in range(256)]


def tokenizer():
    """Tokens of one, two and three bytes, each but the first made by one merge, and two that have a role."""
    alphabet = byte_alphabet()
    tokens, merges = list(alphabet), []
    made = 0
    while len(tokens) < VOCABULARY - 2:
        left, right = tokens[made // 256], alphabet[made % 256]
        tokens.append(left + right)
        merges.append(f"{left} {right}")
        made += 1
    return [*tokens, "<s>", "</s>"], merges


def metadata():
    tokens, merges = tokenizer()
    return [
        entry("general.architecture", STRING, "llama"),
        entry("general.name", STRING, "zeros in the shape of Llama 3 8B"),
        entry("llama.context_length", U32, CONTEXT),
        entry("llama.embedding_length", U32, HIDDEN),
        entry("llama.block_count", U32, LAYERS),
        entry("llama.feed_forward_length", U32, FEED_FORWARD),
        entry("llama.attention.head_count", U32, HEADS),
        entry("llama.attention.head_count_kv", U32, KV_HEADS),
        entry("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        entry("llama.rope.freq_base", F32, 500000.0),
        entry("llama.rope.dimension_count", U32, HIDDEN // HEADS),
        entry("llama.vocab_size", U32, VOCABULARY),
        entry("tokenizer.ggml.model", STRING, "gpt2"),
        entry("tokenizer.ggml.pre", STRING, "llama-bpe"),
        entry("tokenizer.ggml.tokens", ARRAY, tokens),
        entry("tokenizer.ggml.token_type", ARRAY, [1] * (VOCABULARY - 2) + [3] * 2),
        entry("tokenizer.ggml.merges", ARRAY, merges),
        entry("tokenizer.ggml.bos_token_id", U32, VOCABULARY - 2),
        entry("tokenizer.ggml.eos_token_id", U32, VOCABULARY - 1),
    ]


def tensors():
    """Name, shape and type of each; the size of a row comes last."""
    key_width = HIDDEN // HEADS * KV_HEADS
    yield "token_embd.weight", (VOCABULARY, HIDDEN), MATRIX
    for layer in range(LAYERS):
        for name, *shape in (
            ("attn_norm", HIDDEN),
            ("attn_q", HIDDEN, HIDDEN),
            ("attn_k", key_width, HIDDEN),
            ("attn_v", key_width, HIDDEN),
            ("attn_output", HIDDEN, HIDDEN),
            ("ffn_norm", HIDDEN),
            ("ffn_gate", FEED_FORWARD, HIDDEN),
            ("ffn_up", FEED_FORWARD, HIDDEN),
            ("ffn_down", HIDDEN, FEED_FORWARD),
        ):
            yield f"blk.{layer}.{name}.weight", shape, MATRIX if len(shape) == 2 else TENSOR_F32
    yield "output_norm.weight", (HIDDEN,), TENSOR_F32
    yield "output.weight", (VOCABULARY, HIDDEN), MATRIX


def aligned(size):
    return -(-size // ALIGNMENT) * ALIGNMENT


def write(path):
    entries, infos, end = metadata(), [], 0
    for name, shape, kind in tensors():
        dimensions = tuple(reversed(shape))  # GGUF writes the size of a row first
        infos.append(
            string(name)
            + struct.pack(f"<I{len(shape)}QIQ", len(shape), *dimensions, kind, end)
        )
        elements = 1
        for size in shape:
            elements *= size
        end = aligned(end + (elements // 32 * BLOCK_BYTES[kind] if kind in BLOCK_BYTES else elements * 4))
    header = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(entries)) + b"".join(entries) + b"".join(infos)
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(aligned(len(header)) + end)


if __name__ == "__main__":
    write(sys.argv[1])
