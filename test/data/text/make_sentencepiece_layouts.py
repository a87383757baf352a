#!/usr/bin/env python3
"""Write what transformers makes of small SentencePiece models, without tokenizer.json, with the classes that lay ids out around them.

    layouts/CLASS.model       a model as the class expects it
    sentencepiece_layouts.json  for each class the cases: text, or a pair of texts, and ids with what surrounds them

Left out is what transformers 5 and SentencePiece disagree about: texts that begin with a space or U+2581 in Llama and T5.

Usage: make_sentencepiece_layouts.py     (needs transformers 5, sentencepiece and protobuf)
"""

import io
import json
import pathlib
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = (HERE / "../../e2e/golden/sentences.txt").read_text().splitlines()
CORPUS += ["naïve café, déjà vu: die Straße führt über Flüsse", "中文 和 日本語 の テキスト", "def f(x):\n    return x + 1  # 3.14"] * 3

# Line ends and tabs become spaces, as with the rules of the real ones.
UNIGRAM = dict(model_type="unigram", vocab_size=330, normalization_rule_tsv="RULES", hard_vocab_limit=False)
RULES = "9\t20\nA\t20\n"
BPE = dict(
    model_type="bpe",
    vocab_size=600,
    normalization_rule_name="identity",
    byte_fallback=True,
    remove_extra_whitespaces=False,
    allow_whitespace_only_pieces=True,
    split_digits=True,
)
CLASSES = {
    "T5Tokenizer": ("spiece.model", UNIGRAM | dict(pad_id=0, eos_id=1, unk_id=2, bos_id=-1)),
    "XLMRobertaTokenizer": ("sentencepiece.bpe.model", UNIGRAM),
    "LlamaTokenizer": ("tokenizer.model", BPE),
    "GemmaTokenizer": (
        "tokenizer.model",
        BPE | dict(add_dummy_prefix=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3, bos_piece="<bos>", eos_piece="<eos>", user_defined_symbols=["<mask>", "\n\n"]),
    ),
}
TEXTS = [
    "",
    "a",
    "The river is wide.",
    "space at the end ",
    "two  spaces,   three",
    "line\nbreak\ttab\n\nend",
    "1234567 and 3.14",
    "emoji 🙂 and a rare letter ꙮ",
    "naïve 中文 テキスト",
    "<s>The</s> river",
    "a <mask> b",
    "a<mask>b <unk> c",
    "<extra_id_0> wide <extra_id_99>x",
    "<pad>",
    "The▁river",
    *CORPUS[:12],
]


def train(options):
    buffer = io.BytesIO()
    if "normalization_rule_tsv" in options:
        (HERE / "rules.tsv").write_text(RULES)
        options = options | {"normalization_rule_tsv": str(HERE / "rules.tsv")}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS), model_writer=buffer, minloglevel=2, **options)
    model = sentencepiece_model_pb2.ModelProto.FromString(buffer.getvalue())
    (HERE / "rules.tsv").unlink(missing_ok=True)
    model.trainer_spec.ClearField("input")
    model.normalizer_spec.ClearField("normalization_rule_tsv")
    return model.SerializeToString()


def cases(name, file, model):
    # Real files say this, and without it versions of transformers differ.
    flags = {"add_bos_token": True, "add_eos_token": False, "legacy": False} if name in ("LlamaTokenizer", "GemmaTokenizer") else {}
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / file).write_bytes(model)
        (pathlib.Path(folder) / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name} | flags))
        (pathlib.Path(folder) / "config.json").write_text(json.dumps({"model_type": name.removesuffix("Tokenizer").lower()}))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        assert type(tokenizer).__name__ == name, type(tokenizer)
        rows = [{"text": text, "ids": tokenizer(text)["input_ids"]} for text in TEXTS]
        return rows + [{"text": "The river", "pair": "is wide.", "ids": tokenizer("The river", "is wide.")["input_ids"]}]


def main():
    (HERE / "layouts").mkdir(exist_ok=True)
    result = {}
    for name, (file, options) in CLASSES.items():
        model = train(options)
        (HERE / "layouts" / f"{name}.model").write_bytes(model)
        result[name] = cases(name, file, model)
    rows = (f"{json.dumps(name)}: [\n" + ",\n".join(map(json.dumps, found)) + "\n]" for name, found in result.items())
    (HERE / "sentencepiece_layouts.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
