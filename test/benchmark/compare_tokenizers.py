#!/usr/bin/env python3
"""Measures how fast text is encoded, beside the `tokenizers` and `sentencepiece` libraries, on one thread.

The tokenizers are trained here on the text that is then encoded, line by line: the sources and pages of this repository, and the
lines of mixed text of the tests. Both sides take turns, several rounds, with their caches as they are; the figures are medians of
megabytes per second of CPU time, and the ratio is the median of the rounds' ratios. Both have to make the same number of ids.

Usage: compare_tokenizers.py --program build/release/bin/tokenizer_benchmark [--rounds N]
(needs tokenizers 0.23 and sentencepiece 0.2)
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/data/text/mixed"))
from make_mixed_cases import LLAMA3
from mixed_text import lines

VOCABULARY = 8000


def corpus():
    files = sorted(path for suffix in ("md", "cpp", "h", "py") for path in ROOT.glob(f"*/**/*.{suffix}") if "build" not in path.parts)
    text = [line for path in files for line in path.read_text().splitlines()]
    text += [line.decode(errors="replace").replace("\n", " ").replace("\r", " ") for line in lines(4000)]
    return [line for line in text if line.strip()]


def sentencepiece_model(folder, name, text, **options):
    path = folder / f"{name}.model"
    with open(path, "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(text), model_writer=file, vocab_size=VOCABULARY, character_coverage=0.99, minloglevel=2, **options
        )
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return path, lambda rows: sum(map(len, processor.encode(rows, num_threads=1)))


def huggingface(folder, name, tokenizer):
    path = folder / f"{name}.tokenizer.json"
    tokenizer.save(str(path))
    # Without offsets, which nobody asks for here.
    return path, lambda rows: sum(len(row.ids) for row in tokenizer.encode_batch_fast(rows))


def unigram(model):
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto.FromString(model.read_bytes())
    tokenizer = Tokenizer(models.Unigram([(piece.piece, piece.score) for piece in proto.pieces], unk_id=0))
    tokenizer.normalizer = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def byte_level(text):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(text, trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False))
    return tokenizer


def pieces(text):
    bytes_ = ["<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    # Words only while it is trained.
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(
        text, trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=bytes_, limit_alphabet=600, show_progress=False)
    )
    import json

    content = json.loads(tokenizer.to_str())
    content["model"].update(byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    content["added_tokens"] = []
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return tokenizer


def peers(folder, text):
    nmt = dict(model_type="unigram", normalization_rule_name="nmt_nfkc")
    model = sentencepiece_model(folder, "unigram", text, **nmt)
    yield "Unigram of SentencePiece (T5, XLM-RoBERTa)", *model
    yield "Unigram of tokenizer.json (T5, XLM-RoBERTa)", *huggingface(folder, "unigram", unigram(model[0]))
    identity = dict(normalization_rule_name="identity", remove_extra_whitespaces=False, byte_fallback=True)
    yield "BPE of SentencePiece (Llama 2, Gemma)", *sentencepiece_model(folder, "bpe", text, model_type="bpe", **identity)
    yield "BPE over characters of tokenizer.json (Llama 2, Gemma)", *huggingface(folder, "pieces", pieces(text))
    yield "byte-level BPE of tokenizer.json (Llama 3, Qwen)", *huggingface(folder, "bytes", byte_level(text))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    text = corpus()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        file = folder / "text"
        file.write_text("\n".join(text))
        megabytes = file.stat().st_size / 1e6
        print(f"{len(text)} lines, {megabytes:.1f} MB\n")
        print("| tokenizer | llmc, MB/s | reference, MB/s | ratio |\n| --- | --- | --- | --- |")
        for label, path, encode in peers(folder, text):
            ours, theirs = [], []
            for _ in range(arguments.rounds):
                # The second of two rounds, after caches have filled; the library's are filled by the rounds before.
                answer = subprocess.run([arguments.program, path, file, "2"], capture_output=True, text=True, check=True).stdout
                seconds, count = answer.splitlines()[1].split()
                encode(text) if not theirs else None
                start = time.process_time()
                expected = encode(text)
                theirs.append(time.process_time() - start)
                ours.append(float(seconds))
                if int(count) != expected:
                    sys.exit(f"{label}: {count} ids, but the reference makes {expected}")
            ratio = statistics.median(b / a for a, b in zip(ours, theirs))
            speeds = (f"{megabytes / statistics.median(times):.1f}" for times in (ours, theirs))
            print(f"| {label} | {' | '.join(speeds)} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
