#!/usr/bin/env python3
"""Write what the `tokenizers` library learns as byte-level BPE, for the tests of our trainer.

    bpe_trainer_cases.json        a list of cases: "name", "documents", "size", "min_frequency", "special"; what was learned
                                  from them: "tokens" (by id, behind the special ones and the bytes) and "merges"; and
                                  "texts" with their "ids"
    bpe_trainer.jsonl             the documents of the case `languages`, as llmc tokenizer train reads them
    bpe_trainer.tokenizer.json    what the library saves for that case

Usage: make_bpe_trainer_cases.py     (needs tokenizers 0.23; the files are written beside this script)
"""

import json
import pathlib
import random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

FOLDER = pathlib.Path(__file__).parent
BYTES = 256

LANGUAGES = [
    "The miller's daughter counted the sacks: twelve, thirteen, fourteen. The miller counted them again; she'd been right.",
    "We'll see what they've done, they'll see what we've done, and I'd say that's that.",
    "for (int row = 0; row < rows; ++row)\n    for (int column = 0; column < columns; ++column)\n        sum += row * column;\n",
    "Der Müller zählte die Säcke noch einmal; die Tochter hatte recht gehabt, und der Müller ärgerte sich.",
    "Мельник пересчитал мешки ещё раз. 粉屋は袋をもう一度数えた。粉屋は怒った。 👩‍🌾👩‍🌾 🇫🇷🇫🇷",
    "1 22 333 4444 55555  \t\t tabs and   spaces \r\n\r\n and lines \n\n\n",
]
TEXTS = [
    "", " ", "The miller's daughter isn't counting.", "we'll they'd I'm  two  spaces", "for (int i = 0; i < 10; ++i)\n    sum += i;\n",
    "Säcke zählen", "мешки 粉屋 👩‍🌾 🇫🇷", "abcabc abba aaaa aaaaaaa", "ababab cabbage bacab", "\r\n\t x", "the other <|endoftext|> the",
]


def words(seed, letters, count, longest):
    """Documents of short words, in which many pairs are equally frequent."""
    source = random.Random(seed)
    word = lambda: "".join(source.choice(letters) for _ in range(source.randint(1, longest)))
    return [" ".join(word() for _ in range(count // 4)) for _ in range(4)]


def case(name, documents, size, min_frequency=2, special=("<|endoftext|>",)):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(
        documents,
        trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=min_frequency,
            special_tokens=list(special),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    saved = json.loads(tokenizer.to_str())
    vocabulary = saved["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.get)
    # Special tokens in the texts are not looked for: the same is asked of ours.
    plain = json.loads(tokenizer.to_str())
    plain["added_tokens"] = []
    encoder = Tokenizer.from_str(json.dumps(plain))
    return saved, {
        "name": name,
        "documents": documents,
        "size": size,
        "min_frequency": min_frequency,
        "special": list(special),
        "tokens": tokens[len(special) + BYTES :],
        "merges": [" ".join(merge) for merge in saved["model"]["merges"]],
        "texts": [{"text": text, "ids": encoder.encode(text).ids} for text in TEXTS],
    }


def main():
    saved, languages = case("languages", LANGUAGES, 400)
    with open(FOLDER / "bpe_trainer.jsonl", "w", encoding="utf-8") as file:
        for document in LANGUAGES:
            file.write(json.dumps({"text": document}, ensure_ascii=False) + "\n")
    (FOLDER / "bpe_trainer.tokenizer.json").write_text(json.dumps(saved, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    cases = [
        languages,
        case("exhausted", LANGUAGES[:2], 5000, min_frequency=1)[1],
        case("ties", words(1, "abc", 120, 6), 330, min_frequency=1)[1],
        case("repeats", words(2, "ab", 100, 9), 400)[1],
        case("one letter", words(3, "a", 40, 40), 300, min_frequency=1)[1],
        case("more ties", words(4, "abcd", 400, 8), 900)[1],
        case("specials", LANGUAGES, 300, special=("<s>", "</s>", "the", "counted"))[1],
        case("no specials", LANGUAGES, 256 + 20, special=())[1],
    ]
    with open(FOLDER / "bpe_trainer_cases.json", "w", encoding="utf-8") as file:
        json.dump(cases, file, ensure_ascii=False, indent=0)
        file.write("\n")


main()
