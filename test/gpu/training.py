"""Trainers on a GPU: losses beside those of the processor, the same bits twice, and the seconds of a step of GPT-2 beside PyTorch's.

    python3 training.py prepare LLMC TOKENIZER FOLDER ARCHS      on any machine
    python3 training.py run FOLDER RESULTS                       on one with a GPU; PyTorch is measured where it is
"""

import json
import pathlib
import statistics
import subprocess
import sys
import time

STEPS = 30
BOUNDS = {"F32": 1e-3, "BF16": 0.02}
VOCABULARY, CONTEXT = 50257, 1024
# Presets that are measured, in bf16: sequences, their length, width, layers, heads.
SHAPES = {"gpt2-124m": (4, 512, 768, 12, 12), "gpt2-1.5b": (4, 1024, 1600, 48, 25)}
WARM_UP = 3  # steps that are not counted


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


def train(trainer, data, output, *settings):
    settings = [f"train_data={data}", f"output={output}", *settings]
    command = [trainer, "-q", "--restart", *(part for setting in settings for part in ("--override", setting))]
    subprocess.run([str(part) for part in command], check=True)


def prepare(llmc, tokenizer, folder, archs):
    sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e" / "training"))
    import runs

    folder = pathlib.Path(folder)
    work = folder / "work"
    work.mkdir(parents=True)
    workshop = runs.Workshop(llmc, tokenizer, work)
    data = work / "data" / "train.tokens"
    (folder / "train.tokens").write_bytes(data.read_bytes())
    for family in list(runs.FAMILIES):
        train(workshop.trainer(family, f"{family}-cpu"), data, work / f"{family}-run", f"steps={STEPS}")
        (folder / f"{family}.losses").write_text(json.dumps(losses(work / f"{family}-run")))
        for precision in BOUNDS:
            made = workshop.trainer(family, f"{family}-{precision}", rest=f"precision: {precision}",
                                    options=("--target=cuda", f"--gpu-arch={archs}"))
            made.rename(folder / made.name)
    recipe = work / "gpt2.recipe"
    for preset, (batch, length, *_) in SHAPES.items():
        recipe.write_text(f"""preset: "{preset}" precision: BF16 batch {{ sequences: {batch} length: {length} }}
run {{ train_data: "train.tokens" output: "run" steps: {STEPS} learning_rate: 1e-4 schedule {{ kind: CONSTANT }} checkpoint_every: 0 }}
""")
        subprocess.run([llmc, "train", str(recipe), "-q", "--target=cuda", f"--gpu-arch={archs}", "-o", str(folder / f"{preset}.trainer")], check=True)
    subprocess.run(["rm", "-rf", str(work)], check=True)


def run(folder, results):
    folder, results = pathlib.Path(folder), pathlib.Path(results)
    failures = 0
    for expected_file in sorted(folder.glob("*.losses")):
        family, expected = expected_file.stem, json.loads(expected_file.read_text())
        for precision, bound in BOUNDS.items():
            trainer, outputs = folder / f"{family}-{precision}.trainer", [results / f"{family}-{precision}-{turn}" for turn in range(2)]
            for output in outputs:
                train(trainer, folder / "train.tokens", output, f"steps={STEPS}")
            off = max(abs(x - y) for x, y in zip(losses(outputs[0]), expected))
            same = len({(output / f"checkpoint-{STEPS:08d}" / "model.safetensors").read_bytes() for output in outputs}) == 1
            print(json.dumps({"trainer": trainer.stem, "loss_error": off, "bound": bound, "same_bits": same}))
            failures += off > bound or not same
    for preset in SHAPES:
        report({"step": preset}, preset, measure(folder / f"{preset}.trainer", folder / "train.tokens", results / preset))
        for form in ["eager", "compiled"]:
            measure_pytorch(preset, form)
    sys.exit(failures > 0)


def report(what, preset, seconds):
    """Prints the milliseconds of a step, and the arithmetic that a model needs (6 N a token, and attention) per second."""
    batch, length, width, layers, _ = SHAPES[preset]
    parameters = (VOCABULARY + CONTEXT) * width + layers * (12 * width + 13) * width
    operations = batch * length * (6 * parameters + 12 * layers * width * length)
    seconds = seconds[WARM_UP:]
    middle = statistics.median(seconds)
    print(json.dumps({**what, "milliseconds": 1e3 * middle, "range": [1e3 * min(seconds), 1e3 * max(seconds)],
                      "model_tflops": operations / middle / 1e12}), flush=True)


def measure(trainer, data, output):
    """Seconds of each step. The run ends before its checkpoint, which takes longer than all steps of a large model."""
    command = [trainer, "-q", "--restart", "--override", f"train_data={data}", "--override", f"output={output}", "--override", "log_every=1",
               "--override", f"steps={100 * STEPS}"]
    process = subprocess.Popen([str(part) for part in command])
    log, lines = output / "log.jsonl", []
    while len(lines) < STEPS and process.poll() is None:
        time.sleep(0.2)
        lines = log.read_text().splitlines()[:STEPS] if log.exists() else []
    process.kill()
    process.wait()
    if len(lines) < STEPS:
        sys.exit(f"{trainer} ended after {len(lines)} steps")
    return [json.loads(line)["seconds"] for line in lines]


def measure_pytorch(preset, form):
    """The same step in PyTorch: AdamW in one kernel, gradients clipped. The small model is compiled as a whole, the large one block by block."""
    try:
        import torch
        import torch.nn.functional as F
    except ImportError:
        return
    BATCH, LENGTH, WIDTH, LAYERS, HEADS = SHAPES[preset]

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(WIDTH) for _ in range(2))
            self.merged, self.output = torch.nn.Linear(WIDTH, 3 * WIDTH), torch.nn.Linear(WIDTH, WIDTH)
            self.up, self.down = torch.nn.Linear(WIDTH, 4 * WIDTH), torch.nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, x):
            query, key, value = (part.view(BATCH, LENGTH, HEADS, -1).transpose(1, 2) for part in self.merged(self.norms[0](x)).chunk(3, -1))
            mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
            x = x + self.output(mixed.transpose(1, 2).reshape(BATCH, LENGTH, WIDTH))
            return x + self.down(F.gelu(self.up(self.norms[1](x)), approximate="tanh"))

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.places = torch.nn.Embedding(VOCABULARY, WIDTH), torch.nn.Embedding(CONTEXT, WIDTH)
            self.blocks, self.norm = torch.nn.ModuleList(Block() for _ in range(LAYERS)), torch.nn.LayerNorm(WIDTH)

        def forward(self, tokens, targets):
            x = self.table(tokens) + self.places(torch.arange(LENGTH, device="cuda"))
            for block in self.blocks:
                x = block(x)
            return F.cross_entropy((self.norm(x) @ self.table.weight.t()).view(-1, VOCABULARY), targets.view(-1))

    model = Model().cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    forward = model
    if form == "compiled" and LAYERS < 20:
        forward = torch.compile(model)
    elif form == "compiled":
        for block in model.blocks:
            block.compile()
    tokens, targets = (torch.randint(VOCABULARY, (BATCH, LENGTH), device="cuda") for _ in range(2))
    seconds = []
    for _ in range(STEPS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        with torch.autocast("cuda", torch.bfloat16):
            loss = forward(tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    report({"peer": f"PyTorch {form}", "shape": preset}, preset, seconds)


if __name__ == "__main__":
    {"prepare": prepare, "run": run}[sys.argv[1]](*sys.argv[2:])
