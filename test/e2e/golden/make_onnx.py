#!/usr/bin/env python3
"""Export the tiny encoders and decoders of this directory to ONNX, in the ways that people do.

    onnx/NAME-EXPORTER/model.onnx, beside the config.json that says what its outputs are

NAME is a checkpoint of this directory (heads/NAME), whose golden.safetensors holds for the exported model too. EXPORTER is

    legacy14    torch.onnx.export by tracing, opset 14, attention as products and softmax
    legacy17    the same with opset 17 and PyTorch's scaled_dot_product_attention
    dynamo18    torch.onnx.export by torch.export, opset 18, scaled_dot_product_attention
    dynamo20    the same with opset 20, attention as products and softmax
    cache17     legacy17 of a decoder with its cache: keys and values of earlier tokens are inputs, those of all tokens outputs
    runtime14   legacy14 behind the optimizer of ONNX Runtime, with its own operators

Each file is run by ONNX Runtime first, and has to agree with golden.safetensors. What exporters note about where a node comes from is
removed; it is several times as large as the model.

Needs torch, transformers, onnx, onnxruntime, onnxscript and sympy.

Usage: make_onnx.py [OUTPUT_DIRECTORY]   (default: onnx beside this script)
"""

import pathlib
import shutil
import sys

import numpy as np
import onnx
import onnxruntime
import torch
import transformers
from onnxruntime.transformers import optimizer as model_optimizer
from safetensors.numpy import load_file
from transformers import AutoConfig, AutoModel, DynamicCache

HERE = pathlib.Path(__file__).resolve().parent

EXPORTERS = {
    "legacy14": {"dynamo": False, "opset": 14, "attention": "eager"},
    "legacy17": {"dynamo": False, "opset": 17, "attention": "sdpa"},
    "dynamo18": {"dynamo": True, "opset": 18, "attention": "sdpa"},
    "dynamo20": {"dynamo": True, "opset": 20, "attention": "eager"},
    "cache17": {"dynamo": False, "opset": 17, "attention": "sdpa", "cache": True},
    "runtime14": {"dynamo": False, "opset": 14, "attention": "eager", "optimize": True},
}
EXPORTS = [
    *(("bert-odd", exporter) for exporter in EXPORTERS if exporter != "cache17"),
    ("distilbert-odd", "runtime14"),
    ("roberta-odd", "legacy14"),
    ("roberta-odd", "dynamo18"),
    ("distilbert-odd", "legacy14"),
    ("distilbert-odd", "dynamo18"),
    ("heads/bert-masked", "legacy14"),
    ("heads/bert-sequence", "legacy17"),
    ("heads/bert-answer", "dynamo18"),
    ("heads/roberta-sequence", "dynamo20"),
    ("heads/roberta-masked", "legacy17"),
    ("heads/distilbert-tokens", "dynamo18"),
    ("heads/distilbert-sequence", "legacy14"),
    ("heads/distilbert-answer", "legacy17"),
    ("gpt2-odd", "legacy14"),
    ("gpt2-odd", "dynamo18"),
    ("qwen2-odd", "cache17"),
    ("qwen2-window", "dynamo18"),
]
DECODERS = ("gpt2", "qwen2")


class Positional(torch.nn.Module):
    """A model whose inputs are given in order, as tracing wants them, and whose outputs are a tuple."""

    def __init__(self, model, names, outputs):
        super().__init__()
        self.model, self.names, self.outputs = model, names, outputs

    def forward(self, *values):
        result = self.model(**dict(zip(self.names, values)))
        return tuple(result[name] for name in self.outputs)


