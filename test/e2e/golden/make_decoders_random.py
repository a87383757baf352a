#!/usr/bin/env python3
"""Write tiny checkpoints of decoder families other than Llama, with random weights and the logits of transformers.

    qwen2-odd/     Qwen2, biases of queries, keys and values, one key head for three query heads, tied head, bf16
    qwen2-window/  Qwen2, layers from the second on with a sliding window shorter than the prompt, separate head, f32
    qwen3-odd/     Qwen3, norms of heads of 10, head_dim != hidden/heads, tied head, f16
    qwen3-window/  Qwen3, norms of heads of 32, as wide as whole vectors, biases, a sliding window in one layer, f32
    phi3-odd/      Phi-3, merged projections, half of each head of 12 rotates, sliding window, bf16
    gemma-odd/     Gemma, heads of 14 and not hidden/heads, tied head, f32
    gemma2-odd/    Gemma 2, soft limits, every other layer with a window of 5, heads of 18, the splitting of Gemma, bf16
    gemma3-odd/    Gemma 3, norms of heads of 20, a window in four of five layers, two rotations, linear scaling, f32
    gpt2-odd/      GPT-2, heads of 11, learned positions, f32
    mixtral-odd/   Mixtral, 3 of 5 experts a token, grouped heads of 12, bf16
    qwen2moe-odd/  Qwen2-MoE, 2 of 7 experts beside a shared one, f32
    qwen3moe-odd/  Qwen3-MoE, 4 of 6 experts whose weights add up to one, norms of heads, f16
    qwen3moe-dense/  Qwen3-MoE, experts in the second of three layers, whose weights do not add up to one, f32

The files are those of make_llama_random.py, as transformers 5 writes them.

Usage: make_decoders_random.py [OUTPUT_DIRECTORY]   (default: the directory of this script)
"""

import pathlib
import sys

import torch
from make_llama_random import byte_level_gpt2, gemma_like, write
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    MixtralConfig,
    MixtralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

GPT2_TOKENS = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": "<|endoftext|>",
    "eos_token": "<|endoftext|>",
    "clean_up_tokenization_spaces": False,
    "model_max_length": 160,
}


def make_qwen2_odd(root):
    config = Qwen2Config(
        vocab_size=197,
        hidden_size=36,
        num_attention_heads=3,
        num_key_value_heads=1,
        intermediate_size=52,
        num_hidden_layers=2,
        max_position_embeddings=160,
        rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
        rms_norm_eps=1e-4,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
    )
    write(root / "qwen2-odd", Qwen2ForCausalLM(config), 7, torch.bfloat16, byte_level_gpt2(197), GPT2_TOKENS)


