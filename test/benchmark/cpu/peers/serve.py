"""What all peers share: a process that holds one model, reads one JSON object a line, and answers each with one.

    {"kind": "prompt", "tokens": 512, "depths": [0]}       that many tokens at once, into a context that has `depth` tokens
    {"kind": "decode", "tokens": 32, "depths": [0, 64]}    so many tokens, one by one, of each of some sequences side by side
    {"kind": "embed", "tokens": 128, "texts": 32}          texts of so many tokens
    {"kind": "first-token", "tokens": 16}                  only as the first request: loads the model and reads a prompt

The answer has "seconds", or "refused" with a reason. The first line that a process prints is {"settings": "..."}.
"""
import json
import sys


def tokens_of(count, vocabulary):
    """Ids from all over the vocabulary, the same in every run."""
    return [(i * 2654435761 + 12345) % vocabulary for i in range(count)]


class Refused(Exception):
    """The peer cannot do what was asked."""


def serve(peer):
    """`peer` has `settings`, a line of text, and a method for each kind that it can do, which gives seconds."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # libraries print, too
    print(json.dumps({"settings": peer.settings}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        method = getattr(peer, request.pop("kind").replace("-", "_"), None)
        try:
            if method is None:
                raise Refused("this peer has no such measurement")
            answer = {"seconds": method(**request)}
        except Refused as reason:
            answer = {"refused": str(reason)}
        print(json.dumps(answer), file=answers, flush=True)
