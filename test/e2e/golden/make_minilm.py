#!/usr/bin/env python3
"""Write the reference embeddings of all-MiniLM-L6-v2 for the lines of sentences.txt.

Reads sentences.txt (100 lines; leading and trailing blanks count), writes

    minilm.safetensors     embeddings  f32 [100, 384]   mean of the last hidden state over all tokens, L2 norm 1
    minilm_ids.json        {"max_length": 256, "ids": [[...], ...]}   WordPiece ids with [CLS] and [SEP]

The ids come from the model's tokenizer.json, but with its padding (fixed, 128) switched off and its truncation (128)
replaced by the 256 of sentence_bert_config.json, as the sentence-transformers library does. Two lines are long: one
of more than 128 tokens, and the last, of more than 256, is truncated. Each sentence runs alone, without padding, in
f32 with eager attention.

Usage: make_minilm.py MODEL_DIRECTORY [OUTPUT_DIRECTORY]   (default: the directory of this script)
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import BertModel


@torch.no_grad()
def main(model_directory, output):
    sentences = (output / "sentences.txt").read_text(encoding="utf-8").splitlines()
    max_length = json.loads((model_directory / "sentence_bert_config.json").read_text())["max_seq_length"]

    tokenizer = Tokenizer.from_file(str(model_directory / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    ids = [tokenizer.encode(sentence).ids for sentence in sentences]

    model = BertModel.from_pretrained(model_directory, dtype=torch.float32, attn_implementation="eager").eval()
    embeddings = torch.stack([model(torch.tensor([row])).last_hidden_state[0].mean(dim=0) for row in ids])
    embeddings = torch.nn.functional.normalize(embeddings, dim=-1)  # [sentences, 384]

    save_file({"embeddings": embeddings}, output / "minilm.safetensors")
    (output / "minilm.safetensors").chmod(0o644)
    rows = ",\n".join("  " + json.dumps(row) for row in ids)
    (output / "minilm_ids.json").write_text(f'{{"max_length": {max_length}, "ids": [\n{rows}\n]}}\n')

    lengths = [len(row) for row in ids]
    print(f"{len(ids)} sentences, {min(lengths)} to {max(lengths)} tokens, {sum(lengths)} in all")
    print(f"{sum(length > 128 for length in lengths)} over 128, {sum(length == max_length for length in lengths)} truncated")
    print(f"cosine of lines 1 and 2: {float(embeddings[0] @ embeddings[1]):.6f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    here = pathlib.Path(__file__).resolve().parent
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else here)
