#!/usr/bin/env python3
"""Write three tiny decoder checkpoints with random weights and the logits that transformers computes for them.

    llama-odd/       Llama, sizes that no tile divides, one key head for five query heads, separate head, f16
    llama-tied/      Llama, tied head, biases everywhere, head_dim != hidden/heads, llama3 rope scaling, bf16 in shards
    mistral-window/  Mistral, sliding window shorter than the prompt, SentencePiece-like tokenizer, f32

Each directory is a complete Hugging Face checkpoint: config.json, generation_config.json, *.safetensors, tokenizer.json,
tokenizer_config.json, and beside them `golden.safetensors`:

    tokens  i32 [T]           the prompt
    logits  f32 [T, vocab]    after each position
    greedy  i32 [16]          the greedy continuation
    margin  f32 [16]          top-1 minus top-2 logit of each greedy step

The reference runs in f32 on the CPU with eager attention and reads the weights back from the written files, so rounding
to the storage type is part of the checkpoint and not an error of whoever is tested.

Usage: make_llama_random.py [OUTPUT_DIRECTORY]   (default: the directory of this script)
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

GREEDY_STEPS = 16

# What the tokenizers learn from. Plain ASCII on purpose: all other bytes must go through the byte alphabet.
TRAINING_LINES = [
    "the compiler reads the graph, the graph reads the weights, and the weights read nothing at all.",
    "a tile is a small piece of a matrix; a small matrix is a piece of cake.",
    "for each head there is a query, and for each query there is a key, and for some of the keys a value.",
    "rows by columns, columns by rows: the product of the sizes is the size of the product.",
    "if (row < rows) { total += left[row] * right[row]; } // and then the remainder",
    "numbers: 0 1 2 3 5 8 13 21 34 55 89 144, and then the rest.",
    "She said: 'What is the meaning of the mean?' The mean had no answer; it's the median's turn.",
]

PROMPT = "the remainder of the small matrix is the meaning of the tile, and the query reads the columns: 21 34 55"

# A chat template in the manner of Llama 3, for tests that go from messages to tokens.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start|>' + message['role'] + '<|end|>\\n\\n' + message['content'] | trim + '<|eot|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant<|end|>\\n\\n' }}{% endif %}"
)


def special(text):
    return AddedToken(text, special=True, normalized=False)


def train_bpe(tokenizer, vocab_size, special_tokens, alphabet):
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[special(text) for text in special_tokens],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(TRAINING_LINES, trainer)
    assert tokenizer.get_vocab_size() == vocab_size, tokenizer.get_vocab_size()


def byte_level_gpt2(vocab_size):
    """GPT-2's splitting; knows only the bytes of the training lines, so that the vocabulary may be tiny. No BOS."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    train_bpe(tokenizer, vocab_size, ["<|endoftext|>"], alphabet=[])
    return tokenizer


def byte_level_llama3(vocab_size):
    """A regular expression of its own (contractions, digits by three, newlines), all 256 bytes, BOS by template."""
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    names = ["<|bos|>", "<|eot|>", "<|start|>", "<|end|>"]
    train_bpe(tokenizer, vocab_size, names, alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single="<|bos|> $A",
                pair="<|bos|> $A <|bos|>:1 $B:1",
                special_tokens=[("<|bos|>", tokenizer.token_to_id("<|bos|>"))],
            ),
        ]
    )
    return tokenizer


def sentencepiece_like(vocab_size):
    """What conversion of a SentencePiece model gives: a low line for the space, merges over characters, and bytes as
    tokens <0xNN> for characters that the vocabulary lacks."""
    names = ["<unk>", "<s>", "</s>"]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]

    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    train_bpe(learned, vocab_size - len(names) - len(byte_tokens), [], alphabet=[])
    learned = json.loads(learned.to_str())["model"]

    pieces = sorted(learned["vocab"], key=learned["vocab"].get)
    vocabulary = {piece: index for index, piece in enumerate(names + byte_tokens + pieces)}
    merges = [tuple(merge) for merge in learned["merges"]]
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.add_special_tokens([special(name) for name in names])
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(content=" ", left=1, right=0),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    assert tokenizer.get_vocab_size() == vocab_size
    return tokenizer


def gemma_like(vocab_size):
    """What conversion of Gemma's SentencePiece model gives: as above, but words are cut behind spaces, and no space is
    put before the text."""
    names = ["<pad>", "<eos>", "<bos>", "<unk>"]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]

    learned = Tokenizer(models.BPE())
    learned.normalizer = normalizers.Replace(" ", "\u2581")
    learned.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    train_bpe(learned, vocab_size - len(names) - len(byte_tokens), [], alphabet=[])
    learned = json.loads(learned.to_str())["model"]

    pieces = sorted(learned["vocab"], key=learned["vocab"].get)
    vocabulary = {piece: index for index, piece in enumerate(names + byte_tokens + pieces)}
    merges = [tuple(merge) for merge in learned["merges"]]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.add_special_tokens([special(name) for name in names])
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos>:1 $B:1", special_tokens=[("<bos>", tokenizer.token_to_id("<bos>"))]
    )
    assert tokenizer.get_vocab_size() == vocab_size
    return tokenizer