def make_qwen2_window(root):
    config = Qwen2Config(
        vocab_size=197,
        hidden_size=28,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=37,
        num_hidden_layers=3,
        max_position_embeddings=160,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        use_sliding_window=True,
        sliding_window=5,
        max_window_layers=1,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    write(root / "qwen2-window", Qwen2ForCausalLM(config), 3, torch.float32, byte_level_gpt2(197), GPT2_TOKENS)


def make_qwen3_odd(root):
    config = Qwen3Config(
        vocab_size=197,
        hidden_size=44,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=10,  # and not 44 / 6
        intermediate_size=60,
        num_hidden_layers=3,
        max_position_embeddings=160,
        rope_parameters={"rope_type": "default", "rope_theta": 20000.0},
        rms_norm_eps=1e-3,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
    )
    write(root / "qwen3-odd", Qwen3ForCausalLM(config), 5, torch.float16, byte_level_gpt2(197), GPT2_TOKENS)


def make_qwen3_window(root):
    config = Qwen3Config(
        vocab_size=197,
        hidden_size=20,
        num_attention_heads=3,
        num_key_value_heads=1,
        head_dim=32,
        intermediate_size=28,
        num_hidden_layers=2,
        max_position_embeddings=160,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        attention_bias=True,
        use_sliding_window=True,
        sliding_window=6,
        layer_types=["sliding_attention", "full_attention"],
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    write(root / "qwen3-window", Qwen3ForCausalLM(config), 2, torch.float32, byte_level_gpt2(197), GPT2_TOKENS)


def make_phi3_odd(root):
    config = Phi3Config(
        vocab_size=197,
        hidden_size=60,
        num_attention_heads=5,
        num_key_value_heads=1,
        intermediate_size=44,
        num_hidden_layers=2,
        max_position_embeddings=160,
        original_max_position_embeddings=160,
        rope_parameters={"rope_type": "default", "rope_theta": 3000.0, "partial_rotary_factor": 0.5},
        sliding_window=9,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    write(root / "phi3-odd", Phi3ForCausalLM(config), 9, torch.bfloat16, byte_level_gpt2(197), GPT2_TOKENS)


GEMMA_TOKENS = {
    "tokenizer_class": "GemmaTokenizer",
    "bos_token": "<bos>",
    "eos_token": "<eos>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "add_bos_token": True,
    "add_eos_token": False,
    "clean_up_tokenization_spaces": False,
    "model_max_length": 160,
}


def make_gemma_odd(root):
    config = GemmaConfig(
        vocab_size=353,
        hidden_size=44,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=14,
        intermediate_size=60,
        num_hidden_layers=2,
        max_position_embeddings=160,
        rope_parameters={"rope_type": "default", "rope_theta": 7000.0},
        rms_norm_eps=1e-4,
        bos_token_id=2,
        eos_token_id=1,
        pad_token_id=0,
    )
    write(root / "gemma-odd", GemmaForCausalLM(config), 11, torch.float32, gemma_like(353), GEMMA_TOKENS)


def make_gemma2_odd(root):
    config = Gemma2Config(
        vocab_size=353,
        hidden_size=36,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=18,
        intermediate_size=52,
        num_hidden_layers=3,
        max_position_embeddings=160,
        rope_parameters={"rope_type": "default", "rope_theta": 9000.0},
        rms_norm_eps=1e-4,
        query_pre_attn_scalar=12,
        sliding_window=5,
        attn_logit_softcapping=3.0,
        final_logit_softcapping=5.0,
        bos_token_id=2,
        eos_token_id=1,
        pad_token_id=0,
    )
    write(root / "gemma2-odd", Gemma2ForCausalLM(config), 12, torch.bfloat16, gemma_like(353), GEMMA_TOKENS)


def make_gemma3_odd(root):
    config = Gemma3TextConfig(
        vocab_size=353,
        hidden_size=28,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=20,
        intermediate_size=44,
        num_hidden_layers=5,
        max_position_embeddings=160,
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 3.0, "rope_theta": 50000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 500.0},
        },
        rms_norm_eps=1e-4,
        query_pre_attn_scalar=20,
        sliding_window=6,
        sliding_window_pattern=5,
        bos_token_id=2,
        eos_token_id=1,
        pad_token_id=0,
    )
    write(root / "gemma3-odd", Gemma3ForCausalLM(config), 13, torch.float32, gemma_like(353), GEMMA_TOKENS)


def make_gpt2_odd(root):
    config = GPT2Config(
        vocab_size=197,
        n_embd=33,
        n_head=3,
        n_layer=2,
        n_positions=160,
        layer_norm_epsilon=2e-4,
        bos_token_id=0,
        eos_token_id=0,
    )
    write(root / "gpt2-odd", GPT2LMHeadModel(config), 4, torch.float32, byte_level_gpt2(197), GPT2_TOKENS)


def make_mixtral_odd(root):
    config = MixtralConfig(
        vocab_size=197,
        hidden_size=36,
        num_attention_heads=3,
        num_key_value_heads=1,
        intermediate_size=21,
        num_local_experts=5,
        num_experts_per_tok=3,
        num_hidden_layers=2,
        max_position_embeddings=160,
        rope_parameters={"rope_type": "default", "rope_theta": 9000.0},
        rms_norm_eps=1e-4,
        bos_token_id=0,
        eos_token_id=0,
    )
    write(root / "mixtral-odd", MixtralForCausalLM(config), 12, torch.bfloat16, byte_level_gpt2(197), GPT2_TOKENS)


def make_qwen2moe_odd(root):
    config = Qwen2MoeConfig(
        vocab_size=197,
        hidden_size=28,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=37,
        moe_intermediate_size=19,
        shared_expert_intermediate_size=45,
        num_experts=7,
        num_experts_per_tok=2,
        num_hidden_layers=2,
        max_position_embeddings=160,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        bos_token_id=0,
        eos_token_id=0,
    )
    write(root / "qwen2moe-odd", Qwen2MoeForCausalLM(config), 14, torch.float32, byte_level_gpt2(197), GPT2_TOKENS)


def make_qwen3moe_odd(root):
    config = Qwen3MoeConfig(
        vocab_size=197,
        hidden_size=44,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=10,  # and not 44 / 6
        intermediate_size=60,
        moe_intermediate_size=26,
        num_experts=6,
        num_experts_per_tok=4,
        norm_topk_prob=True,
        num_hidden_layers=2,
        max_position_embeddings=160,
        rope_parameters={"rope_type": "default", "rope_theta": 20000.0},
        rms_norm_eps=1e-3,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
    )
    write(root / "qwen3moe-odd", Qwen3MoeForCausalLM(config), 15, torch.float16, byte_level_gpt2(197), GPT2_TOKENS)


def make_qwen3moe_dense(root):
    config = Qwen3MoeConfig(
        vocab_size=197,
        hidden_size=20,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=10,
        intermediate_size=36,
        moe_intermediate_size=12,
        num_experts=3,
        num_experts_per_tok=2,
        norm_topk_prob=False,
        decoder_sparse_step=2,
        mlp_only_layers=[0],
        num_hidden_layers=3,
        max_position_embeddings=160,
        attention_bias=True,
        bos_token_id=0,
        eos_token_id=0,
    )
    write(root / "qwen3moe-dense", Qwen3MoeForCausalLM(config), 16, torch.float32, byte_level_gpt2(197), GPT2_TOKENS)


if __name__ == "__main__":
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent
    torch.set_num_threads(1)
    make_qwen2_odd(output)
    make_qwen2_window(output)
    make_qwen3_odd(output)
    make_qwen3_window(output)
    make_phi3_odd(output)
    make_gemma_odd(output)
    make_gemma2_odd(output)
    make_gemma3_odd(output)
    make_gpt2_odd(output)
    make_mixtral_odd(output)
    make_qwen2moe_odd(output)
    make_qwen3moe_odd(output)
    make_qwen3moe_dense(output)
