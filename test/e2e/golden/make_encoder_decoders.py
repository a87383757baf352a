#!/usr/bin/env python3
"""Write tiny models with an encoder and a decoder, with random weights, and what transformers computes and generates.

    t5-odd/    T5, relu, tied head, heads of 10 and not hidden/heads, distances beyond the largest bucket, f16
    t5-gated/  T5 version 1.1, gated gelu, a head of its own, more layers in the encoder, bf16
    bart-odd/  BART, learned positions, biases, heads of 7 and of 14, a bias of logits, f32
    marian-odd/  Marian, sines and cosines for positions, scaled embeddings, an odd number of heads, silu, f16

Each directory is a complete Hugging Face checkpoint. Beside it `golden.safetensors`:

    source      i32 [S]            what the encoder reads
    tokens      i32 [T]            what the decoder is given, from its start token on
    logits      f32 [T, vocab]     after each position
    cross_keys  f32 [S, inner]     keys of the source for the first layer of the decoder

and `generation.json`, texts that transformers' `generate` makes of the source: its arguments, and the tokens behind the start
token, without the one that ends the text. What ends a text is a token that the model likes, so that texts have ends.

The reference runs in f32 on the CPU with eager attention and reads the weights back from the written files.

Needs torch, transformers 5, tokenizers and sentencepiece.

Usage: make_encoder_decoders.py [OUTPUT_DIRECTORY]   (default: the directory of this script)
"""

import io
import json
import pathlib
import sys
import tempfile

import sentencepiece
import torch
from make_encoders_random import byte_level_roberta
from make_llama_random import TRAINING_LINES, randomize
from safetensors.torch import save_file
from transformers import (
    AutoModelForSeq2SeqLM,
    BartConfig,
    BartForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
    T5Tokenizer,
)

SOURCE = "the query reads the columns of the small matrix, and the mean had no answer: 21 34 55"

# Arguments of `generate`: greedy, then beams with each rule of when and by what to end.
GENERATIONS = [
    {"num_beams": 1},
    {"num_beams": 1, "repetition_penalty": 1.7},
    {"num_beams": 4},
    {"num_beams": 3, "length_penalty": 2.0},
    {"num_beams": 3, "length_penalty": -1.5},
    {"num_beams": 5, "early_stopping": True},
    {"num_beams": 2, "length_penalty": 1.5, "early_stopping": "never"},
    {"num_beams": 4, "max_new_tokens": 3},
    {"num_beams": 1, "no_repeat_ngram_size": 2},
    {"num_beams": 3, "no_repeat_ngram_size": 2, "repetition_penalty": 1.3},
    {"num_beams": 3, "min_new_tokens": 6},
    {"num_beams": 1, "bad_words_ids": [[26], [126]]},
    {"num_beams": 3, "forced_bos_token_id": 9, "forced_eos_token_id": 11, "max_new_tokens": 5},
]


