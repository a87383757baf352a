"""Training in half precision: the loss on real text stays by that of f32, and the scale of losses does what it is for.

    python3 half.py LLMC TOKENIZER TEXT...
"""

import json
import pathlib
import sys
import tempfile

import runs

STEPS, WINDOW = 300, 20
BOUND = 0.01  # relative, of means over WINDOW steps


def log_of(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if "loss" in line]


def check_curve(workshop, texts):
    data = workshop.folder / "pages"
    workshop.run(workshop.llmc, "data", "pack", *texts, "--tokenizer", workshop.tokenizer, "-o", data, "--validation", 0)
    losses = {}
    for precision in ["F32", "F16"]:
        trainer = workshop.trainer("llama", precision, rest=f"precision: {precision}")
        workshop.run(trainer, "-q", "--override", f"train_data={data}/train.tokens", "--override", f"steps={STEPS}")
        losses[precision] = [line["loss"] for line in log_of(workshop.folder / precision)]
    if losses["F32"] == losses["F16"]:
        sys.exit("half precision rounds nothing")
    for begin in range(0, STEPS, WINDOW):
        means = [sum(losses[name][begin:begin + WINDOW]) / WINDOW for name in ["F32", "F16"]]
        if abs(means[1] / means[0] - 1) > BOUND:
            sys.exit(f"from step {begin + 1} on the loss is {means[1]} in half precision, {means[0]} in f32")
    if losses["F32"][-1] > losses["F32"][0] - 1:
        sys.exit(f"the loss goes from {losses['F32'][0]} to {losses['F32'][-1]}")


def check_scale(workshop):
    """A scale that is too large is halved step by step; those steps change nothing but are counted, and a run goes on with it."""
    trainer, folder = workshop.folder / "F16.trainer", workshop.folder / "scale"
    large = ["-q", "--override", f"output={folder}", "--override", f"loss_scale={1 << 30}", "--override", "checkpoint_every=1",
             "--override", "keep_checkpoints=99"]
    workshop.run(trainer, *large, "--override", "steps=40")
    log = log_of(folder)
    skipped = log[-1]["skipped_steps"]
    if not 3 < skipped < 30 or log[-1]["loss_scale"] != (1 << 30) >> skipped:
        sys.exit(f"a scale that is too large becomes {log[-1]['loss_scale']} in {skipped} steps")

    def contents(step):
        names = ["model", "exp_avg", "exp_avg_sq"]
        return [(folder / f"checkpoint-{step:08d}" / f"{name}.safetensors").read_bytes() for name in names]

    for line in log:
        step, before = line["step"], log[line["step"] - 2]["skipped_steps"] if line["step"] > 1 else 0
        is_skipped = line["skipped_steps"] > before
        if is_skipped != (line["gradient_norm"] is None) or (step > 1 and (contents(step) == contents(step - 1)) != is_skipped):
            sys.exit(f"step {step} is skipped or not: {line}")
    straight = contents(40)
    workshop.run(trainer, *large, "--override", "steps=2", "--restart")
    workshop.run(trainer, *large, "--override", "steps=40")
    if contents(40) != straight or log_of(folder)[-1]["skipped_steps"] != skipped:
        sys.exit("a run that goes on has another scale")
    # The scale of a power of two rounds nothing by itself.
    norms = [log_of(workshop.folder / name)[0]["gradient_norm"] for name in ["F32", "F16"]]
    if abs(norms[1] / norms[0] - 1) > BOUND:
        sys.exit(f"the norm is {norms[1]} in half precision, {norms[0]} in f32")


def check_errors(workshop):
    trainer = workshop.folder / "F16.trainer"
    wrong = workshop.run(trainer, "-q", "--override", "loss_scale=3", check=False)
    if wrong.returncode != 1 or "run.loss_scale is 3, expected a power of two" not in wrong.stderr:
        sys.exit(f"a scale of 3: {wrong.stderr!r}")
    lost = workshop.run(trainer, "-q", "--restart", "--override", f"output={workshop.folder}/lost", "--override", "learning_rate=900",
                        "--override", "clip_norm=0", check=False)
    if lost.returncode != 1 or "finite" not in lost.stderr and "the loss is" not in lost.stderr or lost.stderr.count("\n") != 1:
        sys.exit(f"a run that is lost: {lost.stderr!r}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        workshop = runs.Workshop(*sys.argv[1:3], folder)
        check_curve(workshop, [pathlib.Path(text) for text in sys.argv[3:]])
        check_scale(workshop)
        check_errors(workshop)


main()
