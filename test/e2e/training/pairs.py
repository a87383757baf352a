"""What sequence_to_sequence.py and the script that makes its golden file, make_sequence_to_sequence.py, have in common: pairs of texts, and
which of them are in a batch."""

import json
import random

import gradients

CURVE_STEPS, CURVE_EVERY, CURVE_SEED = 200, 10, 5
# What is trained (a folder of test/e2e/golden), the lines of its recipe besides, and its batch: sequences, tokens of each, and of the sources
# beside it. None of the sequences is full, some have two pairs, and sources are longer than distances that have a bucket.
CASES = {
    "t5": ("t5-odd", "", (3, 19, 33)),
    "t5-smoothing": ("t5-gated", "label_smoothing: 0.1", (4, 12, 35)),
    "bart": ("bart-odd", "", (2, 23, 41)),
    "marian": ("marian-odd", "", (3, 19, 29)),
}
# And the learning rate. With a larger one rounding decides after a hundred steps, in transformers too.
CURVES = {"t5-curve": ("t5-odd", 3e-4, (2, 25, 37)), "bart-curve": ("bart-odd", 1e-3, (3, 17, 31))}


def vocabulary_of(folder):
    return json.loads((folder / "config.json").read_text())["vocab_size"]


def pairs(vocabulary, count):
    """Sources and targets of several lengths: a target repeats tokens of its source, one to the right, and then some that follow no rule."""
    choose, made = random.Random(count), []
    for i in range(count):
        source = [choose.randrange(6, vocabulary) for _ in range(4 + (11 * i) % 25)]
        target = [(token + 1) % vocabulary for token in source[:2 + (3 * i) % 7]]
        made.append((source, target + [choose.randrange(6, vocabulary), 1]))
    return made


def order(count, epoch, seed):
    """The numbers of an epoch's pairs, one behind the other (train/Batches.cpp, train/Permutation.cpp)."""
    words = gradients.philox([epoch, 0, 0, 1], [seed, 0])
    key, half = [words[0], words[1]], 1
    while 1 << 2 * half < count:
        half += 1
    for index in range(count):
        while True:
            left, right = index >> half, index & (1 << half) - 1
            for turn in range(4):
                random_words = gradients.philox([right, 0, turn, 0], key)
                left, right = right, left ^ (random_words[0] | random_words[1] << 32) & (1 << half) - 1
            index = left << half | right
            if index < count:
                break
        yield index


def batches(made, shape, seed):
    """Pairs of each batch: sequences hold those that fit, in their order."""
    sequences, length, source_length = shape
    epoch, waiting = 0, []
    while True:
        batch = []
        for _ in range(sequences):
            sources = targets = 0
            while True:
                if not waiting:
                    waiting, epoch = list(order(len(made), epoch, seed)), epoch + 1
                source, target = made[waiting[0]]
                sources, targets = sources + len(source), targets + len(target)
                if sources > source_length or targets > length:
                    break
                batch.append(made[waiting.pop(0)])
        yield batch


def write(path, made):
    documents = [document for pair in made for document in pair]
    gradients.write_tokens(path, documents, max(map(max, documents)) + 1, group=2)
