#!/usr/bin/env python3
"""Write what transformers and sentence-transformers make of texts with decoders.

    embedders/states.safetensors   f32 [T, hidden], the last hidden states of the tiny decoders beside this script for the
                                   tokens of their golden files, called as the model is
    embedders/qwen3-last/          Qwen3 without a head, as AutoModel saves it, whose vector is the normalized state of the
                                   last token, which the tokenizer adds; in golden.json the vectors of two texts, as llmc embed prints them

Everything is computed in f32 from the written files.

Usage: make_decoder_embeddings.py [OUTPUT_DIRECTORY]   (needs sentence-transformers, torch, transformers)
"""

import json
import pathlib
import sys

import torch
from make_llama_random import byte_level_gpt2, randomize
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, Pooling, Transformer
from tokenizers import processors
from transformers import AutoModel, PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

MODELS = ["llama-odd", "llama-tied", "mistral-window", "qwen2-odd", "qwen3-odd", "gemma2-odd", "gemma3-odd", "phi3-odd", "gpt2-odd"]
TEXTS = ["the tile", "a small piece of cake"]


@torch.no_grad()
def states_of(root, name):
    model = AutoModel.from_pretrained(root / name, dtype=torch.float32, attn_implementation="eager").eval()
    tokens = load_file(root / name / "golden.safetensors")["tokens"]
    return model(tokens[None].long(), use_cache=False).last_hidden_state[0].contiguous()


def write_qwen3_last(folder):
    tokenizer = byte_level_gpt2(197)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <|endoftext|>", pair="$A <|endoftext|> $B:1 <|endoftext|>:1", special_tokens=[("<|endoftext|>", 0)]
    )
    config = Qwen3Config(
        vocab_size=197,
        hidden_size=28,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=12,
        intermediate_size=44,
        num_hidden_layers=2,
        max_position_embeddings=96,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = Qwen3Model(config)
    randomize(model, 21)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    fast.padding_side = "left"
    fast.save_pretrained(folder)
    pooling = Pooling(28, pooling_mode="lasttoken")
    SentenceTransformer(modules=[Transformer(str(folder)), pooling, Normalize()], device="cpu").save(
        str(folder), create_model_card=False
    )
    model = SentenceTransformer(str(folder), device="cpu")
    vectors = model.encode(TEXTS, convert_to_tensor=True).float()
    texts = [
        {"tokens": len(fast(text).input_ids), "embedding": [float(x) for x in vector]} for text, vector in zip(TEXTS, vectors)
    ]
    (folder / "golden.json").write_text(json.dumps({"embeddings": texts}) + "\n")


if __name__ == "__main__":
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent
    torch.set_num_threads(1)
    (output / "embedders").mkdir(exist_ok=True)
    save_file({name: states_of(output, name) for name in MODELS}, output / "embedders" / "states.safetensors")
    write_qwen3_last(output / "embedders" / "qwen3-last")
    for path in (output / "embedders").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