def unigram(directory, vocab_size, extra_ids):
    """A SentencePiece model as T5 has them, with the files that transformers makes of it."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TRAINING_LINES * 2),
        model_writer=model,
        model_type="unigram",
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "spiece.model"
        file.write_bytes(model.getvalue())
        tokenizer = T5Tokenizer.from_pretrained(folder, extra_ids=extra_ids)
    tokenizer.save_pretrained(directory)
    return tokenizer


def soften(model):
    """T5 does not scale the products of queries and keys: it is trained with small ones."""
    for name, parameter in model.named_parameters():
        if name.endswith(("Attention.q.weight",)):
            parameter.data.mul_(0.4)


@torch.no_grad()
def golden(model, source, start, steps, usual):
    lengths = {"max_new_tokens": steps, "min_new_tokens": steps, "eos_token_id": model.config.vocab_size - 1}
    sequence = model.generate(torch.tensor([source]), do_sample=False, use_cache=False, **lengths, **usual)[0].tolist()
    tokens = [start] + sequence[1:]
    outputs = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([tokens]), use_cache=False)
    encoded = outputs.encoder_last_hidden_state[0]
    return tokens, {
        "source": torch.tensor(source, dtype=torch.int32),
        "tokens": torch.tensor(tokens, dtype=torch.int32),
        "logits": outputs.logits[0].contiguous(),
        "cross_keys": cross_key(model)(encoded).contiguous(),
    }


def cross_key(model):
    if model.config.model_type == "t5":
        return model.decoder.block[0].layer[1].EncDecAttention.k
    return model.model.decoder.layers[0].encoder_attn.k_proj


@torch.no_grad()
def generations(model, source, favourites, usual):
    """Ends of texts are tokens that a greedy text has, early and late, and one that it has not."""
    made = []
    for eos in [favourites[4], favourites[5], model.config.eos_token_id]:
        for arguments in GENERATIONS:
            arguments = {"max_new_tokens": 14, "eos_token_id": eos} | usual | arguments
            sequence = model.generate(torch.tensor([source]), do_sample=False, use_cache=False, **arguments)[0].tolist()[1:]
            if eos in sequence:
                sequence = sequence[: sequence.index(eos)]
            made.append({"arguments": arguments, "tokens": sequence})
    return made


def write(directory, model, seed, storage, make_tokenizer, prepare=lambda model: None, usual={}):
    """`usual` are arguments of all generations: those of models that would say the same again and again."""
    sinusoids = {name: value.clone() for name, value in model.named_parameters() if not value.requires_grad}
    randomize(model, seed)
    for name, value in model.named_parameters():
        if name in sinusoids:
            value.data.copy_(sinusoids[name])
    prepare(model)
    directory.mkdir(parents=True, exist_ok=True)
    for stale in directory.glob("*"):
        stale.unlink()
    model.to(storage).save_pretrained(directory)
    tokenizer = make_tokenizer(directory)
    assert len(tokenizer) <= model.config.vocab_size, len(tokenizer)
    reference = AutoModelForSeq2SeqLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    source = tokenizer(SOURCE)["input_ids"]
    tokens, tensors = golden(reference, source, model.config.decoder_start_token_id, 16, usual)
    save_file(tensors, directory / "golden.safetensors")
    lines = [json.dumps(made) for made in generations(reference, source, tokens[1:], usual)]
    (directory / "generation.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


def make_t5_odd(root):
    config = T5Config(
        vocab_size=131,
        d_model=28,
        d_kv=10,
        num_heads=3,
        d_ff=37,
        num_layers=2,
        num_decoder_layers=3,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=17,
        n_positions=96,
        layer_norm_epsilon=1e-5,
        decoder_start_token_id=0,
    )
    write(
        root / "t5-odd", T5ForConditionalGeneration(config), 24, torch.float16, lambda folder: unigram(folder, 120, 7), soften
    )


def make_t5_gated(root):
    config = T5Config(
        vocab_size=128,
        d_model=36,
        d_kv=12,
        num_heads=4,
        d_ff=44,
        num_layers=3,
        num_decoder_layers=2,
        relative_attention_num_buckets=12,
        relative_attention_max_distance=30,
        n_positions=80,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=0,
    )
    model = T5ForConditionalGeneration(config)
    model.lm_head.weight = torch.nn.Parameter(torch.empty(128, 36))
    write(root / "t5-gated", model, 22, torch.bfloat16, lambda folder: unigram(folder, 110, 3), soften)
    # As files of version 1.1 say it.
    path = root / "t5-gated" / "config.json"
    fields = json.loads(path.read_text())
    fields.pop("scale_decoder_outputs")
    fields["tie_word_embeddings"] = False
    path.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n")


def train_sentencepiece(lines, vocab_size):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines * 2),
        model_writer=model,
        model_type="unigram",
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    return model.getvalue()


def marian_tokenizer(directory):
    """Two SentencePiece models, and a vocabulary of both in an order of its own: its last token is the padding."""
    pieces = []
    for side, lines in (("source", TRAINING_LINES[:4]), ("target", TRAINING_LINES[3:])):
        model = train_sentencepiece(lines, 78)
        (directory / f"{side}.spm").write_bytes(model)
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        pieces += [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    pieces = sorted(set(pieces) - {"<s>", "</s>", "<unk>"}, key=lambda piece: (len(piece), piece))
    assert len(pieces) <= 128, len(pieces)
    words = ["</s>", "<unk>"] + pieces[:127]
    words += [f"unused{i}" for i in range(130 - len(words))] + ["<pad>"]
    (directory / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}, indent=1) + "\n")
    fields = {"tokenizer_class": "MarianTokenizer", "source_lang": "en", "target_lang": "de", "separate_vocabs": False}
    (directory / "tokenizer_config.json").write_text(json.dumps(fields, indent=2) + "\n")
    return MarianTokenizer.from_pretrained(directory)


def bart_tokenizer(directory):
    tokenizer = byte_level_roberta()
    tokenizer.save(str(directory / "tokenizer.json"))
    fields = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 64,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(fields, indent=2) + "\n")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def make_bart_odd(root):
    config = BartConfig(
        vocab_size=151,
        d_model=28,
        encoder_layers=2,
        decoder_layers=3,
        encoder_attention_heads=4,
        decoder_attention_heads=2,
        encoder_ffn_dim=37,
        decoder_ffn_dim=45,
        max_position_embeddings=64,
        forced_eos_token_id=None,
    )
    model = BartForConditionalGeneration(config)

    def prepare(model):
        model.final_logits_bias.copy_(torch.randn(model.final_logits_bias.shape, generator=torch.Generator().manual_seed(1)) * 0.3)

    write(root / "bart-odd", model, 34, torch.float32, bart_tokenizer, prepare, {"no_repeat_ngram_size": 2})


def make_marian_odd(root):
    config = MarianConfig(
        vocab_size=131,
        d_model=30,
        encoder_layers=3,
        decoder_layers=2,
        encoder_attention_heads=3,
        decoder_attention_heads=5,
        encoder_ffn_dim=41,
        decoder_ffn_dim=33,
        max_position_embeddings=72,
        activation_function="swish",
        scale_embedding=True,
        pad_token_id=130,
        eos_token_id=0,
        decoder_start_token_id=130,
        forced_eos_token_id=None,
    )
    write(root / "marian-odd", MarianMTModel(config), 43, torch.float16, marian_tokenizer, usual={"no_repeat_ngram_size": 2})


if __name__ == "__main__":
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent
    torch.set_num_threads(1)
    make_t5_odd(output)
    make_t5_gated(output)
    make_bart_odd(output)
    make_marian_odd(output)
