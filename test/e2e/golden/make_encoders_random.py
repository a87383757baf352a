#!/usr/bin/env python3
"""Write tiny encoders with random weights, and what transformers computes for them.

    bert-odd/        BERT, two segments, f32
    roberta-odd/     RoBERTa, positions counted from the padding token, one segment, byte-level BPE, bf16, with a head
    xlm-roberta-odd/ XLM-RoBERTa, positions counted from the padding token, a SentencePiece model and no tokenizer.json, f32
    distilbert-odd/  DistilBERT, no segments, heads of 7, relu, f32

Each directory is a complete Hugging Face checkpoint (config.json, model.safetensors, tokenizer.json, tokenizer_config.json, for
WordPiece vocab.txt). Beside it `golden.safetensors`, a batch of two, the second padded:

    tokens             i32 [2, T]       [CLS] a [SEP] b [SEP], then [PAD]; what RoBERTa has in their place
    token_types        i32 [2, T]       BERT: 0 up to the first [SEP], then 1; others: 0
    attention_mask     i32 [2, T]       1 for tokens, 0 for padding
    last_hidden_state  f32 [2, T, H]    rows of padding are zeroed: nobody needs to agree on them
    pooler_output      f32 [2, H]       BERT only
    mean_normalized    f32 [2, H]       mean over unmasked rows, then divided by its L2 norm

Needs torch, transformers 5, tokenizers and sentencepiece.

Usage: make_encoders_random.py [OUTPUT_DIRECTORY]   (default: the directory of this script)
"""

import io
import json
import pathlib
import sys

import sentencepiece
import torch
from make_llama_random import train_bpe
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaForMaskedLM,
    XLMRobertaConfig,
    XLMRobertaModel,
)

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
        if name.lower().endswith(("layernorm.weight", "layer_norm.weight")):
            values = 1.0 + 0.2 * values
        elif name.endswith("bias"):
            values = 0.3 * values
        elif "embeddings" not in name:
            values = 1.3 * parameter.shape[-1] ** -0.5 * values
        parameter.data.copy_(values)


def byte_level_roberta():
    """GPT-2's splitting between the special tokens of RoBERTa. Knows the bytes of the training lines only."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    train_bpe(tokenizer, 151, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], alphabet=[])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return tokenizer


@torch.no_grad()
def golden(model, tokenizer, pairs, segments):
    pad = model.config.pad_token_id
    tokenizer.enable_padding(pad_id=pad, pad_token=tokenizer.id_to_token(pad))
    batch = tokenizer.encode_batch(pairs)
    tokenizer.no_padding()
    tokens = torch.tensor([entry.ids for entry in batch])
    token_types = torch.tensor([entry.type_ids if segments else [0] * len(entry.ids) for entry in batch])
    mask = torch.tensor([entry.attention_mask for entry in batch])
    types = {"token_type_ids": token_types} if segments else {}
    result = model(input_ids=tokens, attention_mask=mask, **types)

    rows = mask.unsqueeze(-1).to(torch.float32)  # [2, T, 1]
    hidden = result.last_hidden_state * rows
    mean = hidden.sum(dim=1) / rows.sum(dim=1)
    pooled = {"pooler_output": result.pooler_output.contiguous()} if segments else {}
    return {
        "tokens": tokens.to(torch.int32),
        "token_types": token_types.to(torch.int32),
        "attention_mask": mask.to(torch.int32),
        "last_hidden_state": hidden,
        "mean_normalized": torch.nn.functional.normalize(mean, dim=-1),
        **pooled,
    }


def write(directory, model, seed, dtype, tokenizer, tokenizer_config, pairs, segments=False):
    directory.mkdir(parents=True, exist_ok=True)
    for stale in directory.glob("*"):
        stale.unlink()
    randomize(model, seed)
    model.to(dtype).save_pretrained(directory)
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps(tokenizer_config, indent=2) + "\n")
    reference = AutoModel.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    tensors = golden(reference, tokenizer, pairs, segments)
    save_file(tensors, directory / "golden.safetensors", metadata={"reference": "transformers f32"})
    for path in directory.iterdir():
        path.chmod(0o644)
    lengths = tensors["attention_mask"].sum(dim=1).tolist()
    print(f"{directory.name}: {lengths} tokens, hidden {tuple(tensors['last_hidden_state'].shape)}")


XLM_ROBERTA_CONFIG = {
    "tokenizer_class": "XLMRobertaTokenizer",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "mask_token": "<mask>",
    "model_max_length": 59,
}

WORDPIECE_CONFIG = {
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


def make_bert_odd(root):
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
    directory = root / "bert-odd"
    write(directory, BertModel(config), 5, torch.float32, tokenizer, WORDPIECE_CONFIG, PAIRS, segments=True)
    (directory / "vocab.txt").write_text("".join(piece + "\n" for piece in vocabulary(tokenizer)), encoding="utf-8")


def make_roberta_odd(root):
    tokenizer = byte_level_roberta()
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=30,
        num_attention_heads=5,
        intermediate_size=44,
        num_hidden_layers=3,
        max_position_embeddings=53,
        type_vocab_size=1,
        hidden_act="gelu",
        layer_norm_eps=1e-5,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    tokenizer_config = {
        "tokenizer_class": "RobertaTokenizer",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "cls_token": "<s>",
        "mask_token": "<mask>",
        "model_max_length": 51,
    }
    pairs = [("One, two, three", " and four words."), ("A second", " line")]
    write(root / "roberta-odd", RobertaForMaskedLM(config), 11, torch.bfloat16, tokenizer, tokenizer_config, pairs)


def make_xlm_roberta_odd(root):
    directory = root / "xlm-roberta-odd"
    directory.mkdir(parents=True, exist_ok=True)
    for stale in directory.glob("*"):
        stale.unlink()
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES * 2),
        model_writer=model,
        model_type="unigram",
        vocab_size=76,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    file = directory / "sentencepiece.bpe.model"
    file.write_bytes(model.getvalue())
    config = XLMRobertaConfig(
        vocab_size=78,
        hidden_size=28,
        num_attention_heads=2,
        intermediate_size=37,
        num_hidden_layers=2,
        max_position_embeddings=61,
        type_vocab_size=1,
        hidden_act="gelu",
        layer_norm_eps=1e-5,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    # The tokenizer of transformers, made of the same file.
    XLMRobertaModel(config).save_pretrained(directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    assert len(tokenizer) == 78, len(tokenizer)
    write(directory, XLMRobertaModel(config), 17, torch.float32, tokenizer._tokenizer, XLM_ROBERTA_CONFIG, PAIRS)
    (directory / "tokenizer.json").unlink()
    file.write_bytes(model.getvalue())


def make_distilbert_odd(root):
    tokenizer = wordpiece()
    config = DistilBertConfig(
        vocab_size=VOCABULARY,
        dim=28,
        n_heads=4,
        hidden_dim=39,
        n_layers=2,
        max_position_embeddings=60,
        activation="relu",
        pad_token_id=0,
    )
    directory = root / "distilbert-odd"
    write(directory, DistilBertModel(config), 13, torch.float32, tokenizer, WORDPIECE_CONFIG, PAIRS)
    (directory / "vocab.txt").write_text("".join(piece + "\n" for piece in vocabulary(tokenizer)), encoding="utf-8")


def main(root):
    make_bert_odd(root)
    make_roberta_odd(root)
    make_xlm_roberta_odd(root)
    make_distilbert_odd(root)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent)
