"""Whether transformers reads what definitions.py kept: all tensors have their places, and an encoder or decoder gives finite outputs.
Needs torch and transformers, so no test runs it.

    python3 definitions.py LLMC GOLDEN KEEP && python3 check_definitions.py KEEP
"""

import pathlib
import sys

import torch
import transformers


def main():
    for checkpoint in sorted(pathlib.Path(sys.argv[1]).glob("*/checkpoint-*")):
        config = transformers.AutoConfig.from_pretrained(checkpoint)
        model_class = getattr(transformers, config.architectures[0])
        model, report = model_class.from_pretrained(checkpoint, output_loading_info=True)
        wrong = {kind: names for kind, names in report.items() if names}
        tokens = torch.arange(5, 25).reshape(1, 20)
        logits = model.eval()(tokens).logits
        print(f"{checkpoint.parent.name}: {config.architectures[0]}, {model.num_parameters()} parameters")
        if wrong or not torch.isfinite(logits).all():
            sys.exit(f"{checkpoint}: {wrong}, logits {logits}")


main()
