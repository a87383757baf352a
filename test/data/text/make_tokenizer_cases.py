#!/usr/bin/env python3
"""Write small tokenizers and what the `tokenizers` library makes of difficult texts with them.

Each NAME.tokenizer.json is trained here on a few lines and stands for one kind of pipeline. tokenizer_cases.json maps
each NAME to its cases: {"text", "ids"} and, where they differ from the usual, "add": false (no special tokens),
"parse": false (special tokens are text), "pair" (a second text), "decoded" and "decoded_keep" (without and with special
tokens; left out where equal to the text).

Usage: make_tokenizer_cases.py     (needs tokenizers 0.22; the files are written beside this script)
"""

import json
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

CORPUS = [
    "The quick brown fox jumps over the lazy dog, and the dog isn't amused: it's 12345 times too slow!",
    "We'll see what they've done; I'd say you're right. hello hello world world",
    "def quick_sort(values):\n    return sorted(values)  # 3.14159\n",
    "Ein Übermaß an Größe, déjà vu, naïve façade, İstanbul, Ωmega, 东京 大阪, привет мир, שלום, مرحبا",
    "the there then these them other another brother mother father rather",
]
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"

TEXTS = [
    "", " ", "a", "hello world", " hello  world ", "Hello, World! It's 12345.", "they'll we'VE I'M 'S 'ſ", "\n\n a\r\n\tb \n",
    "x" * 200, "the " * 30 + "end", "    four\n        eight\n", "déjà vu Größe ÜBERMASS", "é e\u0301 \u1e9b\u0323 ﬁ ① ½ ²", "İI ıi ß ẞ Σς ǅ", "东京 tokyo 大阪!", "привет שלום مرحبا",
    "👍🏽 👩‍👩‍👧‍👦 🇫🇷", "a\u00a0b\u2003c\u3000d\u200be\u180ef", "\x00\x01\x7f\x85 \ufffd", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U0010ffff", "<s>hi</s>", "<|end|>x <|end|> y", "a <mask> b  <mask>", "xBIGx BIG big BIG.", "foo_bar __init__ a.b(c)[d]{e}",
    "1 22 333 4444 55555 ٣٤ ¼ Ⅻ", "¡hola! ¿qué? «x» — … ’s", "do not . ? ! , ' n't 'm 's 've 're", "<0x41> ▁under ▁▁x", "가각 가", "क्षि ที่", "a\u0300\u0316\u0345b", "$1 + €2 ^ `q` |~|", "the\u200dre \u2028 \u2029",
    "Antidisestablishmentarianism quicksort", "tab\tsep\ttext", "  lead", "trail  ", "hello<|end|>", "[CLS] [SEP] [UNK] [MASK]", "##ing ##", "isn't is not",
]


def byte_level(**options):
    return pre_tokenizers.ByteLevel(**options)


def bpe(name, normalizer=None, pre=None, decoder=None, special=(), alphabet=True, size=420, model=None, **trainer):
    tokenizer = Tokenizer(model or models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    if decoder:
        tokenizer.decoder = decoder
    letters = pre_tokenizers.ByteLevel.alphabet() if alphabet else []
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(vocab_size=size, initial_alphabet=letters, special_tokens=list(special), show_progress=False, **trainer),
    )
    return name, tokenizer


def word_piece(name, normalizer, pre, special, size=300):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    )
    return name, tokenizer


def with_model_options(tokenizer, **options):
    content = json.loads(tokenizer.to_str())
    content["model"].update(options)
    return Tokenizer.from_str(json.dumps(content))


