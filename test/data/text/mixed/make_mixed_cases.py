#!/usr/bin/env python3
"""Write what the `tokenizers` and `sentencepiece` libraries make of 10,000 lines of mixed text (mixed_text.py).

    NAME.sums             a byte a line, FNV-1a (32 bits) over all ids so far, 4 bytes each, modulo 251; then all 4 bytes
    NAME.model            models of SentencePiece, trained here; ids without what surrounds a text, of the bytes as they are
    NAME.tokenizer.json   tokenizers, trained here or made of those models; ids with what surrounds a text, of the text with
                          U+FFFD for broken parts

The sums of ../*.tokenizer.json are written too. "precompiled_charsmap": "@NAME.model" stands for the one of that model.

Usage: make_mixed_cases.py      (needs tokenizers 0.23, sentencepiece 0.2 and protobuf; the files are written beside this script)
"""

import base64
import collections
import io
import json
import pathlib
import struct

import sentencepiece
from mixed_text import lines
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
LINES = list(lines(10000))
# Other lines than those of the test, and whole sentences.
CORPUS = [line.decode(errors="ignore") for line in lines(3000, seed=7)]
CORPUS += (HERE / "../../../e2e/golden/sentences.txt").read_text().splitlines() * 5
# Rare characters stay unknown.
COUNTS = collections.Counter("".join(CORPUS))
CORPUS = ["".join(character for character in line if COUNTS[character] > 12) for line in CORPUS]

# The patterns of the families, as their tokenizer.json has them.
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PHI4 = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{ENDING}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{ENDING}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

MODELS = {
    # As T5 and XLM-RoBERTa.
    "unigram": dict(model_type="unigram", vocab_size=1600, normalization_rule_name="nmt_nfkc", character_coverage=0.995),
    # As Llama 2 and Mistral.
    "bpe": dict(
        model_type="bpe",
        vocab_size=1400,
        normalization_rule_name="identity",
        byte_fallback=True,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        split_digits=True,
        character_coverage=0.995,
    ),
    # As Gemma: no space before a text, and symbols of the user.
    "bpe-symbols": dict(
        model_type="bpe",
        vocab_size=1200,
        normalization_rule_name="identity",
        byte_fallback=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        character_coverage=0.99,
        user_defined_symbols=["<s>x", "▁▁", "the", "\n", "ab", "aba", "中文"],
    ),
    # Rules of its own, bytes, symbols of the user, words that are cut anywhere.
    "unigram-symbols": dict(
        model_type="unigram",
        vocab_size=1000,
        normalization_rule_tsv="RULES",
        byte_fallback=True,
        split_by_whitespace=False,
        character_coverage=0.99,
        user_defined_symbols=["the", "ab", "aba", "é", "中文", "x y", "<mask>"],
    ),
    # No bytes, and unknown characters.
    "bpe-unknown": dict(model_type="bpe", vocab_size=700, normalization_rule_name="identity", character_coverage=0.98),
}
RULES = {"ab": "ba", "abab": "x", "é": "e", "\u3000": " ", "\t": " ", "…": "...", "c": "", "œ": "o e ", "\ufffd": " ", "q": "  "}


def train_model(name, options):
    if options.get("normalization_rule_tsv") == "RULES":
        path = HERE / "rules.tsv"
        hexadecimal = lambda text: " ".join(f"{ord(character):X}" for character in text)
        path.write_text("".join(f"{hexadecimal(key)}\t{hexadecimal(value)}\n" for key, value in RULES.items()))
        options = options | {"normalization_rule_tsv": str(path)}
    buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=buffer, minloglevel=2, max_sentence_length=20000, **options
    )
    (HERE / "rules.tsv").unlink(missing_ok=True)
    model = sentencepiece_model_pb2.ModelProto.FromString(buffer.getvalue())
    # Where this ran is nobody's business.
    model.trainer_spec.ClearField("input")
    model.normalizer_spec.ClearField("normalization_rule_tsv")
    (HERE / f"{name}.model").write_bytes(model.SerializeToString())
    return model


def byte_level(pattern, normalizer=None, **options):
    tokenizer = Tokenizer(models.BPE(**options))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|end|>"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def pieces_of(model):
    return [(piece.piece, piece.score) for piece in model.pieces]


