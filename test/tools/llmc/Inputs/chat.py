"""chat.py COMMAND... --json: talks with COMMAND on a terminal."""
import json
import os
import pty
import select
import signal
import sys
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


signal.alarm(2 * SECONDS)
chat = Terminal(sys.argv[1:] + ["--max-tokens", "24"])
chat.read_until(b"\r\n> ")
france, italy = "What is the capital of France?", "And the capital of Italy?"
prompt, answer = chat.ask(france)
later_prompt, _ = chat.ask(italy)
assert later_prompt[: len(prompt)] == prompt, "what was asked before is not part of the prompt"
said = later_prompt[len(prompt) : len(prompt) + len(answer)]
assert said[: len(answer) - 1] == answer[:-1], "what was answered before is not part of the prompt"
assert chat.say("/new") == ""
fresh_prompt, _ = chat.ask(italy)
assert len(fresh_prompt) < len(later_prompt) - len(answer), "/new does not forget what was said"
chat.say("/new")
assert chat.ask(france) == (prompt, answer)

os.write(chat.terminal, b"/exit\n")
assert chat.finish() == 0

# Ctrl-C while an answer is being written: the prompt comes back. Where the user is asked it ends the program.
chat = Terminal([argument for argument in sys.argv[1:] if argument != "--json"] + ["--max-tokens", "400"])
chat.read_until(b"\r\n> ")
question = b"Count from one to one thousand in words."
os.write(chat.terminal, question + b"\n")
chat.read_until(question + b"\r\n")
os.read(chat.terminal, 1)
os.write(chat.terminal, b"\x03")
chat.read_until(b"\r\n> ")
os.write(chat.terminal, b"\x03")
assert chat.finish() == -signal.SIGINT