def tokenizers():
    yield bpe("gpt2", pre=byte_level(add_prefix_space=True), decoder=decoders.ByteLevel(), special=["<|end|>"])

    digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level(add_prefix_space=False)])
    name, tokenizer = bpe("digits", pre=digits, decoder=decoders.ByteLevel(), special=["<|end|>"])
    tokenizer.add_tokens(
        [
            AddedToken("<mask>", lstrip=True, rstrip=True, normalized=False),
            AddedToken("BIG", single_word=True),
            "quicksort",
            "  ",
            AddedToken("é", normalized=False),
        ]
    )
    yield name, tokenizer

    split = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(LLAMA3), "isolated"), byte_level(add_prefix_space=False, use_regex=False)]
    )
    name, tokenizer = bpe("llama3", pre=split, decoder=decoders.ByteLevel(), special=["<s>", "</s>"])
    tokenizer = with_model_options(tokenizer, ignore_merges=True)
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 0)]),
        ]
    )
    yield name, tokenizer

    falcon = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Punctuation("contiguous"),
            byte_level(add_prefix_space=False),
            pre_tokenizers.Digits(individual_digits=False),
            pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated"),
        ]
    )
    yield bpe("falcon", pre=falcon, decoder=decoders.ByteLevel())

    pieces = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    from_pieces = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    name, tokenizer = bpe("pieces", normalizer=pieces, special=["<unk>", "<s>", "</s>", *bytes_], alphabet=False, size=400)
    tokenizer.decoder = from_pieces
    content = json.loads(tokenizer.to_str())
    content["model"].update(byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    content["added_tokens"] = [token for token in content["added_tokens"] if token["id"] < 3]
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    yield name, tokenizer

    for scheme in ("first", "always"):
        name, tokenizer = bpe(
            f"metaspace-{scheme}",
            pre=pre_tokenizers.Metaspace(prepend_scheme=scheme, split=scheme == "first"),
            decoder=from_pieces,
            special=["<unk>", "<|end|>"],
            alphabet=False,
            size=250,
            model=models.BPE(unk_token="<unk>", fuse_unk=scheme == "first"),
        )
        yield name, tokenizer

    clip = bpe(
        "clip",
        normalizer=normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]),
        pre=pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(CLIP), "removed", invert=True), byte_level(add_prefix_space=False)]
        ),
        special=["<s>", "</s>"],
        end_of_word_suffix="</w>",
        model=models.BPE(unk_token="</s>", end_of_word_suffix="</w>"),
    )
    clip[1].post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    yield clip

    yield bpe(
        "prefix",
        pre=pre_tokenizers.WhitespaceSplit(),
        special=["<unk>"],
        alphabet=False,
        size=200,
        continuing_subword_prefix="##",
        model=models.BPE(unk_token="<unk>", continuing_subword_prefix="##"),
    )

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    bert = word_piece("bert", normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), special)
    bert[1].post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    bert[1].add_tokens(["Tokyo"])
    yield bert

    cased = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    yield word_piece("bert-cased", cased, pre_tokenizers.Whitespace(), special)

    folded = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip(left=True, right=False)]
    )
    yield word_piece("folded", folded, pre_tokenizers.Punctuation("removed"), special)

    for behavior in ("merged_with_previous", "merged_with_next", "contiguous"):
        pre = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(r"[\s,.]|\w\d"), behavior), pre_tokenizers.Split("the", behavior, invert=True)]
        )
        normalizer = normalizers.NFKC() if behavior == "contiguous" else normalizers.NFD()
        yield bpe(behavior.replace("_", "-"), normalizer=normalizer, pre=pre, alphabet=False, size=160)


def cases(tokenizer):
    rows = []

    def add(text, **options):
        tokenizer.encode_special_tokens = not options.get("parse", True)
        texts = [text] + ([options["pair"]] if "pair" in options else [])
        ids = tokenizer.encode(*texts, add_special_tokens=options.get("add", True)).ids
        row = {"text": text, **options, "ids": ids}
        if options == {}:
            for key, skip in (("decoded", True), ("decoded_keep", False)):
                if (decoded := tokenizer.decode(ids, skip_special_tokens=skip)) != text:
                    row[key] = decoded
        rows.append(row)

    for text in TEXTS:
        add(text)
    for text in TEXTS:
        if "<" in text or "[" in text:
            add(text, parse=False)
    for text in TEXTS[3:6]:
        add(text, add=False)
        add(text, pair="fox 7")
    return rows


def main():
    here = pathlib.Path(__file__).resolve().parent
    parts = []
    for name, tokenizer in tokenizers():
        content = json.loads(tokenizer.to_str())
        (here / f"{name}.tokenizer.json").write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in cases(tokenizer))
        parts.append(f"{json.dumps(name)}: [\n{rows}\n]")
    (here / "tokenizer_cases.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    main()