def unigram_json(model, pre, extra_normalizers=(), fairseq=False):
    """What transformers makes of a SentencePiece model of T5 or XLM-RoBERTa."""
    vocab = pieces_of(model)
    if fairseq:
        vocab = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + vocab[3:] + [("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3 if fairseq else 0, byte_fallback=False))
    rules = normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)
    tokenizer.normalizer = normalizers.Sequence([rules, *extra_normalizers]) if extra_normalizers else rules
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.Metaspace()
    if fairseq:
        tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True)])
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
    else:
        tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 2)]
        )
    return tokenizer


def merges_of(model):
    """Pairs of pieces that make a piece, the highest score first, as transformers extracts them."""
    ids = {piece.piece: index for index, piece in enumerate(model.pieces)}
    found = []
    for text, index in ids.items():
        cuts = [(text[:cut], text[cut:]) for cut in range(1, len(text)) if text[:cut] in ids and text[cut:] in ids]
        found += [(-model.pieces[index].score, ids[left], ids[right], (left, right)) for left, right in cuts]
    return [pair for *_, pair in sorted(found)]


def bpe_json(model, normalizer=None, pre=None, decoder=None, template=None):
    vocab = {piece.piece: index for index, piece in enumerate(model.pieces)}
    tokenizer = Tokenizer(models.BPE(vocab, merges_of(model), unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoder
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return tokenizer


def new_tokenizers(trained):
    metaspace = pre_tokenizers.Metaspace
    yield "t5", unigram_json(
        trained["unigram"], pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace(prepend_scheme="always")])
    )
    yield "xlm-roberta", unigram_json(
        trained["unigram"],
        metaspace(prepend_scheme="always"),
        [normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "▁")],
        fairseq=True,
    )
    yield "unigram-first", unigram_json(trained["unigram"], metaspace(prepend_scheme="first", split=False))
    tokenizer = unigram_json(trained["unigram-symbols"], metaspace(prepend_scheme="never"))
    content = json.loads(tokenizer.to_str())
    content["model"]["byte_fallback"] = True
    content["normalizer"] = None
    yield "unigram-bytes", Tokenizer.from_str(json.dumps(content))

    from_pieces = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    strip = decoders.Strip(" ", 1, 0)
    prefixed = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    # Llama 2, Mistral and Phi-3 in their first form; without normalizer in their second; Gemma.
    yield "llama", bpe_json(trained["bpe"], normalizer=prefixed, decoder=decoders.Sequence([*from_pieces, strip]))
    first = metaspace(prepend_scheme="first", split=False)
    yield "mistral", bpe_json(trained["bpe"], pre=first, decoder=decoders.Sequence([*from_pieces, strip]))
    yield "gemma", bpe_json(
        trained["bpe-symbols"],
        normalizer=normalizers.Replace(" ", "▁"),
        pre=pre_tokenizers.Split(" ", "merged_with_previous"),
        decoder=decoders.Sequence(from_pieces),
    )

    yield "qwen2", byte_level(QWEN2, normalizers.NFC())
    yield "llama3-pattern", byte_level(LLAMA3, ignore_merges=True)
    yield "phi4", byte_level(PHI4)
    yield "o200k", byte_level(O200K)
    yield "tekken", byte_level(TEKKEN, ignore_merges=True)


def write_sums(name, rows):
    value, sums = 0x811C9DC5, bytearray()
    for ids in rows:
        for byte in struct.pack(f"<{len(ids)}I", *ids):
            value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
        sums.append(value % 251)
    (HERE / f"{name}.sums").write_bytes(sums + struct.pack("<I", value))


def write_sums_of(name, tokenizer):
    write_sums(name, (row.ids for row in tokenizer.encode_batch([line.decode(errors="replace") for line in LINES])))


def main():
    trained = {name: train_model(name, options) for name, options in MODELS.items()}
    for name in MODELS:
        processor = sentencepiece.SentencePieceProcessor(model_file=str(HERE / f"{name}.model"))
        write_sums(f"{name}.model", (processor.encode(line) for line in LINES))
    rules = base64.b64encode(trained["unigram"].normalizer_spec.precompiled_charsmap).decode()
    for name, tokenizer in new_tokenizers(trained):
        content = json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":"))
        (HERE / f"{name}.tokenizer.json").write_text(content.replace(rules, "@unigram.model") + "\n")
        write_sums_of(name, tokenizer)
    for path in sorted(HERE.parent.glob("*.tokenizer.json")):
        write_sums_of(path.name.removesuffix(".tokenizer.json"), Tokenizer.from_file(str(path)))


if __name__ == "__main__":
    main()
