#!/usr/bin/env python3
"""Write LoRA adapters of the tiny checkpoints beside this script with PEFT, and what transformers computes with them.

    adapters/llama-odd/       of three kinds of layers, with ranks and scales of their own, divided by the root of the rank
    adapters/llama-other/     of llama-odd too: of other layers and of the embedding
    adapters/llama-saved/     of llama-odd: of the embedding, and with a head and a norm that replace those of the model
    adapters/gpt2-odd/        of layers whose matrices lie as [in, out]
    adapters/qwen2-odd/       of layers that a regular expression names, some of which have biases
    adapters/qwen3-window/    of all that attention is computed from, where heads are whole vectors
    adapters/qwen3-other/     of qwen3-window too: of other layers and of the embedding
    adapters/mistral-window/  of f32 matrices, and, in quantized.safetensors, of those of a Q4_0 file of the same model

Each is a directory as PEFT writes them, and beside its files `golden.safetensors` as make_llama_random.py has it: the
adapter is kept beside the model, not merged, and everything is computed in f32.

Usage: make_adapters.py [OUTPUT_DIRECTORY]   (default: the directory of this script; needs gguf, peft, torch, transformers)
"""

import pathlib
import sys

import gguf
import torch
from make_llama_random import PROMPT, golden
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM


def load(root, model):
    return AutoModelForCausalLM.from_pretrained(
        root / model, dtype=torch.float32, attn_implementation="eager"
    ).eval()


def randomize(adapted, seed):
    """Adapters that matter as much as what they are added to."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(adapted.named_parameters()):
        if "lora_" in name or "modules_to_save" in name:
            noise = torch.randn(parameter.shape, generator=generator)
            if "lora_" not in name:
                parameter.data += 0.1 * noise
            elif "lora_A" in name:
                parameter.data.copy_(noise * parameter.shape[-1] ** -0.5)
            else:
                parameter.data.copy_(0.3 * noise)


def expected(root, model, base, folder):
    """What the adapter in `folder` makes of `base`; the files are read back."""
    adapted = PeftModel.from_pretrained(base, folder).eval()
    tokens = Tokenizer.from_file(str(root / model / "tokenizer.json")).encode(PROMPT).ids
    return golden(adapted, tokens)


def write(root, name, model, config, seed, storage=torch.float32, **saving):
    folder = root / "adapters" / name
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*"):
        stale.unlink()
    adapted = get_peft_model(load(root, model), config)
    adapted.peft_config["default"].base_model_name_or_path = model
    randomize(adapted, seed)
    adapted.to(storage).save_pretrained(folder, **saving)
    (folder / "README.md").unlink()
    tensors = expected(root, model, load(root, model), folder)
    save_file(tensors, folder / "golden.safetensors", metadata={"prompt": PROMPT})
    for path in folder.iterdir():
        path.chmod(0o644)
    print(f"{name}: least margin {float(tensors['margin'].min()):.4f}")


def quantize(model):
    """The numbers that `llmc convert --dtype q4_0` writes: rows that are no whole blocks are F16, vectors stay."""
    for parameter in model.parameters():
        if parameter.dim() != 2:
            continue
        if parameter.shape[1] % 32:
            parameter.data.copy_(parameter.data.half().float())
        else:
            codes = gguf.quants.quantize(parameter.data.numpy(), gguf.GGMLQuantizationType.Q4_0)
            parameter.data.copy_(torch.from_numpy(gguf.quants.dequantize(codes, gguf.GGMLQuantizationType.Q4_0)))
    return model


if __name__ == "__main__":
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent
    torch.set_num_threads(1)
    write(
        output,
        "llama-odd",
        "llama-odd",
        LoraConfig(
            r=5,
            lora_alpha=7,
            use_rslora=True,
            target_modules=["q_proj", "v_proj", "down_proj"],
            rank_pattern={"v_proj": 2, "layers.1.self_attn.q_proj": 3},
            alpha_pattern={r"^model.layers.\d.mlp.down_proj": 4, "layers.1.self_attn.v_proj": 11},
        ),
        1,
    )
    write(
        output,
        "llama-saved",
        "llama-odd",
        LoraConfig(r=3, lora_alpha=3, target_modules=["embed_tokens", "k_proj"], modules_to_save=["lm_head", "norm"]),
        2,
    )
    write(
        output,
        "llama-other",
        "llama-odd",
        LoraConfig(r=4, lora_alpha=3, target_modules=["q_proj", "k_proj", "gate_proj", "o_proj", "embed_tokens"]),
        6,
        save_embedding_layers=False,
    )
    write(
        output,
        "gpt2-odd",
        "gpt2-odd",
        LoraConfig(r=4, lora_alpha=6, target_modules=["c_attn", "c_proj"], fan_in_fan_out=True),
        3,
        torch.float16,
    )
    write(
        output,
        "qwen2-odd",
        "qwen2-odd",
        LoraConfig(
            r=4, lora_alpha=8, target_modules=r"model\.layers\.(0\.self_attn\.(q|k)_proj|1\.mlp\.\w+_proj)"
        ),
        4,
        torch.bfloat16,
    )
    write(
        output,
        "qwen3-window",
        "qwen3-window",
        LoraConfig(r=3, lora_alpha=4, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
        7,
    )
    write(
        output,
        "qwen3-other",
        "qwen3-window",
        LoraConfig(r=2, lora_alpha=3, target_modules=["v_proj", "gate_proj", "down_proj", "embed_tokens"]),
        8,
        save_embedding_layers=False,
    )
    write(output, "mistral-window", "mistral-window", LoraConfig(r=3, lora_alpha=5, target_modules=["q_proj", "o_proj"]), 5)
    folder = output / "adapters" / "mistral-window"
    tensors = expected(output, "mistral-window", quantize(load(output, "mistral-window")), folder)
    save_file(tensors, folder / "quantized.safetensors", metadata={"prompt": PROMPT})
    (folder / "quantized.safetensors").chmod(0o644)
