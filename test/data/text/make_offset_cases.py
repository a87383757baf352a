#!/usr/bin/env python3
"""Write where in their texts the tokens of tokenizer_cases.json come from, by the `tokenizers` library.

tokenizer_offsets.json maps each tokenizer to a list, with an element for each of its cases with one text and all options as usual:
[first, last + 1] for each token, in characters, white space at either end left out, and null for a token that the template adds.

Left out (null) are cases in which the library's offsets are not what the text says: it counts a character that has no token as if it
were not there, and of characters that are composed it tells the first only. Tokens of nothing but an added space, which it gives to
the character behind it, are null, too.

Usage: make_offset_cases.py     (needs tokenizers 0.22; reads and writes beside this script)
"""

import json
import pathlib
import unicodedata

from tokenizers import Tokenizer


def trimmed(text, begin, end):
    part = text[begin:end]
    return [begin + len(part) - len(part.lstrip()), end - (len(part) - len(part.rstrip()))] if part.strip() else [begin, begin]


def is_sound(name, tokenizer, text):
    if name.startswith("merged") or name == "contiguous":
        return False  # some characters have no token
    composed = any(unicodedata.combining(c) or "\u1100" <= c < "\u1200" for c in text) or unicodedata.normalize("NFC", text) != text
    return not (tokenizer.normalizer and composed)


def is_added(token, part):
    """A space or mark that the text does not have."""
    return token in ("\u0120", "\u2581") and bool(part.strip(" \u2581"))


def main():
    here = pathlib.Path(__file__).resolve().parent
    cases = json.loads((here / "tokenizer_cases.json").read_text())
    result = {}
    for name, rows in cases.items():
        tokenizer = Tokenizer.from_file(str(here / f"{name}.tokenizer.json"))
        result[name] = []
        for row in rows:
            if row.keys() & {"add", "parse", "pair"}:
                continue
            entry = tokenizer.encode(row["text"])
            assert entry.ids == row["ids"]
            if not is_sound(name, tokenizer, row["text"]):
                result[name].append(None)
                continue
            result[name].append([
                None if sequence is None or is_added(token, row["text"][slice(*offset)]) else trimmed(row["text"], *offset)
                for offset, sequence, token in zip(entry.offsets, entry.sequence_ids, entry.tokens)
            ])
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(rows, separators=(',', ':'))}" for name, rows in result.items())
    (here / "tokenizer_offsets.json").write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
