"""Writes the seeds of the fuzzers of GGUF, safetensors, ONNX, SentencePiece, adapters and the importer with the formats' own Python packages.

    python make_corpus.py        (needs gguf, numpy, onnx, safetensors, sentencepiece, protobuf)
"""

import io
import json
import pathlib

import numpy as np
import onnx
import sentencepiece
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter, quants
from safetensors.numpy import save, save_file
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


class OnnxGraph:
    """A graph that is written node by node."""

    def __init__(self):
        self.nodes, self.tensors = [], []

    def node(self, op, *inputs, **attributes):
        output = f"v{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(op, list(inputs), [output], name=f"/{op}_{output}", **attributes))
        return output

    def tensor(self, values):
        name = f"t{len(self.tensors)}"
        self.tensors.append(onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def weight(self, *shape):
        return self.tensor(random.standard_normal(shape).astype(np.float32))

    def number(self, value):
        return self.tensor(np.float32(value))

    def save(self, name, inputs, output, opset):
        def value(name, kind, axes):
            return onnx.helper.make_tensor_value_info(name, kind, axes)

        integer, real = onnx.TensorProto.INT64, onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            [*self.nodes, onnx.helper.make_node("Identity", [output], ["last_hidden_state"])],
            name,
            [value(name, integer, ["batch", "sequence"]) for name in inputs],
            [value("last_hidden_state", real, ["batch", "sequence", 4])],
            self.tensors,
        )
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
        onnx.save(model, folder / f"onnx/corpus/{name}.onnx")


def onnx_encoder(name, decomposed):
    """One layer of BERT, with norms and activation as operators, or as sums and products of others."""
    g = OnnxGraph()
    axis = g.tensor(np.int64(1))
    length = g.node("Gather", g.node("Shape", "input_ids"), axis)
    places = g.node("Range", g.tensor(np.int64(0)), length, axis)
    x = g.node("Add", g.node("Gather", g.weight(6, 4), "input_ids"), g.node("Gather", g.weight(2, 4), "token_type_ids"))
    x = g.node("Add", x, g.node("Gather", g.weight(8, 4), g.node("Unsqueeze", places, g.tensor(np.array([0])))))

    def norm(x):
        weight, bias = g.weight(4), g.weight(4)
        if not decomposed:
            return g.node("LayerNormalization", x, weight, bias, axis=-1, epsilon=1e-5)
        centered = g.node("Sub", x, g.node("ReduceMean", x, axes=[-1]))
        variance = g.node("ReduceMean", g.node("Pow", centered, g.number(2)), axes=[-1])
        deviation = g.node("Sqrt", g.node("Add", variance, g.number(1e-5)))
        return g.node("Add", g.node("Mul", g.node("Div", centered, deviation), weight), bias)

    def linear(x, size, width):
        return g.node("Add", g.node("MatMul", x, g.weight(size, width)), g.weight(width))

    def heads(x, order):
        shape = g.tensor(np.array([0, -1, 2, 2]))
        return g.node("Transpose", g.node("Reshape", linear(x, 4, 4), shape), perm=order)

    mask = g.node("Cast", g.node("Unsqueeze", "attention_mask", g.tensor(np.array([1, 2]))), to=1)
    mask = g.node("Mul", g.node("Sub", g.number(1), mask), g.number(-1e9))
    x = norm(x)
    scores = g.node("MatMul", heads(x, [0, 2, 1, 3]), heads(x, [0, 2, 3, 1]))
    scores = g.node("Add", g.node("Div", scores, g.number(1.4142135)), mask)
    mixed = g.node("MatMul", g.node("Softmax", scores, axis=-1), heads(x, [0, 2, 1, 3]))
    mixed = g.node("Reshape", g.node("Transpose", mixed, perm=[0, 2, 1, 3]), g.tensor(np.array([0, 0, 4])))
    x = norm(g.node("Add", x, linear(mixed, 4, 4)))
    inner = linear(x, 4, 3)
    if decomposed:
        erf = g.node("Erf", g.node("Div", inner, g.number(1.4142135)))
        inner = g.node("Mul", g.node("Mul", inner, g.node("Add", erf, g.number(1))), g.number(0.5))
    else:
        inner = g.node("Gelu", inner)
    x = norm(g.node("Add", x, linear(inner, 3, 4)))
    g.save(name, ["input_ids", "attention_mask", "token_type_ids"], x, 14 if decomposed else 20)


onnx_encoder("decomposed", True)
onnx_encoder("whole", False)


def adapter(name, tensors, **options):
    """adapter_config.json, a zero byte, and the tensors, of llama-odd among the golden checkpoints."""
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj"]} | options
    data = save({f"base_model.model.{key}": np.ones(shape, np.float32) for key, shape in tensors.items()})
    (folder / f"peft/corpus/{name}").write_bytes(json.dumps(config).encode() + b"\0" + data)


def matrices(layer, out, inputs):
    return {f"{layer}.lora_A.weight": (2, inputs), f"{layer}.lora_B.weight": (out, 2)}


(folder / "peft/corpus").mkdir(exist_ok=True)
query = matrices("model.layers.0.self_attn.q_proj", 60, 60)
adapter("small", query)
adapter("patterns", query, r=4, rank_pattern={"q_proj": 2}, alpha_pattern={"^model.*": 3}, use_rslora=True)
adapter("regex", query | matrices("model.layers.2.self_attn.v_proj", 12, 60), target_modules=r".*\.(q|v)_proj")
adapter(
    "embedding",
    {"model.embed_tokens.lora_embedding_A": (2, 197), "model.embed_tokens.lora_embedding_B": (60, 2)},
    target_modules=["embed_tokens"],
)
adapter("saved", {"lm_head.weight": (197, 60), "model.norm.weight": (60,)}, modules_to_save=["lm_head", "norm"])
