"""Writes the seeds of the fuzzers of GGUF, safetensors, SentencePiece and the importer with the formats' own Python packages.

    python make_corpus.py        (needs gguf, numpy, safetensors, sentencepiece, protobuf)
"""

import io
import pathlib

import numpy as np
import sentencepiece
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter, quants
from safetensors.numpy import save_file
from sentencepiece import sentencepiece_model_pb2

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


def model(name, family, sizes, tensors, more=lambda writer: None):
    """A whole small model, for the fuzzer of the importer."""
    writer = GGUFWriter(folder / f"import/gguf_corpus/{name}.gguf", family)
    for key, size in sizes.items():
        writer.add_uint32(f"{family}.{key}", size)
    more(writer)
    for tensor, shape in tensors.items():
        writer.add_tensor(tensor, np.ones(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


sizes = {
    "block_count": 1,
    "context_length": 8,
    "embedding_length": 4,
    "feed_forward_length": 3,
    "attention.head_count": 2,
}
llama = {"token_embd.weight": (6, 4), "output_norm.weight": 4, "blk.0.attn_norm.weight": 4, "blk.0.ffn_norm.weight": 4}
llama |= {f"blk.0.attn_{part}.weight": (4, 4) for part in ("q", "k", "v", "output")}
llama |= {"blk.0.ffn_gate.weight": (3, 4), "blk.0.ffn_up.weight": (3, 4), "blk.0.ffn_down.weight": (4, 3)}


def llama_fields(writer):
    writer.add_uint32("llama.attention.head_count_kv", 2)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_uint32("llama.rope.dimension_count", 2)
    writer.add_float32("llama.rope.freq_base", 10000)


def yarn(writer):
    llama_fields(writer)
    writer.add_string("llama.rope.scaling.type", "yarn")
    writer.add_float32("llama.rope.scaling.factor", 4)
    writer.add_uint32("llama.rope.scaling.original_context_length", 4)


def bpe(writer):
    llama_fields(writer)
    writer.add_string("tokenizer.ggml.model", "gpt2")
    writer.add_string("tokenizer.ggml.pre", "smollm")
    writer.add_array("tokenizer.ggml.tokens", ["a", "b", "c", "ab", "abc", "<end>"])
    writer.add_array("tokenizer.ggml.token_type", [1, 1, 1, 1, 1, 3])
    writer.add_array("tokenizer.ggml.merges", ["a b", "ab c"])
    writer.add_uint32("tokenizer.ggml.eos_token_id", 5)
    writer.add_float32("general.sampling.temp", 0.5)


model("llama", "llama", sizes, llama, llama_fields)
model("yarn", "llama", sizes, llama, yarn)
model("factors", "llama", sizes, llama | {"rope_freqs.weight": 1, "output.weight": (6, 4)}, llama_fields)
model("tokenizer", "llama", sizes, llama, bpe)

bert = {"token_embd.weight": (6, 4), "position_embd.weight": (8, 4), "token_types.weight": (2, 4)}
for norm in ("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"):
    bert |= {f"{norm}.weight": 4, f"{norm}.bias": 4}
for part, shape in {"attn_q": (4, 4), "attn_k": (4, 4), "attn_v": (4, 4), "attn_output": (4, 4), "ffn_up": (3, 4)}.items():
    bert |= {f"blk.0.{part}.weight": shape, f"blk.0.{part}.bias": shape[0]}
bert |= {"blk.0.ffn_down.weight": (4, 3), "blk.0.ffn_down.bias": 4}


def bert_fields(writer):
    writer.add_float32("bert.attention.layer_norm_epsilon", 1e-12)
    writer.add_uint32("bert.pooling_type", 1)


model("bert", "bert", sizes, bert, bert_fields)


def sentencepiece_model(name, kind, **options):
    """A model behind the byte that chooses the class of tokenizer."""
    buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["Hello world 12", "the world, the hello abab é", "other words there"] * 3),
        model_writer=buffer,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    model = sentencepiece_model_pb2.ModelProto.FromString(buffer.getvalue())
    model.normalizer_spec.ClearField("normalization_rule_tsv")
    (folder / f"text/sentencepiece_model_corpus/{name}").write_bytes(bytes([kind]) + model.SerializeToString())


(folder / "text/sentencepiece_model_corpus").mkdir(exist_ok=True)
rules = folder / "rules.tsv"
rules.write_text("65 301\tE9\n61 62\t62 20\nA\t20\n")
sentencepiece_model("xlm-roberta", 3, model_type="unigram", vocab_size=40, normalization_rule_name="identity")
sentencepiece_model("rules", 1, model_type="unigram", vocab_size=40, normalization_rule_tsv=str(rules), user_defined_symbols=["the", "ab"])
sentencepiece_model("bpe", 2, model_type="bpe", vocab_size=50, normalization_rule_name="identity", user_defined_symbols=["ab", "aba"])
sentencepiece_model("bytes", 0, model_type="bpe", vocab_size=300, normalization_rule_name="identity", byte_fallback=True)
rules.unlink()
