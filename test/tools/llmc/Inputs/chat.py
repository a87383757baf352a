"""chat.py COMMAND...: talks with COMMAND on a terminal."""
import os
import pty
import select
import sys
import time

SECONDS = 120


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command):
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.execvp(command[0], command)

    def read_until(self, end):
        """What the program prints up to `end`."""
        text, deadline = b"", time.monotonic() + SECONDS
        while not text.endswith(end):
            ready, _, _ = select.select([self.terminal], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {end!r} within {SECONDS} s: {text!r}"
            text += os.read(self.terminal, 1)
        return text.decode()

    def say(self, line):
        """The answer to a message, without its echo."""
        os.write(self.terminal, line.encode() + b"\n")
        printed = self.read_until(b"> ")
        assert printed.startswith(line + "\r\n"), printed
        return printed[len(line) + 2 : -2].strip()

    def finish(self):
        _, status = os.waitpid(self.process, 0)
        return os.waitstatus_to_exitcode(status)


chat = Terminal(sys.argv[1:])
chat.read_until(b"> ")
france, italy = "My name is Amelie and I live in Paris.", "What is my name, and where do I live?"
first = chat.say(france)
assert first != ""
second = chat.say(italy)
assert chat.say("/new") == ""
assert chat.say(italy) != second, "the answer does not depend on what was said before"
chat.say("/new")
assert chat.say(france) == first, "/new does not forget what was said"

# Ctrl-C while an answer is being written: the prompt comes back.
os.write(chat.terminal, b"Count from one to one hundred in words.\n")
chat.read_until(b"words.\r\n")
time.sleep(0.2)
os.write(chat.terminal, b"\x03")
chat.read_until(b"> ")
assert chat.say("What is two plus two?") != ""

os.write(chat.terminal, b"/exit\n")
assert chat.finish() == 0
