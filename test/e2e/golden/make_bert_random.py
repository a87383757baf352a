#!/usr/bin/env python3
"""Write bert-odd/, a tiny BERT encoder with random weights, and what transformers computes for it.

The directory is a complete Hugging Face checkpoint (config.json, model.safetensors in f32 with the names of BertModel,
tokenizer.json, tokenizer_config.json, vocab.txt). Beside it `golden.safetensors`, a batch of two, the second padded:

    tokens             i32 [2, T]       [CLS] a [SEP] b [SEP], then [PAD]
    token_types        i32 [2, T]       0 up to the first [SEP], then 1
    attention_mask     i32 [2, T]       1 for tokens, 0 for padding
    last_hidden_state  f32 [2, T, 36]   rows of padding are zeroed: nobody needs to agree on them
    pooler_output      f32 [2, 36]
    mean_normalized    f32 [2, 36]      mean over unmasked rows, then divided by its L2 norm

Usage: make_bert_random.py [OUTPUT_DIRECTORY]   (default: the directory of this script)
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

LINES = [
    "The encoder reads a sentence from both sides at once.",
    "Reading, reader, reads: one stem and three endings.",
    "Tokens are split into pieces, and pieces begin with two hashes.",
    "Caf\u00e9, na\u00efve and \u00fcber lose their accents; 3.14 keeps its dot.",
    "Is a question a sentence? It is, and an answer is another.",
]

PAIRS = [
    ("Is the reader reading a na\u00efve sentence?", "It is reading tokens, one at a time: 3.14!"),
    ("Two pieces", "begin at once"),
]

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = 113


def vocabulary(tokenizer):
    """Special tokens, every character at the start and inside of a word, then whole words and halves of words.

    Made by hand: the WordPiece trainer breaks ties by hash order and so gives another vocabulary on each run.
    """
    words = []
    for line in LINES:
        normalized = tokenizer.normalizer.normalize_str(line)
        words += [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalized)]
    characters = sorted(set("".join(words)))
    pieces = SPECIAL + characters + ["##" + character for character in characters if character.isalnum()]
    for word in sorted(set(words), key=lambda word: (-words.count(word), word)):
        half = (len(word) + 1) // 2
        pieces += [word] if words.count(word) > 1 else [word[:half], "##" + word[half:]]
    pieces = list(dict.fromkeys(piece for piece in pieces if piece != "##"))[:VOCABULARY]
    assert len(pieces) == VOCABULARY, len(pieces)
    return pieces


def wordpiece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.model = models.WordPiece(
        {piece: index for index, piece in enumerate(vocabulary(tokenizer))},
        unk_token="[UNK]",
        max_input_chars_per_word=100,
    )
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def randomize(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        values = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
        if "LayerNorm.weight" in name:
            values = 1.0 + 0.2 * values
        elif name.endswith("bias"):
            values = 0.3 * values
        elif "embeddings" not in name:
            values = 1.3 * parameter.shape[-1] ** -0.5 * values
        parameter.data.copy_(values)


@torch.no_grad()
def golden(model, tokenizer):
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    batch = tokenizer.encode_batch(PAIRS)
    tokenizer.no_padding()
    tokens = torch.tensor([entry.ids for entry in batch])
    token_types = torch.tensor([entry.type_ids for entry in batch])
    mask = torch.tensor([entry.attention_mask for entry in batch])
    result = model(input_ids=tokens, token_type_ids=token_types, attention_mask=mask)

    rows = mask.unsqueeze(-1).to(torch.float32)  # [2, T, 1]
    hidden = result.last_hidden_state * rows
    mean = hidden.sum(dim=1) / rows.sum(dim=1)
    return {
        "tokens": tokens.to(torch.int32),
        "token_types": token_types.to(torch.int32),
        "attention_mask": mask.to(torch.int32),
        "last_hidden_state": hidden,
        "pooler_output": result.pooler_output.contiguous(),
        "mean_normalized": torch.nn.functional.normalize(mean, dim=-1),
    }


def main(root):
    directory = root / "bert-odd"
    directory.mkdir(parents=True, exist_ok=True)
    for stale in directory.glob("*"):
        stale.unlink()

    tokenizer = wordpiece()
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=36,
        num_attention_heads=3,
        intermediate_size=50,
        num_hidden_layers=2,
        max_position_embeddings=64,
        type_vocab_size=2,
        hidden_act="gelu",
        layer_norm_eps=3e-6,
        pad_token_id=0,
    )
    model = BertModel(config)
    randomize(model, seed=5)
    model.save_pretrained(directory)
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "vocab.txt").write_text("".join(piece + "\n" for piece in vocabulary(tokenizer)), encoding="utf-8")
    tokenizer_config = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "tokenize_chinese_chars": True,
        "strip_accents": None,
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
        "model_max_length": 64,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(tokenizer_config, indent=2) + "\n")

    reference = BertModel.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    tensors = golden(reference, tokenizer)
    save_file(tensors, directory / "golden.safetensors", metadata={"reference": "transformers f32"})
    for path in directory.iterdir():
        path.chmod(0o644)
    lengths = tensors["attention_mask"].sum(dim=1).tolist()
    print(f"bert-odd: {lengths} tokens, hidden {tuple(tensors['last_hidden_state'].shape)}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent)
