"""chat.py COMMAND... --json: talks with COMMAND on a terminal."""
import os
import signal
import sys

from terminal import SECONDS, Terminal

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
