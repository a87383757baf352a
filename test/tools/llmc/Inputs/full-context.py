"""full-context.py COMMAND...: talks with COMMAND, whose context holds 64 tokens, on a terminal."""
import os
import re
import signal
import sys

from terminal import SECONDS, Terminal

FULL = "The context is full: 64 of 64 tokens are used"

signal.alarm(SECONDS)
chat = Terminal(sys.argv[1:])
chat.read_until(b"\r\n> ")
# A message that no context would hold, before anything else was said.
assert re.fullmatch("The message is too long: it takes [0-9]+ tokens, and the context holds 64.", chat.say("ab " * 90))
# The answer is written until the context is full. What comes then is refused, as often as it is said.
first = chat.say("ab")
assert first.endswith(f"\r\n{FULL}; /new starts again."), first
for message in ["cd", "cd"]:
    refusal = chat.say(message)
    assert re.fullmatch(f"{FULL}, and this message takes [0-9]+ more; /new starts again.", refusal), refusal
assert chat.say("/new") == ""
assert chat.say("ab") == first
os.write(chat.terminal, b"/exit\n")
assert chat.finish() == 0
