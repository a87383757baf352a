"""What is measured: llmc, by `llmc bench`, and its peers, each in a process of its own (peers/)."""
import json
import os
import subprocess
import sys
import tempfile
import time

PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")


class Refused(Exception):
    """What a contestant cannot do, and why."""


class Llmc:
    """One run of `llmc bench` a measurement; its time to load is not part of the figures."""

    def __init__(self, name, program, artifact, threads):
        self.name, self.program, self.artifact, self.threads = name, program, artifact, threads
        self.settings = ""

    def arguments(self, kind, tokens, depths=(0,), texts=1):
        if kind == "embed":
            return ["--prompt-tokens", str(tokens), "--sequences", str(texts)]
        arguments = ["--prompt-tokens", str(tokens if kind == "prompt" else 0), "--decode-tokens", str(tokens if kind == "decode" else 0)]
        if len(depths) > 1:
            arguments += ["--sequences", str(len(depths))]
        return arguments + ["--depth", ",".join(map(str, depths))]

    def bench(self, request, *options):
        command = [self.program, "bench", self.artifact, "--json", "--repetitions", "1", "--threads", str(self.threads), "--verify", "never"]
        printed = subprocess.run(command + self.arguments(**request) + list(options), check=True, stdout=subprocess.PIPE, text=True).stdout
        return json.loads(printed)["measurements"][0]

    def measure(self, request):
        measured = self.bench(request)
        return measured["tokens"] * measured["sequences"] / measured["tokens_per_second"]

    def limit(self, request):
        """The part of the time that the machine's limits need, of one more run."""
        profile = self.bench(request, "--profile")["profile"]
        return profile["limit_seconds"] / profile["seconds"]

    def first_token(self, tokens):
        """Seconds from the start of a process until it has read a prompt of about `tokens` tokens and printed one."""
        command = [self.program, "run", self.artifact, "--prompt", " ".join(["one"] * tokens), "--max-tokens", "1", "--raw"]
        command += ["--threads", str(self.threads), "--verify", "never"]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start

    def close(self):
        pass


class Peer:
    """A process of peers/, which loads the model once."""

    def __init__(self, name, script, *arguments):
        self.name = name
        self.command = [sys.executable, os.path.join(PEERS, script), *map(str, arguments)]
        self.process = None
        self.settings = ""
        self.log = os.path.join(tempfile.gettempdir(), f"llmc-benchmark-{os.getpid()}-{script}.log")

    def start(self):
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.settings = json.loads(self.answer())["settings"]

    def ask(self, request):
        if not self.process:
            self.start()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # answer() says more
        answer = json.loads(self.answer())
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer["seconds"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.process = None
            with open(self.log, encoding="utf-8", errors="replace") as log:
                last = (log.read().strip().splitlines() or [""])[-1]
            raise Refused(f"its process ended with status {status}: {last}")
        return line

    def measure(self, request):
        return self.ask(request)

    def first_token(self, tokens):
        """Seconds from the call that loads the model; the start of Python is not counted."""
        self.close()
        seconds = self.ask({"kind": "first-token", "tokens": tokens})
        self.close()
        return seconds

    def close(self):
        if self.process:
            self.process.kill()  # it holds nothing that must be kept
            self.process.communicate()
            self.process = None
        if os.path.exists(self.log):
            os.remove(self.log)


class LlamaCpp(Peer):
    """Virtual machines may announce AMX and yet fault on its first instruction; llama.cpp then runs without its AMX kernels."""

    def __init__(self, model, threads):
        super().__init__("llama.cpp", "llamacpp.py", model, threads)

    def start(self):
        super().start()
        if "--no-repack" in self.command:
            return
        try:
            self.ask({"kind": "prompt", "tokens": 8, "depths": [0]})
        except Refused:
            self.command.append("--no-repack")
            super().start()
            self.settings += ", without AMX kernels, which fault on this machine"
