"""Programs on terminals."""
import json
import os
import pty
import select
import signal
import time

SECONDS = 120


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command):
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            # A test that runs in the background may have been told to ignore it.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
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
        """What is printed after a message, without its echo."""
        os.write(self.terminal, line.encode() + b"\n")
        printed = self.read_until(b"\r\n> ")
        assert printed.startswith(line + "\r\n"), printed
        return printed[len(line) + 2 : -4]

    def ask(self, question):
        """The ids of the prompt and of the answer to a question."""
        answer = json.loads(self.say(question))
        return answer["prompt_token_ids"], answer["token_ids"]

    def finish(self):
        _, status = os.waitpid(self.process, 0)
        return os.waitstatus_to_exitcode(status)
