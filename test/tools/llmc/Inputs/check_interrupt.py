"""check_interrupt.py COMMAND...: whether Ctrl-C ends an answer of COMMAND with status 130 and all that was written so far."""
import signal
import subprocess
import sys

process = subprocess.Popen(
    sys.argv[1:] + ["--prompt", "Count from one to one thousand in words."], stdout=subprocess.PIPE, stderr=subprocess.PIPE
)
first = process.stdout.read(1)
process.send_signal(signal.SIGINT)
rest, log = process.communicate(timeout=120)
assert process.returncode == 130, (process.returncode, log)
assert b"(cancelled)" in log, log
(first + rest).decode("utf-8")
assert rest.endswith(b"\n")
