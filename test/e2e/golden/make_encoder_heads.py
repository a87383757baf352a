#!/usr/bin/env python3
"""Write tiny encoders with heads and random weights, and what transformers computes for them.

heads/FAMILY-TASK/ for each family of `bert`, `roberta` (bf16) and `distilbert`, and each task:

    masked     ForMaskedLM
    sequence   ForSequenceClassification: one of three labels (bert), a number (roberta), each of five labels (distilbert)
    tokens     ForTokenClassification: persons and places in the BIO scheme
    answer     ForQuestionAnswering

Each directory is a complete Hugging Face checkpoint. Beside it `golden.safetensors`, a batch of two pairs of texts, the second padded:

    tokens          i32 [2, T]
    token_types     i32 [2, T]     BERT: 0 up to the first [SEP], then 1; others: 0
    attention_mask  i32 [2, T]
    logits          f32 [2, T, W] or, of a sequence, [2, W]; rows of padding are zeroed

and `predictions.json`, what the pipelines of transformers say of some texts (there is none for answers).

Usage: make_encoder_heads.py [OUTPUT_DIRECTORY]   (default: the directory of this script)
"""

import json
import pathlib
import sys

import torch
import transformers
from make_encoders_random import PAIRS, VOCABULARY, WORDPIECE_CONFIG, byte_level_roberta, randomize, wordpiece
from safetensors.torch import save_file
from transformers import BertConfig, DistilBertConfig, RobertaConfig, pipeline

TASKS = {
    "masked": "ForMaskedLM",
    "sequence": "ForSequenceClassification",
    "tokens": "ForTokenClassification",
    "answer": "ForQuestionAnswering",
}
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]

ROBERTA_CONFIG = {
    "tokenizer_class": "RobertaTokenizer",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "mask_token": "<mask>",
    "model_max_length": 51,
}
ROBERTA_PAIRS = [("One, two, three", " and four words."), ("A second", " line")]

TEXTS = {
    "bert": ["Is the r\u00e9ader reading a na\u00efve sentence?  It is 3.14!", "Two pieces begin at once"],
    "roberta": ["One, two, three and four words.", " A second line"],
}
TEXTS["distilbert"] = TEXTS["bert"]


def labels(family, task):
    names = {
        ("bert", "sequence"): ["bad", "so-so", "good"],
        ("roberta", "sequence"): ["similarity"],
        ("distilbert", "sequence"): ["a", "b", "c", "d", "e"],
    }.get((family, task), TAGS if task == "tokens" else None)
    if names is None:
        return {}
    problem = {"roberta": "regression", "distilbert": "multi_label_classification"}.get(family)
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: index for index, name in enumerate(names)},
        **({"problem_type": problem} if problem and task == "sequence" else {}),
    }


def config(family, tokenizer, task):
    if family == "bert":
        return BertConfig(
            vocab_size=VOCABULARY, hidden_size=20, num_attention_heads=2, intermediate_size=27, num_hidden_layers=1,
            max_position_embeddings=64, type_vocab_size=2, hidden_act="gelu_new", layer_norm_eps=3e-6, pad_token_id=0,
            **labels(family, task),
        )  # fmt: skip
    if family == "roberta":
        return RobertaConfig(
            vocab_size=tokenizer.get_vocab_size(), hidden_size=18, num_attention_heads=3, intermediate_size=26, num_hidden_layers=1,
            max_position_embeddings=53, type_vocab_size=1, hidden_act="relu", layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0,
            eos_token_id=2, **labels(family, task),
        )  # fmt: skip
    return DistilBertConfig(
        vocab_size=VOCABULARY, dim=21, n_heads=3, hidden_dim=25, n_layers=1, max_position_embeddings=60, activation="gelu",
        pad_token_id=0, **labels(family, task),
    )  # fmt: skip


@torch.no_grad()
def golden(model, tokenizer, pairs, segments):
    pad = model.config.pad_token_id
    tokenizer.enable_padding(pad_id=pad, pad_token=tokenizer.id_to_token(pad))
    batch = tokenizer.encode_batch(pairs)
    tokenizer.no_padding()
    tokens = torch.tensor([entry.ids for entry in batch])
    token_types = torch.tensor([entry.type_ids if segments else [0] * len(entry.ids) for entry in batch])
    mask = torch.tensor([entry.attention_mask for entry in batch])
    result = model(input_ids=tokens, attention_mask=mask, **({"token_type_ids": token_types} if segments else {}))
    logits = result.logits if "logits" in result else torch.stack([result.start_logits, result.end_logits], dim=-1)
    if logits.dim() == 3:
        logits = logits * mask.unsqueeze(-1)
    return {
        "tokens": tokens.to(torch.int32),
        "token_types": token_types.to(torch.int32),
        "attention_mask": mask.to(torch.int32),
        "logits": logits.contiguous(),
    }


def masked(text, tokenizer, mask):
    """The text with one of its words masked."""
    words = text.split(" ")
    words[2] = mask
    return " ".join(words)


def predictions(directory, family, task, model):
    """By the pipelines' own defaults, all labels; entities by their simple aggregation."""
    names = {"masked": "fill-mask", "sequence": "text-classification", "tokens": "token-classification"}
    if task not in names:
        return None
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(directory / "tokenizer.json"),
        **{name: token for name, token in json.loads((directory / "tokenizer_config.json").read_text()).items() if name.endswith("_token")},
        model_input_names=["input_ids", "attention_mask"] + (["token_type_ids"] if family == "bert" else []),
    )
    options = {"masked": {"top_k": 3}, "sequence": {"top_k": None}, "tokens": {"aggregation_strategy": "simple"}}[task]
    predict = pipeline(names[task], model=model, tokenizer=tokenizer)
    texts = TEXTS[family] if task != "masked" else [masked(text, tokenizer, tokenizer.mask_token) for text in TEXTS[family]]
    return [{"text": text, "predictions": predict(text, **options)} for text in texts]


def write(root, family, task, seed):
    directory = root / "heads" / f"{family}-{task}"
    directory.mkdir(parents=True, exist_ok=True)
    for stale in directory.glob("*"):
        stale.unlink()
    tokenizer = byte_level_roberta() if family == "roberta" else wordpiece()
    prefix = {"bert": "Bert", "roberta": "Roberta", "distilbert": "DistilBert"}[family]
    kind = getattr(transformers, prefix + TASKS[task])
    model = kind(config(family, tokenizer, task))
    randomize(model, seed)
    model.to(torch.bfloat16 if family == "roberta" else torch.float32).save_pretrained(directory)
    tokenizer.save(str(directory / "tokenizer.json"))
    tokenizer_config = ROBERTA_CONFIG if family == "roberta" else WORDPIECE_CONFIG
    (directory / "tokenizer_config.json").write_text(json.dumps(tokenizer_config, indent=2) + "\n")
    reference = kind.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    pairs = ROBERTA_PAIRS if family == "roberta" else PAIRS
    tensors = golden(reference, tokenizer, pairs, segments=family == "bert")
    save_file(tensors, directory / "golden.safetensors", metadata={"reference": "transformers f32"})
    if expected := predictions(directory, family, task, reference):
        lines = json.dumps(expected, indent=1, default=float)
        (directory / "predictions.json").write_text(lines + "\n")
    for path in directory.iterdir():
        path.chmod(0o644)
    print(f"{directory.name}: logits {tuple(tensors['logits'].shape)}")


def main(root):
    for i, family in enumerate(("bert", "roberta", "distilbert")):
        for j, task in enumerate(TASKS):
            write(root, family, task, seed=100 + 10 * i + j)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent)