class WithCache(torch.nn.Module):
    """A decoder that is given keys and values of earlier tokens, and positions."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens, mask, positions, *past):
        cache = DynamicCache()
        for layer in range(len(past) // 2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        result = self.model(
            input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )  # fmt: skip
        return result.logits, *(tensor for layer in result.past_key_values.layers for tensor in (layer.keys, layer.values))


def load(source, attention):
    torch.manual_seed(0)  # of poolers that a checkpoint does not have
    config = AutoConfig.from_pretrained(HERE / source)
    config.use_cache = False
    has_head = source.startswith("heads") or config.model_type in DECODERS
    kind = getattr(transformers, config.architectures[0]) if has_head else AutoModel
    return kind.from_pretrained(HERE / source, dtype=torch.float32, config=config, attn_implementation=attention).eval()


def outputs_of(model):
    if "QuestionAnswering" in type(model).__name__:
        return ["start_logits", "end_logits"]
    if "For" in type(model).__name__ or "LMHead" in type(model).__name__:
        return ["logits"]
    return ["last_hidden_state", "pooler_output"] if getattr(model, "pooler", None) else ["last_hidden_state"]


def export_with_cache(model, path, opset, golden):
    config = model.config
    tokens = torch.tensor(golden["tokens"].astype(np.int64))[None]
    heads, size = config.num_key_value_heads, config.hidden_size // config.num_attention_heads

    def inputs(count, earlier, batch):
        ids = tokens[:, :count].repeat(batch, 1)
        cache = [torch.zeros(batch, heads, earlier, size) for _ in range(2 * config.num_hidden_layers)]
        return [ids, torch.ones(batch, count + earlier, dtype=torch.int64), torch.arange(count)[None].repeat(batch, 1) + earlier, *cache]

    cache = [f"{layer}.{part}" for layer in range(config.num_hidden_layers) for part in ("key", "value")]
    names = ["input_ids", "attention_mask", "position_ids", *(f"past_key_values.{name}" for name in cache)]
    outputs = ["logits", *(f"present.{name}" for name in cache)]
    axes = {name: {0: "batch", 1: "sequence"} for name in [*names[:3], "logits"]}
    axes["attention_mask"] = {0: "batch", 1: "total"}
    axes |= {name: {0: "batch", 2: "past"} for name in names[3:]} | {name: {0: "batch", 2: "total"} for name in outputs[1:]}
    torch.onnx.export(
        WithCache(model), tuple(inputs(4, 3, 2)), str(path), input_names=names, output_names=outputs, dynamic_axes=axes,
        opset_version=opset, dynamo=False,
    )  # fmt: skip
    strip(path)
    check(path, dict(zip(names, inputs(tokens.shape[1], 0, 1))), ["logits"], golden)


def export(source, path, dynamo, opset, attention, optimize=False, cache=False):
    model = load(source, attention)
    golden = load_file(HERE / source / "golden.safetensors")
    if cache:
        export_with_cache(model, path, opset, golden)
        return
    tokens = np.atleast_2d(golden["tokens"])
    inputs = {"input_ids": tokens, "attention_mask": golden.get("attention_mask", np.ones_like(tokens))}
    if model.config.model_type == "bert":
        inputs["token_type_ids"] = golden["token_types"]
    inputs = {name: torch.tensor(value.astype(np.int64)) for name, value in inputs.items()}
    names, outputs = list(inputs), outputs_of(model)
    axes = {0: "batch", 1: "sequence"}
    if dynamo:
        options = {"dynamic_shapes": (tuple(dict(axes) for _ in names),), "external_data": False}
    else:
        pooled = {"pooler_output"} | ({"logits"} if "Sequence" in type(model).__name__ else set())
        options = {"dynamic_axes": {name: {0: "batch"} if name in pooled else axes for name in names + outputs}}
    # A batch of one is taken for one of any size only if it is none.
    examples = [torch.cat([value, value]) if len(value) == 1 else value for value in inputs.values()]
    torch.onnx.export(
        Positional(model, names, outputs), tuple(examples), str(path), input_names=names, output_names=outputs,
        opset_version=opset, dynamo=dynamo, **options,
    )  # fmt: skip
    if optimize:
        config = model.config
        model_optimizer.optimize_model(
            str(path), model_type="bert", num_heads=config.num_attention_heads, hidden_size=config.hidden_size, opt_level=0
        ).save_model_to_file(str(path))  # fmt: skip
    strip(path)
    check(path, inputs, outputs, golden)


def strip(path):
    model = onnx.load(path)
    del model.metadata_props[:]
    del model.graph.value_info[:]
    for item in [model.graph, *model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output]:
        item.doc_string = ""
        if hasattr(item, "metadata_props"):
            del item.metadata_props[:]
    onnx.save(model, path)


def check(path, inputs, outputs, golden):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    wanted = {entry.name for entry in session.get_inputs()}
    values = session.run(outputs, {name: value.numpy() for name, value in inputs.items() if name in wanted})
    mask = inputs["attention_mask"].numpy()[..., None]
    if outputs[0] == "start_logits":
        found, expected = np.stack(values, axis=-1) * mask, golden["logits"]
    elif outputs[0] == "logits":
        found, expected = values[0], golden["logits"].reshape(values[0].shape)
        found = found * mask if found.ndim == 3 else found
    else:
        found, expected = values[0] * mask, golden["last_hidden_state"]
    error = np.abs(found - expected).max() / np.abs(expected).max()
    operators = len(onnx.load(path).graph.node)
    print(f"{path.parent.name}: {path.stat().st_size} bytes, {operators} nodes, ONNX Runtime is {error:.1e} away from transformers")
    assert error < 1e-5, path


def main(root):
    shutil.rmtree(root, ignore_errors=True)
    for source, exporter in EXPORTS:
        directory = root / f"{source.removeprefix('heads/')}-{exporter}"
        directory.mkdir(parents=True)
        shutil.copy(HERE / source / "config.json", directory)
        export(source, directory / "model.onnx", **EXPORTERS[exporter])


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "onnx")
