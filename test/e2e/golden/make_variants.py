#!/usr/bin/env python3
"""Write variants.json and variants.safetensors: what transformers computes for the tiny checkpoints with other options.

Each entry of variants.json has a name, the checkpoint whose weights are used, and `config`, the fields of config.json that
are changed. variants.safetensors holds, under the name of the variant, f32 logits [6, vocab] (or hidden states [6,
width] of the first sequence, for an encoder) after the last six tokens of the
checkpoint's own golden.safetensors.

Usage: make_variants.py [DIRECTORY]   (default: the directory of this script, which holds the checkpoints)
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    BertModel,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    MistralForCausalLM,
    Phi3ForCausalLM,
    Qwen2ForCausalLM,
)

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 40}

VARIANTS = [
    ("linear", "llama-odd", {"rope_scaling": {"rope_type": "linear", "factor": 2.5}}),
    ("yarn", "llama-odd", {"rope_scaling": YARN}),
    ("yarn_attention_factor", "llama-odd", {"rope_scaling": YARN | {"attention_factor": 0.75}}),
    ("yarn_betas", "llama-odd", {"rope_scaling": YARN | {"beta_fast": 8.0, "beta_slow": 0.5}}),
    ("yarn_mscale", "llama-odd", {"rope_scaling": YARN | {"mscale": 0.9, "mscale_all_dim": 0.4}}),
    ("yarn_own_context", "llama-odd", {"rope_scaling": {"rope_type": "yarn", "factor": 3.0}}),
    # The factor counts, whatever max_position_embeddings / original_max_position_embeddings is (160 / 40).
    ("yarn_other_factor", "llama-odd", {"rope_scaling": YARN | {"factor": 2.5}}),
    ("no_scaling", "llama-tied", {"rope_scaling": None}),
    ("no_window", "mistral-window", {"sliding_window": None}),
    ("window_1", "mistral-window", {"sliding_window": 1}),
    ("qwen2_no_window", "qwen2-window", {"layer_types": ["full_attention"] * 3}),
    ("qwen2_first_window", "qwen2-window", {"layer_types": ["sliding_attention", "full_attention", "full_attention"]}),
    ("gemma2_scale_of_heads", "gemma2-odd", {"query_pre_attn_scalar": 18}),
    ("gemma2_no_caps", "gemma2-odd", {"attn_logit_softcapping": None, "final_logit_softcapping": None}),
    ("gemma3_windows", "gemma3-odd", {"layer_types": ["sliding_attention"] * 5}),
    ("gemma3_cap", "gemma3-odd", {"final_logit_softcapping": 2.0}),
    ("gemma3_rotations", "gemma3-odd", {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 3e4}}}),
    ("gemma3_local_base", "gemma3-odd", {
        "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 3e4}},
        "rope_theta": 2e4,
        "rope_local_base_freq": 700.0,
    }),
    ("phi3_longrope", "phi3-odd", {
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 3000.0,
            "partial_rotary_factor": 0.5,
            "short_factor": [1.0, 1.25, 2.5],
            "long_factor": [1.5, 4.0, 9.0],
        },
        "original_max_position_embeddings": 80,
    }),
    ("phi3_no_window", "phi3-odd", {"sliding_window": None}),
    ("phi3_rotates_whole", "phi3-odd", {"rope_parameters": {"rope_type": "default", "rope_theta": 3000.0}}),
    ("gpt2_gelu", "gpt2-odd", {"activation_function": "gelu"}),
    ("gpt2_relu", "gpt2-odd", {"activation_function": "relu"}),
    ("gelu_new", "bert-odd", {"hidden_act": "gelu_new"}),
    ("gelu_pytorch_tanh", "bert-odd", {"hidden_act": "gelu_pytorch_tanh"}),
    ("relu", "bert-odd", {"hidden_act": "relu"}),
    ("silu", "bert-odd", {"hidden_act": "silu"}),
]

CLASSES = {
    "llama": LlamaForCausalLM,
    "mistral": MistralForCausalLM,
    "qwen2": Qwen2ForCausalLM,
    "gemma2": Gemma2ForCausalLM,
    "gemma3_text": Gemma3ForCausalLM,
    "phi3": Phi3ForCausalLM,
    "gpt2": GPT2LMHeadModel,
    "bert": BertModel,
}


@torch.no_grad()
def compute(directory, changes):
    config = AutoConfig.for_model(**json.loads((directory / "config.json").read_text()) | changes)
    model = CLASSES[config.model_type].from_pretrained(
        directory, config=config, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    golden = load_file(directory / "golden.safetensors")
    if config.model_type != "bert":
        return model(golden["tokens"].long().unsqueeze(0), use_cache=False).logits[0, -6:].contiguous()
    count = int(golden["attention_mask"][0].sum())
    tokens, types = golden["tokens"][:1, :count].long(), golden["token_types"][:1, :count].long()
    return model(input_ids=tokens, token_type_ids=types).last_hidden_state[0, -6:].contiguous()


def main(root):
    tensors = {name: compute(root / checkpoint, changes) for name, checkpoint, changes in VARIANTS}
    save_file(tensors, root / "variants.safetensors", metadata={"reference": "transformers f32"})
    variants = [{"name": name, "checkpoint": checkpoint, "config": changes} for name, checkpoint, changes in VARIANTS]
    (root / "variants.json").write_text(json.dumps(variants, indent=1) + "\n")
    (root / "variants.safetensors").chmod(0o644)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent)
