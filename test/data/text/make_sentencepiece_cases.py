#!/usr/bin/env python3
"""Write sentencepiece_cases.json: a small BPE model of SentencePiece as a GGUF file describes it, and the ids that SentencePiece gives.

    tokens, scores, types    the arrays tokenizer.ggml.tokens, .scores and .token_type
    cases                    text and ids, without the tokens that begin or end a text

Needs the Python package sentencepiece. The model is trained on the sentences of the embedding tests.
"""

import io
import json
import pathlib

import sentencepiece

here = pathlib.Path(__file__).parent
corpus = (here / "../../e2e/golden/sentences.txt").read_text().splitlines()
corpus += ["naïve café, déjà vu: die Straße führt über Flüsse", "中文 和 日本語 の テキスト"] * 2

model = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(corpus),
    model_writer=model,
    model_type="bpe",
    vocab_size=700,
    byte_fallback=True,
    character_coverage=0.995,
    normalization_rule_name="identity",
    remove_extra_whitespaces=False,
    allow_whitespace_only_pieces=True,
    split_digits=True,
    user_defined_symbols=["<|user|>"],
)
processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def token_type(id):
    if processor.is_unknown(id):
        return 2
    if processor.is_control(id):
        return 3
    if processor.is_byte(id):
        return 6
    return 4 if processor.id_to_piece(id) == "<|user|>" else 1


texts = corpus[:20] + [
    "a",
    "the",
    " leading and trailing ",
    "two  spaces,   three,      six",
    "line\nbreak\ttab",
    "1234567 and 3.14",
    "emoji 🙂 and a rare letter ꙮ",
    "Zürich, naïve, 中文",
    "anananananananananananananan",
    "sssssssssssssssssss",
    "the" * 40,
    " ".join(corpus[20:24]),
]
ids = range(processor.vocab_size())
result = {
    "tokens": [processor.id_to_piece(id) for id in ids],
    "scores": [processor.get_score(id) for id in ids],
    "types": [token_type(id) for id in ids],
    "cases": [{"text": text, "ids": processor.encode(text)} for text in texts],
}
(here / "sentencepiece_cases.json").write_text(json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n")
