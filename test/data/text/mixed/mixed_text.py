"""Lines of mixed text: many scripts, code, emoji, control characters, broken UTF-8. test/unit/text/MixedText.h makes the same ones."""

import json
import pathlib

MATERIAL = json.loads((pathlib.Path(__file__).parent / "material.json").read_text())


class Random:
    """The linear congruential generator of Knuth's MMIX."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
        return (self.state >> 33) % limit


def part(random):
    kind = random.below(32)
    if kind < 6:
        return MATERIAL["fragments"][random.below(len(MATERIAL["fragments"]))].encode()
    if kind < 24:
        return MATERIAL["words"][random.below(len(MATERIAL["words"]))].encode()
    if kind < 27:
        first, last = MATERIAL["ranges"][random.below(len(MATERIAL["ranges"]))]
        return "".join(chr(first + random.below(last - first + 1)) for _ in range(1 + random.below(6))).encode()
    if kind == 27:
        return bytes(random.below(256) for _ in range(1 + random.below(4)))
    if kind == 28:
        return str(random.below(1 << 30)).encode()
    if kind == 29:
        word = MATERIAL["words"][random.below(len(MATERIAL["words"]))].encode()
        return word * (1 + random.below(12))
    # A mark on a letter, whole or one behind the other.
    letter = MATERIAL["words"][random.below(len(MATERIAL["words"]))][0]
    return (letter + "".join(chr(0x300 + random.below(0x70)) for _ in range(1 + random.below(2)))).encode()


def lines(count, seed=1):
    random = Random(seed)
    for _ in range(count):
        line = b""
        for _ in range(1 + random.below(20)):
            line += part(random) + MATERIAL["separators"][random.below(len(MATERIAL["separators"]))].encode()
        yield line