def randomize(model, seed):
    """Weights that make every part matter: unit variance through each product, norms near one, biases that show."""
    generator = torch.Generator().manual_seed(seed)

    def normal(parameter, mean, deviation):
        values = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
        parameter.data.copy_(mean + deviation * values)

    for name, parameter in sorted(model.named_parameters()):
        if ("norm" in name or "ln_" in name) and name.endswith("weight"):
            # Gemma's norms multiply by one more than their weight.
            normal(parameter, 0.0 if model.config.model_type.startswith("gemma") else 1.0, 0.2)
        elif name.endswith("bias"):
            normal(parameter, 0.0, 0.3)
        elif "embed_tokens" in name and not model.config.tie_word_embeddings:
            normal(parameter, 0.0, 1.0)
        else:
            inputs = parameter.shape[0 if ".c_" in name else -1]  # GPT-2's matrices are [in, out]
            normal(parameter, 0.0, 1.3 * inputs**-0.5)


@torch.no_grad()
def golden(model, tokens):
    """Logits of every position of `tokens`, then a greedy continuation without a cache (each step runs the whole)."""
    logits = model(torch.tensor([tokens]), use_cache=False).logits[0]  # [T, vocab]
    sequence, margins = list(tokens), []
    for _ in range(GREEDY_STEPS):
        best = model(torch.tensor([sequence]), use_cache=False).logits[0, -1].topk(2)
        sequence.append(int(best.indices[0]))
        margins.append(float(best.values[0] - best.values[1]))
    return {
        "tokens": torch.tensor(tokens, dtype=torch.int32),
        "logits": logits.contiguous(),
        "greedy": torch.tensor(sequence[len(tokens):], dtype=torch.int32),
        "margin": torch.tensor(margins, dtype=torch.float32),
    }


def age_config(directory):
    """Rewrite config.json as checkpoints of 2023 have it: `torch_dtype`, and no `head_dim` where it follows."""
    path = directory / "config.json"
    config = json.loads(path.read_text())
    config["torch_dtype"] = config.pop("dtype")
    del config["head_dim"]
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def write(directory, model, seed, storage, tokenizer, tokenizer_config, shard_size="1GB", finish=lambda directory: None):
    randomize(model, seed)
    directory.mkdir(parents=True, exist_ok=True)
    for stale in directory.glob("*"):
        stale.unlink()
    model.to(storage).save_pretrained(directory, max_shard_size=shard_size)
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps(tokenizer_config, indent=2) + "\n")
    finish(directory)

    reference = type(model).from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    reference.set_experts_implementation("eager")  # grouped products want sizes that a vector divides
    tokens = tokenizer.encode(PROMPT).ids
    tensors = golden(reference, tokens)
    save_file(tensors, directory / "golden.safetensors", metadata={"prompt": PROMPT})
    for path in directory.iterdir():
        path.chmod(0o644)
    smallest = float(tensors["margin"].min())
    print(f"{directory.name}: {len(tokens)} tokens, logits {tuple(tensors['logits'].shape)}, least margin {smallest:.4f}")


def make_llama_odd(root):
    tokenizer = byte_level_gpt2(197)
    config = LlamaConfig(
        vocab_size=197,
        hidden_size=60,
        num_attention_heads=5,  # of 12
        num_key_value_heads=1,
        intermediate_size=76,
        num_hidden_layers=3,
        max_position_embeddings=160,
        rope_theta=1234.5,
        rms_norm_eps=3e-4,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|endoftext|>",
        "eos_token": "<|endoftext|>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 160,
    }
    write(root / "llama-odd", LlamaForCausalLM(config), 6, torch.float16, tokenizer, tokenizer_config, finish=age_config)


def make_llama_tied(root):
    tokenizer = byte_level_llama3(307)
    config = LlamaConfig(
        vocab_size=307,
        hidden_size=48,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=10,  # and not 48 / 6
        intermediate_size=92,
        num_hidden_layers=3,
        max_position_embeddings=512,
        rope_theta=10000.0,
        # Wavelengths of the five rotations: 6.3, 40, 250, ... ; the bounds 16 and 64 put one below, one between.
        rope_scaling={
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
        rms_norm_eps=1e-6,
        attention_bias=True,
        mlp_bias=True,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=[1, 3],
    )
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|bos|>",
        "eos_token": "<|eot|>",
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 512,
    }
    write(root / "llama-tied", LlamaForCausalLM(config), 2, torch.bfloat16, tokenizer, tokenizer_config, shard_size="64KB")


def make_mistral_window(root):
    tokenizer = sentencepiece_like(331)
    config = MistralConfig(
        vocab_size=331,
        hidden_size=28,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=44,
        num_hidden_layers=2,
        max_position_embeddings=256,
        rope_theta=50000.0,
        rms_norm_eps=1e-5,
        sliding_window=7,  # position q sees q-6 .. q
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
    )
    tokenizer_config = {
        "tokenizer_class": "LlamaTokenizer",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "add_bos_token": True,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "legacy": False,
        "model_max_length": 256,
    }
    write(root / "mistral-window", MistralForCausalLM(config), 8, torch.float32, tokenizer, tokenizer_config)


if __name__ == "__main__":
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent
    torch.set_num_threads(1)
    make_llama_odd(output)
    make_llama_tied(output)
    make_mistral_window(output)
